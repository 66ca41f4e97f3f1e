"""A farm left out: a source, or the other cameras of one, kept from training so that it can be measured as unseen.

The test split comes of the same farms as what is trained on. Most crops have one source alone, but where several
cameras took its photographs, each went to fields of its own; the sides of a photograph tell them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pikvani_models.photos import read_rgb
from pikvani_models.records import DataError, Record

OTHER_CAMERAS = "other-cameras"
PROTOCOL = "left-out, "
"""How the protocol of figures begins that were measured on what was left out; what it was follows."""


def parted(root: Path, records: Sequence[Record], wanted: str) -> tuple[list[Record], list[Record]]:
    """The records that stay, and those that are left out.

    Args:
        root: Of the photographs.
        records: All there are.
        wanted: `SOURCE`, or `SOURCE/other-cameras`: those whose long side to the short is not what most have.

    Raises:
        DataError: There is no such source, or nothing to leave out.
    """
    source, _, part = wanted.partition("/")
    mine = [r for r in records if r.source == source]
    if not mine or part not in ("", OTHER_CAMERAS):
        known = ", ".join(sorted({r.source for r in records}))
        raise DataError(f"cannot leave out {wanted!r}: name a source ({known}), or SOURCE/{OTHER_CAMERAS}")
    left = {r.path for r in mine}
    if part:
        ratios = {r.path: _ratio(root / r.path) for r in mine}
        usual = Counter(ratios.values()).most_common(1)[0][0]
        left = {path for path, ratio in ratios.items() if ratio != usual}
        if not left:
            raise DataError(f"all photographs of {source} have sides of the same ratio: no other camera to leave out")
    return [r for r in records if r.path not in left], [r for r in records if r.path in left]


def _ratio(path: Path) -> float:
    h, w = read_rgb(path).shape[:2]
    return round(max(h, w) / min(h, w), 2)
