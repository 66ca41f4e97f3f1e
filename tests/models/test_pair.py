"""Two networks as one: what is known from fields is the first one's, what a laboratory crop looks like the second's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pikvani_contract.model.manifest import load_package
from pikvani_models.records import DataError
from pikvani_models.scope import Scope, scope_of
from pikvani_models.symptoms import numbered

torch = pytest.importorskip("torch", reason="torch is not installed: pairs not run")

ROOT = Path(__file__).parents[2]
SCOPE = scope_of(("maize", "sugarcane"))


def _trained(seed: int, like: Any = None, frozen: int = 3) -> Any:
    """A network with random weights; its stem and first blocks are those of `like`."""
    from pikvani_models import weights

    torch.manual_seed(seed)
    net = weights.empty_net(SCOPE)
    for layer in (net.classifier, net.symptoms):
        torch.nn.init.normal_(layer.weight, std=0.05)
    if like is not None:
        net.stem.load_state_dict(like.stem.state_dict())
        for i in range(frozen):
            net.blocks[i].load_state_dict(like.blocks[i].state_dict())
    return net.eval()


def _rows(scope: Scope, crop: str) -> list[int]:
    return [i for i, label in enumerate(scope.labels) if label.startswith(f"{crop}/")]


def test_given_two_networks_then_field_crops_are_the_firsts_and_laboratory_crops_told_apart_by_both() -> None:
    from pikvani_models.sharing import lend

    first = _trained(1)
    second = _trained(2, like=first)
    x = torch.rand(3, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        own, own_maps, embedding = first(x)
        symptoms = second.classify(second.pooled(x))[1]
        pair = lend(first, second, SCOPE, share=0.75).eval()
        pair.projection.load_state_dict(first.projection.state_dict())
        logits, maps, paired_embedding = pair(x)
        pair.elsewhere.bias.fill_(-1.0)
        at_home, *_ = pair(x)
    cane, maize = _rows(SCOPE, "sugarcane"), _rows(SCOPE, "maize")
    assert torch.allclose(logits[:, cane], own[:, cane], atol=1e-4)
    assert torch.allclose(maps[..., cane], own_maps[..., cane], atol=1e-4)
    assert torch.allclose(paired_embedding, embedding, atol=1e-4)
    wanted = 0.25 * own[:, maize] + 0.75 * symptoms[:, [numbered(SCOPE.labels)[i] for i in maize]]
    wanted = wanted - wanted.mean(1, keepdim=True) + own[:, maize].mean(1, keepdim=True)
    assert torch.allclose(logits[:, maize], wanted, atol=1e-4)
    assert torch.allclose(maps.mean((1, 2)), logits, atol=1e-5), "a map is a class activation map"
    assert torch.allclose(at_home, own, atol=1e-4), "a laboratory's photograph is the first one's alone"


def test_given_photographs_then_a_crop_borrows_where_one_is_none_of_a_laboratory() -> None:
    from pikvani_models.features import pooled_features, set_elsewhere, set_projection
    from pikvani_models.sharing import lend

    first = _trained(1)
    pair = lend(first, _trained(2, like=first), SCOPE).eval()
    rng = np.random.default_rng(0)
    laboratory = [True, False] * 40
    low = {True: -0.9, False: 0.1}
    pictures = [rng.uniform(low[lab], low[lab] + 0.8, (1, 64, 64, 3)).astype(np.float32) for lab in laboratory]
    pooled = pooled_features(pair, pictures)
    set_projection(pair, pooled)
    set_elsewhere(pair, pooled, laboratory)
    x = torch.from_numpy(np.concatenate(pictures)).permute(0, 3, 1, 2)
    inside, maize, cane = torch.tensor(laboratory), _rows(SCOPE, "maize"), _rows(SCOPE, "sugarcane")
    with torch.no_grad():
        own, (logits, *_) = first(x)[0], pair(x)
    changed = (logits - own).abs()
    assert bool((changed[:, cane] < 1e-3).all())
    sure = changed[inside][:, maize].amax(1) < 1e-3
    assert float(sure.float().mean()) >= 0.45, "what looks more like a laboratory than their median"
    assert bool((changed[~inside][:, maize].amax(1) > 1e-2).all())


def test_given_two_networks_then_what_both_left_as_it_was_runs_once() -> None:
    from pikvani_models.pair import PairedNet

    first = _trained(1)
    pair = PairedNet(first, _trained(2, like=first))
    assert len(pair.trunk) == 1 + 3
    assert len(pair.first) == len(pair.second) == len(first.blocks) - 3 + 1


def test_given_weights_that_do_not_go_together_then_the_error_says_why(tmp_path: Path) -> None:
    from pikvani_models import weights
    from pikvani_models.sharing import lend

    first = _trained(1)
    with pytest.raises(DataError, match=r"begin differently: train both from ImageNet"):
        lend(first, _trained(2), SCOPE)
    long, short, rice = (tmp_path / f"{name}.pt" for name in ("long", "short", "rice"))
    weights.save(long, SCOPE, {"net": first.state_dict()})
    weights.save(short, SCOPE, {"net": _trained(2, like=first).state_dict()})
    assert weights.load_net(long, short)[1].classifier.out_channels == len(SCOPE.labels)
    weights.save(rice, scope_of(("rice",)), {"net": weights.empty_net(scope_of(("rice",))).state_dict()})
    with pytest.raises(DataError, match=r"long.pt is of .*, its lender .*rice.pt of .*: train both with the same"):
        weights.load_net(long, rice)
    with pytest.raises(DataError, match="nothing to lend: no crop is of laboratories alone"):
        weights.load_net(rice, rice)


def test_given_the_shipped_package_then_the_twin_it_is_timed_beside_gives_the_same_outputs_and_is_four_times_as_large(
    tmp_path: Path,
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: twin not run")
    package = load_package(ROOT / "models" / "packages" / "leaf")
    size, classes = package.manifest.input.size, len(package.manifest.labels)
    program = ROOT / "tests" / "bench" / "peers" / "float_twins.py"
    command = [sys.executable, str(program), str(size), str(classes), str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "models")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 3), done.stderr
    twin, ours = (onnx.load(path) for path in (tmp_path / "model.onnx", package.model_path("onnx")))
    for a, b in zip(twin.graph.output, ours.graph.output, strict=True):
        assert (a.name, a.type.tensor_type.elem_type) == (b.name, b.type.tensor_type.elem_type)
    assert 0.25 < package.model_path("onnx").stat().st_size / (tmp_path / "model.onnx").stat().st_size < 0.28
