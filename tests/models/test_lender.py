"""What makes a lender: a stream with painted pictures, and the teacher it is held to. Needs torch, which CI has not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pikvani_models.records import DataError, Record
from pikvani_models.registry import NONE
from pikvani_models.scope import scope_of

torch = pytest.importorskip("torch", reason="torch is not installed: streams and teachers not run")

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


def tiny_body(symptoms: int) -> Any:
    """A body of eight features: what a teacher asks of one."""

    class Body(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 8, 1)
            self.symptoms = torch.nn.Linear(8, symptoms)

        def pooled(self, x: Any) -> Any:
            return self.layer(x).mean((2, 3))

    return Body()


def test_given_pictures_then_a_teacher_learns_their_symptoms_and_a_resumed_run_has_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pikvani_models import teacher
    from pikvani_models.losses import SymptomLoss, imitation
    from pikvani_models.symptoms import SYMPTOMS

    monkeypatch.setattr(teacher, "PICTURES", 64)
    monkeypatch.setattr(teacher, "EPOCHS", 60)
    torch.manual_seed(0)
    body = tiny_body(len(SYMPTOMS))
    before = {name: value.clone() for name, value in body.state_dict().items()}
    rust, healthy = LABELS.index("sugarcane/rust"), LABELS.index("sugarcane/healthy")
    target = torch.tensor([rust, healthy] * 8)
    x = torch.where(target[:, None, None, None] == rust, 1.0, -1.0) + torch.randn(16, 3, 64, 64) * 0.3
    batch = (x, target, torch.zeros(16, dtype=torch.bool))
    taught = teacher.taught(body, iter([batch] * 4), SymptomLoss(LABELS, ()), tmp_path)
    logits = taught(x)
    assert {SYMPTOMS[i] for i in logits[target == rust].argmax(1).tolist()} == {"rust"}
    assert {SYMPTOMS[i] for i in logits[target == healthy].argmax(1).tolist()} == {"healthy"}
    assert all(torch.equal(value, before[name]) for name, value in body.state_dict().items()), "the body is untouched"

    again = teacher.taught(body, iter([]), SymptomLoss(LABELS, ()), tmp_path)
    assert torch.equal(again(x), logits)
    with pytest.raises(DataError, match="teacher of these symptoms"):
        teacher.taught(tiny_body(len(SYMPTOMS) - 1), iter([]), SymptomLoss(LABELS, ()), tmp_path)
    (tmp_path / teacher.TEACHER_FILE).write_bytes(b"torn")
    with pytest.raises(DataError, match="empty folder"):
        teacher.taught(body, iter([]), SymptomLoss(LABELS, ()), tmp_path)

    assert float(imitation(logits, logits)) == pytest.approx(0.0, abs=1e-6)
    assert float(imitation(logits.roll(1, 0), logits)) > 0.01
