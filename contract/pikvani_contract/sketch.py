"""What a device says of a day's cases without showing one: counts, fixed-bin histograms, merged by adding.

Integers only, so that merging is exact and the order never matters. It holds no photograph, no text and no time of
day. Statistics over it are the business of the centre.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from pikvani_contract.errors import WireError
from pikvani_contract.fields import Name

SKETCH_SCHEMA = 1
MAX_ENCODED_BYTES = 2_048
"""A device-day on the wire. Rare classes are folded into `OTHER` until it fits."""
MAX_DECODED_BYTES = 65_536
MAX_DAY_CASES = 100_000
"""No device sees more in a day; a hostile one must not drown the fleet."""
OTHER = "other"
PROJECTIONS = 4
_PROJECTION_MASKS = (1, 6, 21, 42)

DayCount = Annotated[int, Meta(ge=0, le=MAX_DAY_CASES)]


@dataclass(frozen=True)
class Bins:
    """Equal bins from `low` to `high`; what lies outside counts in the outermost bin."""

    low: float
    high: float
    count: int

    def place(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Bin of each value, `[n]`. NaN has none: leave it out before."""
        share = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return np.minimum((share * self.count).astype(np.int64), self.count - 1)

    def histogram(self, values: NDArray[np.float64]) -> tuple[int, ...]:
        """Counts of many values, NaN left out."""
        placed = self.place(values[~np.isnan(values)])
        return tuple(int(c) for c in np.bincount(placed, minlength=self.count))


FEATURES: dict[str, Bins] = {
    "confidence": Bins(0.0, 1.0, 20),
    "entropy": Bins(0.0, 1.0, 20),
    "sharpness": Bins(0.0, 1.0, 20),
    "brightness": Bins(0.0, 1.0, 20),
    "leaf_share": Bins(0.0, 1.0, 20),
} | {f"projection_{k}": Bins(-4.0, 4.0, 16) for k in range(PROJECTIONS)}
"""Entropy is divided by the logarithm of the number of labels. Projections: `project`."""


class Sketch(msgspec.Struct, array_like=True, frozen=True):
    """Counts of some cases of one model version.

    Attributes:
        schema: `SKETCH_SCHEMA`.
        cases: how many cases.
        decisions: cases by `answer`, `more`, `refuse`.
        refusals: refused cases by reason.
        classes: cases by best `crop/condition`, refused ones too; `OTHER` where folded.
        histograms: counts by bin for the keys of `FEATURES`; a case that lacks a feature is in none of its bins.
    """

    schema: Annotated[int, Meta(ge=1, le=1_000)] = SKETCH_SCHEMA
    cases: DayCount = 0
    decisions: Annotated[dict[Name, DayCount], Meta(max_length=8)] = {}
    refusals: Annotated[dict[Name, DayCount], Meta(max_length=32)] = {}
    classes: Annotated[dict[Name, DayCount], Meta(max_length=1_000)] = {}
    histograms: Annotated[dict[Name, Annotated[tuple[DayCount, ...], Meta(max_length=64)]], Meta(max_length=64)] = {}

    @property
    def crops(self) -> dict[str, int]:
        """Cases by crop of the best class."""
        counts: dict[str, int] = {}
        for name, count in self.classes.items():
            crop = name.split("/")[0]
            counts[crop] = counts.get(crop, 0) + count
        return counts


_decoder = msgspec.msgpack.Decoder(Sketch)


def merge(sketches: Iterable[Sketch]) -> Sketch:
    """Add sketches of one model version. Commutative and associative; the empty sketch is neutral."""
    cases = 0
    names: tuple[dict[str, int], ...] = ({}, {}, {})
    bins: dict[str, NDArray[np.object_]] = {}
    for sketch in sketches:
        cases += sketch.cases
        for total, part in zip(names, (sketch.decisions, sketch.refusals, sketch.classes), strict=True):
            for name, count in part.items():
                total[name] = total.get(name, 0) + count
        for name, counts in sketch.histograms.items():
            # Python's integers, because a sum must not overflow whatever the fleet.
            more = np.array(counts, dtype=object)
            bins[name] = bins[name] + more if name in bins else more
    decisions, refusals, classes = (dict(sorted(part.items())) for part in names)
    histograms = {name: tuple(int(c) for c in counts) for name, counts in sorted(bins.items())}
    return Sketch(SKETCH_SCHEMA, cases, decisions, refusals, classes, histograms)


def encode_sketch(sketch: Sketch) -> bytes:
    """Bytes for `SketchBody.data`, at most `MAX_ENCODED_BYTES`, the same for the same counts.

    Raises:
        WireError: It does not fit even with all classes folded.
    """
    data = _folded(sketch, len(sketch.classes))
    if len(data) > MAX_ENCODED_BYTES:
        # Bisection for how many of the commonest classes fit; the rest is one number.
        fits, too_many = 0, len(sketch.classes)
        while too_many - fits > 1:
            middle = (fits + too_many) // 2
            if len(_folded(sketch, middle)) <= MAX_ENCODED_BYTES:
                fits = middle
            else:
                too_many = middle
        data = _folded(sketch, fits)
    if len(data) > MAX_ENCODED_BYTES:
        raise WireError(f"a sketch of {len(data)} bytes does not fit {MAX_ENCODED_BYTES}: shorten the reasons' names")
    return data


def decode_sketch(data: bytes) -> Sketch:
    """Read a device's sketch; features this software does not know are passed over.

    Raises:
        WireError: Malformed, oversize, or its counts contradict each other.
    """
    if len(data) > MAX_ENCODED_BYTES:
        raise WireError(f"a sketch has {len(data)} bytes, more than {MAX_ENCODED_BYTES}: refuse it")
    try:
        inflate = zlib.decompressobj()
        packed = inflate.decompress(data, MAX_DECODED_BYTES)
        if not inflate.eof or inflate.unused_data:
            raise WireError("a sketch is torn, oversize or has bytes behind its end: refuse it")
        sketch = _decoder.decode(packed)
    except (zlib.error, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise WireError(f"a sketch does not validate: {error}; refuse it") from error
    known = {name: counts for name, counts in sketch.histograms.items() if name in FEATURES}
    wrong = [name for name, counts in known.items() if len(counts) != FEATURES[name].count]
    parts = [sketch.decisions.values(), sketch.refusals.values(), sketch.classes.values(), *known.values()]
    if wrong or any(sum(part) > sketch.cases for part in parts):
        raise WireError(f"a sketch contradicts itself ({', '.join(wrong) or 'counts above its cases'}): refuse it")
    return msgspec.structs.replace(sketch, histograms=known)


def project(embedding: NDArray[np.float64], mean: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """A few fixed directions of the standardised embedding, each of about unit variance on reference data.

    Directions are Walsh functions (signs that are orthogonal where the length is a power of two), because any device
    must use the same ones without being told.

    Args:
        embedding: `[e]` or `[n, e]`.
        mean: `[e]`, of the reference.
        std: `[e]`, of the reference; zero counts as one.

    Returns:
        `[PROJECTIONS]` or `[n, PROJECTIONS]`.
    """
    size = len(mean)
    standardised = (embedding - mean) / np.where(std > 0, std, 1.0)
    return np.asarray(standardised @ _signs(size) / np.sqrt(size), dtype=np.float64)


@lru_cache(maxsize=4)
def _signs(size: int) -> NDArray[np.float64]:
    rows = [[1 - 2 * ((i & mask).bit_count() & 1) for mask in _PROJECTION_MASKS] for i in range(size)]
    return np.array(rows, dtype=np.float64)


def _folded(sketch: Sketch, kept: int) -> bytes:
    """Encoded with the `kept` commonest classes by name and the rest as `OTHER`."""
    ranked = sorted(sketch.classes.items(), key=lambda item: (-item[1], item[0]))
    classes = dict(ranked[:kept])
    rest = sum(count for _, count in ranked[kept:])
    if rest:
        classes[OTHER] = classes.get(OTHER, 0) + rest
    folded = msgspec.structs.replace(sketch, classes=classes)
    return zlib.compress(msgspec.msgpack.encode(folded, order="deterministic"), 9)
