"""What makes a lender: a stream with painted pictures, and symptoms read off a body. Needs torch, which CI has not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pikvani_models.records import Record
from pikvani_models.registry import NONE
from pikvani_models.scope import scope_of

torch = pytest.importorskip("torch", reason="torch is not installed: streams and readers not run")

LABELS = scope_of().labels


def photographs(root: Path) -> list[Record]:
    """Drawn leaves: healthy ones of a field and of a laboratory, sick ones of both, a scene."""
    rng = np.random.default_rng(0)
    wanted = [
        ("sugarcane_daphal_field", "Healthy", "sugarcane/healthy"),
        ("sugarcane_daphal_field", "Rust", "sugarcane/rust"),
        ("pv_corn_lab", "Healthy", "maize/healthy"),
        ("pv_corn_lab", "Common_Rust", "maize/common_rust"),
        ("ood_background", "scenes", NONE),
    ]
    records = []
    for source, folder, label in wanted:
        rgb = np.full((96, 96, 3), (120, 120, 120), np.uint8)
        rgb[16:80, 20:76] = (60, 150, 50)
        rgb = np.clip(rgb + rng.normal(0, 4, rgb.shape), 0, 255).astype(np.uint8)
        path = f"{source}/{folder}/0.jpg"
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / path), rgb[:, :, ::-1])
        records.append(Record(path, source, folder, label, path, "train"))
    return records


def drawn(stream: Any, batches: int = 12) -> tuple[Counter[str], Counter[str]]:
    """Labels of what a stream gives: photographs, painted."""
    seen, painted = Counter[str](), Counter[str]()
    for _, (pictures, target, is_painted) in zip(range(batches), stream, strict=False):
        assert pictures.shape[1:] == (64, 64, 3) and pictures.dtype == torch.uint8
        for number, paint in zip(target.tolist(), is_painted.tolist(), strict=True):
            (painted if paint else seen)[LABELS[number]] += 1
    return seen, painted


def test_given_a_share_of_paint_then_a_painted_crop_is_shown_no_leaf_of_its_laboratory(tmp_path: Path) -> None:
    from pikvani_models.stream import TrainingStream

    records = photographs(tmp_path)
    seen, painted = drawn(TrainingStream(tmp_path, records, LABELS, 64, 24, 1, painted=0.3))
    assert not any(label.startswith("maize/") for label in seen)
    assert {label for label in seen if label != NONE} == {"sugarcane/healthy", "sugarcane/rust"}
    assert set(painted) == {label for label in LABELS if label.startswith("maize/")}
    assert 0.2 < sum(painted.values()) / (12 * 24) < 0.4

    seen, painted = drawn(TrainingStream(tmp_path, records, LABELS, 64, 24, 1))
    assert not painted and seen["maize/common_rust"] > 0

    without = [r for r in records if r.label != "sugarcane/healthy"]
    seen, painted = drawn(TrainingStream(tmp_path, without, LABELS, 64, 24, 1, painted=0.3))
    assert not painted and seen["maize/common_rust"] > 0, "nothing to paint on: the laboratory's leaves stay"


def test_given_pictures_then_symptoms_are_read_off_a_body_that_stays_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pikvani_models import untouched
    from pikvani_models.losses import SymptomLoss
    from pikvani_models.symptoms import SYMPTOMS

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Eight features: what is asked of a network."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 8, 1)
            self.symptoms = torch.nn.Linear(8, len(SYMPTOMS))

        def pooled(self, x: Any) -> Any:
            return self.layer(x).mean((2, 3))

    monkeypatch.setattr(untouched, "PICTURES", 64)
    monkeypatch.setattr(untouched, "EPOCHS", 60)
    torch.manual_seed(0)
    net = Net()
    before = {name: value.clone() for name, value in net.layer.state_dict().items()}
    rust, healthy = LABELS.index("sugarcane/rust"), LABELS.index("sugarcane/healthy")
    target = torch.tensor([rust, healthy] * 8)
    x = torch.where(target[:, None, None, None] == rust, 1.0, -1.0) + torch.randn(16, 3, 64, 64) * 0.3
    batch = (x, target, torch.zeros(16, dtype=torch.bool))
    untouched.fit_symptoms(net, iter([batch] * 4), SymptomLoss(LABELS, ()))
    said = net.symptoms(net.pooled(x)).argmax(1)
    assert {SYMPTOMS[i] for i in said[target == rust].tolist()} == {"rust"}
    assert {SYMPTOMS[i] for i in said[target == healthy].tolist()} == {"healthy"}
    assert all(torch.equal(value, before[name]) for name, value in net.layer.state_dict().items())
