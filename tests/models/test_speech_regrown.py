"""A network read back out of a package says what the package says, and so it stays until it is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("scipy")

from pikvani_contract.speech.features import BANDS  # noqa: E402
from pikvani_contract.speech.package import load_speech_package  # noqa: E402
from pikvani_models.speech.network import SpeechNet  # noqa: E402
from pikvani_models.speech.regrown import find_norms, from_package  # noqa: E402
from pikvani_models.speech.scoring import invoke_of  # noqa: E402
from pikvani_models.speech.training import teacher_of  # noqa: E402

PACKAGE = Path(__file__).parents[2] / "models" / "packages" / "speech"


def sounds(count: int) -> list[np.ndarray]:
    """Smooth in time and frequency, as speech is."""
    rng = np.random.default_rng(3)
    coarse = rng.standard_normal((count, 30, 10)).astype(np.float32) * 2.5
    return [np.kron(one, np.ones((10, BANDS // 10), np.float32)) for one in coarse]


def said_by(net: SpeechNet, features: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(net(torch.from_numpy(features)[None])[0].numpy())


def test_given_a_package_then_its_network_hears_what_it_hears() -> None:
    package, net = load_speech_package(PACKAGE), from_package(PACKAGE / "model.onnx")
    invoke = invoke_of(package)
    apart = [np.abs(np.exp(invoke(x)) - np.exp(said_by(net, x))).sum(1).mean() / 2 for x in sounds(8)]
    assert np.mean(apart) < 0.12


def test_given_norms_found_anew_and_idle_blocks_then_nothing_has_changed() -> None:
    net = from_package(PACKAGE / "model.onnx")
    torch.nn.init.zeros_(net.blocks[3].norm.weight)
    torch.nn.init.zeros_(net.blocks[3].norm.bias)
    clips = sounds(4)
    before = [said_by(net, x) for x in clips]
    find_norms(net, [torch.from_numpy(np.stack(clips))])
    teacher = teacher_of(net)
    assert len(teacher.blocks) < len(net.blocks)
    for x, wanted in zip(clips, before, strict=True):
        assert np.allclose(said_by(net, x), wanted, atol=2e-3)
        assert np.allclose(said_by(teacher, x), wanted, atol=2e-3)
