"""What is kept from a training, to be measured as unseen: a farm (a source, or the other cameras of one), or crops.

The test split comes of the same farms as what is trained on. Most crops have one source alone, but where several
cameras took its photographs, each went to fields of its own; the sides of a photograph tell them apart.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from pikvani_contract.model.gates import REHEARSED_PROTOCOL
from pikvani_contract.model.inference import Invoke
from pikvani_contract.model.manifest import Manifest, Metric, parse_manifest
from pikvani_models import measuring
from pikvani_models.photos import read_rgb
from pikvani_models.records import DataError, Record, half_of, scan
from pikvani_models.registry import HELD_OUT_SOURCES, NONE, SOURCES
from pikvani_models.scope import Scope

OTHER_CAMERAS = "other-cameras"
PROTOCOL = "left-out, "
"""How the protocol of figures begins that were measured on what was left out; what it was follows."""
RECIPES = ("floor", "measured", REHEARSED_PROTOCOL, "shipped")
"""How a training may choose its photographs; none that stands later saw fewer."""
STRANGERS = 600
"""Photographs of a source that are enough to say how often it is refused."""


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


def never_shown(root: Path, scope: Scope) -> list[Record]:
    """Photographs of crops that are none of the scope's: what it must refuse and was never shown.

    At most `STRANGERS` of a source, evenly spread, labelled as what must be refused; none of one that is not there or
    not whole, of which a line on standard error tells: no crop waits for another's photographs.
    """
    others = [s for s in SOURCES if s.crop not in (*scope.crops, "none") and (root / s.name).is_dir()]
    free = [s for s in others if s.redistributable or not scope.redistributable_only]
    found: list[Record] = []
    for source in free:
        try:
            mine = scan(root, (source,))
        except DataError as error:
            print(f"package: {source.name} is not asked as a crop never shown: {error}", file=sys.stderr, flush=True)
            continue
        found += mine[:: -(-len(mine) // STRANGERS)]
    return [replace(record, label=NONE) for record in found]


def figures(manifest: Manifest, root: Path, wanted: str | None, left: Sequence[Record], invoke: Invoke) -> list[Metric]:
    """What a package says of what it was kept from: of known crops together as `wanted`, of strangers by source."""
    said = measuring.answers(manifest, measuring.collect(manifest, root, left, invoke))
    known = [x for x in measuring.crop_metrics(said, f"{PROTOCOL}{wanted}") if not x.source]
    return [*known, *measuring.never_shown_metrics(manifest, [a for a in said if a.known is None], PROTOCOL)]


def kept_from_rehearsal(record: Record) -> bool:
    """Whether a photograph is there to measure what the steps of what is shipped lead to."""
    if record.source in HELD_OUT_SOURCES:
        return half_of(record.group) == 1
    return record.split == "test"


def rehearsed(manifest: Manifest, root: Path, records: Sequence[Record], invoke: Invoke) -> list[Metric]:
    """What a rehearsal of what is shipped says of the photographs kept from it; sources of a farm held out, of which it
    saw the other half, stand beside the sum over the others.
    """
    kept = [r for r in records if kept_from_rehearsal(r)]
    said = measuring.answers(manifest, measuring.collect(manifest, root, kept, invoke))
    strangers = [a for a in said if a.known is None]
    held, known = ([a for a in said if a.known and (a.record.source in HELD_OUT_SOURCES) == x] for x in (True, False))
    refused = measuring.refusal_metrics(known, strangers)
    return [
        *measuring.crop_metrics(known, REHEARSED_PROTOCOL),
        *(x for x in measuring.crop_metrics(held, REHEARSED_PROTOCOL) if x.source),
        *(structs.replace(x, protocol=REHEARSED_PROTOCOL) for x in refused if x.source),
    ]


def told_by(path: Path, scope: Scope) -> list[Metric]:
    """Figures of what was left out, or of a rehearsal, in the manifest of another package.

    Raises:
        DataError: It knows labels that the scope does not.
    """
    given = parse_manifest(path.read_bytes())
    if others := sorted(set(given.labels) - set(scope.labels)):
        raise DataError(
            f"{path} is of {', '.join(others)} too, which the weights are not ({scope.told()}): what it was kept from "
            "says nothing of them; give one of the same crops or fewer"
        )
    return [x for x in given.metrics if x.protocol.startswith(PROTOCOL) or x.protocol == REHEARSED_PROTOCOL]


def _ratio(path: Path) -> float:
    h, w = read_rgb(path).shape[:2]
    return float(round(max(h, w) / min(h, w), 2))
