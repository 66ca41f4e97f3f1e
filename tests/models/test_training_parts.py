"""The parts of training that need torch, which CI does not install: run where the pipeline runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pikvani_models.records import DataError
from pikvani_models.scope import scope_of

torch = pytest.importorskip("torch", reason="torch is not installed: the parts of training not run")
depthwise = pytest.importorskip("pikvani_models.depthwise")
weights = pytest.importorskip("pikvani_models.weights")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_given_bfloat16_then_a_depthwise_convolution_and_its_gradients_are_float32s_but_for_rounding(
    kernel: int, stride: int
) -> None:
    torch.manual_seed(0)
    ours = depthwise.DepthwiseConv2d(16, 16, kernel, stride, kernel // 2, groups=16, bias=False)
    exact = torch.nn.Conv2d(16, 16, kernel, stride, kernel // 2, groups=16, bias=False)
    exact.load_state_dict(ours.state_dict())
    seen = torch.randn(4, 16, 12, 12)
    given = [seen.clone().requires_grad_() for _ in range(2)]

    with torch.autocast("cpu", torch.bfloat16):
        rounded = ours(given[0])
    assert rounded.dtype == torch.bfloat16
    (rounded.float() ** 2).sum().backward()
    (exact(given[1]) ** 2).sum().backward()

    pairs = ((given[0].grad, given[1].grad), (ours.weight.grad, exact.weight.grad))
    assert all(float((a - b).abs().max() / b.abs().max()) < 0.02 for a, b in pairs)


def test_given_a_network_at_rest_then_it_is_a_plain_convolution_for_exporters() -> None:
    conv = depthwise.DepthwiseConv2d(8, 8, 3, 1, 1, groups=8, bias=False).eval()
    x = torch.randn(1, 8, 6, 6)
    assert torch.equal(conv(x), torch.nn.functional.conv2d(x, conv.weight, None, 1, 1, 1, 8))


def test_given_what_single_views_show_then_a_range_reaches_from_the_least_to_the_greatest_of_all() -> None:
    from pikvani_models.export import extremes

    def view(least: float, greatest: float) -> dict[str, dict[str, np.ndarray]]:
        ends = {"min": np.array([[least]], np.float32), "max": np.array([[greatest]], np.float32)}
        weights = {"min": np.array([-1.0, -2.0]), "max": np.array([1.0, 2.0])}
        return {"features": ends, "weights": weights}

    views = [view(-1.0, 2.0), view(-0.5, 6.0), view(-3.0, 1.0)]
    found = extremes(views)
    assert (found["features"]["min"].item(), found["features"]["max"].item()) == (-3.0, 6.0)
    assert found["features"]["min"].shape == (1, 1), "as the quantiser gave it"
    assert found["weights"] is views[0]["weights"], "of channels, which no view changes"
    assert views[0]["features"]["max"].item() == 2.0, "what was given stays"


@pytest.mark.parametrize(
    ("before", "recipe", "allowed"),
    [
        ("measured", "measured", True),
        ("floor", "measured", True),
        ("measured", "rehearsed", True),
        ("measured", "shipped", True),
        ("rehearsed", "shipped", True),
        ("rehearsed", "measured", False),
        ("shipped", "rehearsed", False),
        ("shipped", "measured", False),
    ],
)
def test_given_weights_that_saw_what_a_recipe_keeps_then_it_does_not_go_on_from_them(
    before: str, recipe: str, allowed: bool
) -> None:
    recipes = pytest.importorskip("pikvani_models.recipes")
    if allowed:
        recipes.require_seen_no_more(before, recipe, Path("w.pt"))
        return
    with pytest.raises(DataError, match=f"w.pt is of recipe {before}"):
        recipes.require_seen_no_more(before, recipe, Path("w.pt"))


@pytest.mark.parametrize(
    ("recipe", "lender", "fitted", "told"),
    [
        ("measured", "measured", False, False),
        (None, None, False, False),
        ("rehearsed", "rehearsed", True, True),
        ("shipped", "shipped", True, False),
        ("shipped", "shipped", False, "--fitted-from"),
        ("rehearsed", "rehearsed", False, "--fitted-from"),
        ("rehearsed", "measured", True, "one recipe"),
        ("rehearsed", None, True, "one recipe"),
    ],
)
def test_given_weights_that_saw_what_is_fitted_or_measured_on_then_no_package_is_fitted_on_it(
    tmp_path: Path, recipe: str | None, lender: str | None, fitted: bool, told: bool | str
) -> None:
    packaging = pytest.importorskip("pikvani_models.packaging")
    scope, paths = scope_of(), []
    for number, name in enumerate((recipe, lender)):
        content = {"net": {"classifier.bias": torch.zeros(len(scope.labels))}}
        paths.append(tmp_path / f"{number}.pt")
        weights.save(paths[-1], scope, content if name is None else {**content, "recipe": name})
    spec = packaging.BuildSpec(
        paths[0], 192, "1.0.0", "", fitted_from=tmp_path / "manifest.json" if fitted else None, lender=paths[1]
    )
    if isinstance(told, bool):
        assert packaging.rehearsal_of(spec) is told
        return
    with pytest.raises(DataError, match=told):
        packaging.rehearsal_of(spec)
