"""What a case adds to the day's sketch and its record does not hold: the bins of entropy and embedding, in six bytes.

They lie beside the case on the disk, so that a sketch can always be counted again out of the cases. They do not cross
the link, and no picture can be made of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import ReferenceSketch
from pikvani_contract.sketch import FEATURES, PROJECTIONS, SKETCH_SCHEMA, Bins, project

NAMES = ("entropy", *(f"projection_{k}" for k in range(PROJECTIONS)))
_MISSING = 255


def traits_of(
    probabilities: Mapping[str, float], embedding: NDArray[np.float64] | None, reference: ReferenceSketch
) -> bytes:
    """The traits of a case.

    Args:
        probabilities: posterior over the labels; fewer than two have no entropy.
        embedding: `[e]` of the case, None where the runtime gave none.
        reference: of the model's manifest; its embedding statistics scale the projections.
    """
    values: dict[str, float] = {}
    if len(probabilities) > 1:
        spread = -sum(p * math.log(p) for p in probabilities.values() if p > 0)
        values["entropy"] = spread / math.log(len(probabilities))
    if embedding is not None:
        mean, std = np.array(reference.embedding_mean), np.array(reference.embedding_std)
        directions = project(np.asarray(embedding, dtype=np.float64), mean, std)
        values |= {f"projection_{k}": float(value) for k, value in enumerate(directions)}
    bins = [place(FEATURES[name], values.get(name, math.nan)) for name in NAMES]
    return bytes([SKETCH_SCHEMA, *(_MISSING if b is None else b for b in bins)])


def bins_of(traits: bytes | None) -> dict[str, int]:
    """Bin by feature; empty for what is missing, damaged or of another sketch schema."""
    if not traits or traits[0] != SKETCH_SCHEMA or len(traits) != len(NAMES) + 1:
        return {}
    named = zip(NAMES, traits[1:], strict=True)
    return {name: place for name, place in named if place < FEATURES[name].count}


def place(bins: Bins, value: float) -> int | None:
    """As `Bins.place`, of one number; None for NaN."""
    if math.isnan(value):
        return None
    share = (min(max(value, bins.low), bins.high) - bins.low) / (bins.high - bins.low)
    return min(int(share * bins.count), bins.count - 1)
