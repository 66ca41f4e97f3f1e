"""The fleet's sketches in memory: newest revision of each device, model and day, merged on demand.

Whatever the order, the repeats and the days that come late, the same records give the same merge. Rows come from the
store; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pikvani_contract.messages import SketchBody
from pikvani_contract.sketch import Sketch, decode_sketch, merge


@dataclass(frozen=True)
class SketchKey:
    """Whose sketch, of which model (`name@version`) and local day (`YYYY-MM-DD`)."""

    device: str
    model: str
    day: str


class FleetSketches:
    """A set of sketches that only ever grows towards the newest revisions."""

    def __init__(self) -> None:
        self._newest: dict[SketchKey, tuple[int, bytes, Sketch]] = {}

    def add(self, device: str, body: SketchBody) -> None:
        """Take a sketch in; an older or equal one changes nothing.

        Raises:
            WireError: Its bytes are no sketch.
        """
        key = SketchKey(device, body.model, body.day)
        held = self._newest.get(key)
        # Equal revisions with unlike bytes come from a device that lost its counts; the bytes decide, not the order.
        if held is None or (body.revision, body.data) > held[:2]:
            self._newest[key] = (body.revision, body.data, decode_sketch(body.data))

    def keys(self) -> list[SketchKey]:
        """All keys, in order."""
        return sorted(self._newest, key=lambda k: (k.device, k.model, k.day))

    def merged(self, wanted: Callable[[SketchKey], bool]) -> Sketch:
        """Sum of the sketches wanted. Give one model: projections of two models are not alike."""
        return merge(sketch for key, (_, _, sketch) in self._newest.items() if wanted(key))

    def merged_by(self, name_of: Callable[[SketchKey], str], wanted: Callable[[SketchKey], bool]) -> dict[str, Sketch]:
        """Sums by name (a device, a district), sorted by name."""
        groups: dict[str, list[Sketch]] = {}
        for key, (_, _, sketch) in self._newest.items():
            if wanted(key):
                groups.setdefault(name_of(key), []).append(sketch)
        return {name: merge(parts) for name, parts in sorted(groups.items())}


def fleet_of(rows: Iterable[tuple[str, SketchBody]]) -> FleetSketches:
    """The fleet of `(device, body)` rows.

    Raises:
        WireError: One of them is no sketch.
    """
    fleet = FleetSketches()
    for device, body in rows:
        fleet.add(device, body)
    return fleet
