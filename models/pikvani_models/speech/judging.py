"""Scores what `pikvani-device listen` heard: slots of closed sentences, and other speech turned away.

A slot is right when it holds exactly what was said, or another id the same words mean.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

Expected = Mapping[str, Mapping[str, Mapping[str, list[str]]]]
"""What `expected.json` holds: clip to `slots` to the ids that are right."""


def slots_right(expected: Expected, heard: Iterable[str]) -> dict[str, object]:
    """Score the JSON lines of `pikvani-device listen` against `expected.json`.

    Returns:
        Share of slots right in all and by slot, clips scored, clips with every slot right.
    """
    right: dict[str, list[int]] = {}
    whole = clips = 0
    for line in map(json.loads, heard):
        wanted = expected[Path(line["clip"]).name]["slots"]
        found = line["slots"]
        good = [found.get(slot, "") in ids for slot, ids in wanted.items()]
        for slot, ok in zip(wanted, good, strict=True):
            right.setdefault(slot, []).append(int(ok))
        whole, clips = whole + all(good), clips + 1
    total = [one for values in right.values() for one in values]
    return {
        "clips": clips,
        "slots_right": round(sum(total) / max(len(total), 1), 4),
        "clips_right": round(whole / max(clips, 1), 4),
        "by_slot": {slot: round(sum(values) / len(values), 4) for slot, values in sorted(right.items())},
    }


def rejected_at(own: Iterable[str], others: Iterable[str], accepted: float) -> dict[str, float]:
    """Share of other speech that is rejected where `accepted` of our own phrases are accepted, by confidence.

    Args:
        own: JSON lines of `listen` on phrases of the grammar.
        others: the same on other speech.
        accepted: share of `own` to accept.
    """
    mine = np.array([json.loads(line)["confidence"] for line in own])
    strange = [json.loads(line) for line in others]
    least = float(np.quantile(mine, 1 - accepted, method="lower"))
    return {
        "threshold": least,
        "rejected": float(np.mean([line["confidence"] < least for line in strange])),
        "rejected_as_shipped": float(np.mean([line["decision"] == "reject" for line in strange])),
    }
