"""CTC scores of phrases: how likely a clip's frames are, given each of many sequences of units.

The forward algorithm of Graves et al. (2006), eq. 5-8, for all sequences at once. Sequences that begin alike share
their states (a lexical tree).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.phones import UNITS

LogProbs = NDArray[np.float32]
"""`[frames, units]`, natural logarithms, unit 0 is the blank."""
NEVER = -1e30
"""A log likelihood of nothing."""
_INDEX = {unit: k for k, unit in enumerate(UNITS)}


def numbers(way: Sequence[str]) -> tuple[int, ...]:
    """Units by their places in the network's outputs."""
    return tuple(_INDEX[unit] for unit in way)


class Ways:
    """Sequences of units as a tree. Node 0 is the beginning; every other node is one unit after its parent.

    Args:
        ways: each a non-empty sequence of unit symbols without the blank.
    """

    def __init__(self, ways: Sequence[Sequence[str]]) -> None:
        self.ways = [numbers(way) for way in ways]
        parents, units = [0], [0]
        places: dict[tuple[int, int], int] = {}
        ends = []
        for way in self.ways:
            node = 0
            for unit in way:
                before, node = node, places.setdefault((node, unit), len(units))
                if node == len(units):
                    parents.append(before)
                    units.append(unit)
            ends.append(node)
        self.parents, self.units, self.ends = np.array(parents), np.array(units), np.array(ends)
        # A repeated unit must be parted by a blank; a different one may follow at once.
        self.repeats = np.flatnonzero((self.units == self.units[self.parents]) & (self.parents > 0))
        self.first = np.flatnonzero(self.parents == 0)[1:]


def forward(log_probs: LogProbs, ways: Ways) -> NDArray[np.float64]:
    """Log likelihood of the whole clip for each way, `[ways]`; about -1e30 where a way needs more frames."""
    said = np.full(len(ways.units), NEVER)  # last heard: the node's unit
    still = np.full(len(ways.units), NEVER)  # last heard: the blank after it
    still[0] = 0.0
    for frame in log_probs.astype(np.float64):
        coming = said[ways.parents]
        coming[ways.repeats] = NEVER
        enter = np.logaddexp(still[ways.parents], coming)
        still = np.logaddexp(still, said) + frame[0]
        said = np.logaddexp(said, enter) + frame[ways.units]
        said[0] = NEVER
    result: NDArray[np.float64] = np.logaddexp(said[ways.ends], still[ways.ends])
    return result


def free(log_probs: LogProbs) -> float:
    """Log likelihood of the best path without any grammar."""
    return float(log_probs.astype(np.float64).max(axis=1).sum())


def unit_gaps(log_probs: LogProbs, units: Sequence[int]) -> NDArray[np.float64]:
    """What each unit of the best path through `units` costs against the free path, `[units]`, 0 at best.

    A unit's own frames, and the blanks up to the next one's (before the first, that one's).

    Args:
        log_probs: at least as many frames as units and blanks between equal ones.
        units: numbers of them, at least one.
    """
    probs = log_probs.astype(np.float64)
    states = np.zeros(2 * len(units) + 1, np.int64)
    states[1::2] = units
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    scores = np.full(len(states), NEVER)
    scores[:2] = probs[0, states[:2]]
    came = np.zeros((len(probs), len(states)), np.int8)
    for t in range(1, len(probs)):
        one = np.concatenate([[NEVER], scores[:-1]])
        two = np.where(skips, np.concatenate([[NEVER, NEVER], scores[:-2]]), NEVER)
        choices = np.stack([scores, one, two])
        came[t] = choices.argmax(axis=0)
        scores = choices.max(axis=0) + probs[t, states]
    state = len(states) - 1 if scores[-1] > scores[-2] else len(states) - 2
    gaps = np.zeros(len(units))
    for t in range(len(probs) - 1, -1, -1):
        gaps[max(state - 1, 0) // 2] += probs[t, states[state]] - probs[t].max()
        state -= int(came[t, state])
    return gaps


def is_speech(log_probs: LogProbs, least_sure: float) -> bool:
    """Whether somebody speaks at all: the best free path hears units, and surely.

    In hiss and hum it wavers for long and hears next to nothing, and words of a list seem little worse than that.
    """
    best = log_probs.argmax(axis=1)
    units = int(np.count_nonzero((best != 0) & (np.concatenate([[0], best[:-1]]) != best)))
    return units > 0 and free(log_probs) / units >= least_sure
