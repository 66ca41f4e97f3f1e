"""What speaks for and against a clip being what it was taken for: figures that a package's judges weigh.

A hypothesis is a sequence of units for the whole clip: one phrase, or all the words of a sentence. The mean of its
score hides one wrong word in a long sentence, and how far the units are from those the network hears by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.phones import UNITS
from pikvani_device.voice.lattice import LogProbs, Ways, forward, free, unit_gaps

_DEEPEST = -12.0
"""No figure of one unit goes lower: beyond it, wrong is wrong."""
_BAD = -2.0
"""A unit of a lower score than this was likely not said."""


@dataclass(frozen=True)
class Hypothesis:
    """What a whole clip may hold.

    Attributes:
        words: units of each word, one after the other, none empty.
        alone: whether it is one phrase said alone, and not words of a sentence.
    """

    words: tuple[tuple[int, ...], ...]
    alone: bool

    @property
    def units(self) -> list[int]:
        """Of all its words."""
        return [unit for word in self.words for unit in word]


def likelier(log_probs: LogProbs, some: Sequence[Hypothesis]) -> Hypothesis:
    """The one that explains a clip best, by likelihood."""
    ways = Ways([[UNITS[unit] for unit in one.units] for one in some])
    return some[int(forward(log_probs, ways).argmax())]


def evidence(log_probs: LogProbs, hypothesis: Hypothesis) -> dict[str, float] | None:
    """The figures of a hypothesis, named as in `EVIDENCE`; None where the clip is too short to hold it.

    Scores are of likelihood less that of the free path, 0 at best:

    - `a_unit`, `a_heard`: of the whole, for each unit of the hypothesis, for each unit the free path heard.
    - `worst_unit`, `low_units`: of the worst unit and of the lower tenth. `bad_units`: share of very low ones.
    - `worst_word`: of the worst word, a unit.
    - `distance`: edits between hypothesis and free path, a unit of the longer. `size`: logarithm of their units' ratio.
    - `word_units`, `words`: logarithms of the units a word and of the count of words. `alone`: 1 for one phrase alone.
    - `free`, `entropy`: how sure the network is whatever was said, a unit heard and a frame.
    - `pace`: logarithm of the frames a unit heard takes.

    How long a clip is does not count: a longer talk than any a judge was fitted on would be judged by guessing.

    Args:
        log_probs: of the clip, at least one frame.
        hypothesis: at least one word.
    """
    probs = log_probs.astype(np.float64)
    heard, units, words = _free_units(probs), hypothesis.units, hypothesis.words
    total = float(forward(log_probs, Ways([[UNITS[unit] for unit in units]]))[0]) - free(log_probs)
    if total < -1e20:
        return None
    spoken = max(len(heard), 1)
    gaps = np.maximum(unit_gaps(log_probs, units), _DEEPEST)
    starts = np.cumsum([0, *(len(word) for word in words[:-1])])
    by_word = np.add.reduceat(gaps, starts) / [len(word) for word in words]
    return {
        "a_unit": max(total / len(units), _DEEPEST),
        "a_heard": max(total / spoken, _DEEPEST),
        "worst_unit": float(gaps.min()),
        "worst_word": float(by_word.min()),
        "low_units": float(np.quantile(gaps, 0.1)),
        "bad_units": float((gaps < _BAD).mean()),
        "distance": _distance(units, heard) / max(len(units), len(heard)),
        "size": float(np.log(len(units) / spoken)),
        "word_units": float(np.log(len(units) / len(words))),
        "words": float(np.log(len(words))),
        "alone": float(hypothesis.alone),
        "free": max(free(log_probs) / spoken, _DEEPEST),
        "entropy": float(-(np.exp(probs) * probs).sum(axis=1).mean()),
        "pace": float(np.log(len(probs) / spoken)),
    }


def _free_units(probs: NDArray[np.float64]) -> list[int]:
    """What the best path without any grammar hears."""
    best = probs.argmax(axis=1)
    before = np.concatenate([[0], best[:-1]])
    return [int(unit) for unit in best[(best != 0) & (best != before)]]


def _distance(one: Sequence[int], other: Sequence[int]) -> int:
    """Edits between two sequences (Levenshtein 1966)."""
    there = np.array(other)
    row = np.arange(len(there) + 1)
    steps = np.arange(len(there) + 1)
    for unit in one:
        changed = row[:-1] + (there != unit)
        fresh = np.concatenate([[row[0] + 1], np.minimum(changed, row[1:] + 1)])
        # An insertion costs one a step: the least of what stands before, each one dearer.
        row = np.minimum.accumulate(fresh - steps) + steps
    return int(row[-1])
