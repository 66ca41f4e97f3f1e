"""Figures of a package: confusion matrix, reliability diagram, learning curve. Never a photograph."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pikvani_models.measuring import Answer


def reliability(given: Sequence[Answer], path: Path, title: str) -> None:
    """Confidence against share right, in ten bins, crop known."""
    import matplotlib.pyplot as plt

    known = [a for a in given if a.known]
    confidence = np.array([a.known.confidence for a in known if a.known])
    right = np.array([a.right for a in known])
    place = np.minimum((confidence * 10).astype(int), 9)
    figure, axes = plt.subplots(figsize=(4, 4))
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1)
    bins = [b for b in range(10) if (place == b).any()]
    axes.plot([confidence[place == b].mean() for b in bins], [right[place == b].mean() for b in bins], "o-")
    axes.set(xlabel="confidence", ylabel="share right", title=title, xlim=(0, 1), ylim=(0, 1))
    _save(figure, path)


def confusion(given: Sequence[Answer], names: Sequence[str], path: Path, title: str) -> None:
    """Which of `names` was said (across) for which true label (down), crop known, each row summing to 1."""
    import matplotlib.pyplot as plt

    table = np.zeros((len(names), len(names)))
    for a in given:
        if a.known:
            table[names.index(a.record.label), names.index(a.known.label)] += 1
    table /= np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(11, 10))
    axes.imshow(table, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=6)
    axes.set_yticks(range(len(names)), names, fontsize=6)
    axes.set(xlabel="said", ylabel="true", title=title)
    _save(figure, path)


def learning_curve(log: Path, path: Path) -> None:
    """Training loss over pictures seen, from a run's `log.jsonl`."""
    import matplotlib.pyplot as plt

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    figure, axes = plt.subplots(figsize=(5, 3.5))
    axes.plot([x["pictures"] for x in lines], [x["loss"] for x in lines])
    axes.set(xlabel="pictures seen", ylabel="training loss (all terms)", title="Fine-tuning")
    _save(figure, path)


def _save(figure: object, path: Path) -> None:
    import matplotlib.pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()  # type: ignore[attr-defined]
    figure.savefig(path, dpi=80)  # type: ignore[attr-defined]
    plt.close(figure)  # type: ignore[arg-type]
