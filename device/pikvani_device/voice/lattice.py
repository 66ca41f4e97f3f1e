"""CTC scores of phrases: how likely a clip's frames are, given each of many sequences of units.

The forward algorithm of Graves et al. (2006), eq. 5-8, for all sequences at once; and a Viterbi search over a loop of
words with a garbage path, by token passing. Sequences that begin alike share their states (a lexical tree).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.phones import UNITS

LogProbs = NDArray[np.float32]
"""`[frames, units]`, natural logarithms, unit 0 is the blank."""
LEAST_SURE = -3.0
"""Least `free` a unit heard where somebody speaks: speech has -0.4 to -2.1, hiss and hum under -3.6."""
_NEVER = -1e30
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
    said = np.full(len(ways.units), _NEVER)  # last heard: the node's unit
    still = np.full(len(ways.units), _NEVER)  # last heard: the blank after it
    still[0] = 0.0
    for frame in log_probs.astype(np.float64):
        coming = said[ways.parents]
        coming[ways.repeats] = _NEVER
        enter = np.logaddexp(still[ways.parents], coming)
        still = np.logaddexp(still, said) + frame[0]
        said = np.logaddexp(said, enter) + frame[ways.units]
        said[0] = _NEVER
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
    scores = np.full(len(states), _NEVER)
    scores[:2] = probs[0, states[:2]]
    came = np.zeros((len(probs), len(states)), np.int8)
    for t in range(1, len(probs)):
        one = np.concatenate([[_NEVER], scores[:-1]])
        two = np.where(skips, np.concatenate([[_NEVER, _NEVER], scores[:-2]]), _NEVER)
        choices = np.stack([scores, one, two])
        came[t] = choices.argmax(axis=0)
        scores = choices.max(axis=0) + probs[t, states]
    state = len(states) - 1 if scores[-1] > scores[-2] else len(states) - 2
    gaps = np.zeros(len(units))
    for t in range(len(probs) - 1, -1, -1):
        gaps[max(state - 1, 0) // 2] += probs[t, states[state]] - probs[t].max()
        state -= int(came[t, state])
    return gaps


def is_speech(log_probs: LogProbs) -> bool:
    """Whether somebody speaks at all: the best free path hears units, and surely.

    In hiss and hum it wavers for long and hears next to nothing, and words of a list seem little worse than that.
    """
    best = log_probs.argmax(axis=1)
    units = int(np.count_nonzero((best != 0) & (np.concatenate([[0], best[:-1]]) != best)))
    return units > 0 and free(log_probs) / units >= LEAST_SURE


@dataclass(frozen=True)
class Heard:
    """One word of the loop's best path.

    Attributes:
        way: index of the way; -1 for garbage.
        start: first frame.
        end: frame after the last.
        score: its log likelihood less that of the free path, a unit of it, penalties left out; 0 at best.
    """

    way: int
    start: int
    end: int
    score: float


@dataclass
class _Tokens:
    """The best path into each node: its score, the frame its word began at, the record before that word."""

    score: NDArray[np.float64]
    at: NDArray[np.int32]
    record: NDArray[np.int32]

    @classmethod
    def none(cls, count: int) -> _Tokens:
        return cls(np.full(count, _NEVER), np.zeros(count, np.int32), np.zeros(count, np.int32))

    def take(self, nodes: NDArray[np.int64]) -> _Tokens:
        return _Tokens(self.score[nodes], self.at[nodes], self.record[nodes])

    def better(self, other: _Tokens) -> _Tokens:
        mine = self.score >= other.score
        return _Tokens(
            np.where(mine, self.score, other.score),
            np.where(mine, self.at, other.at),
            np.where(mine, self.record, other.record),
        )


def loop(log_probs: LogProbs, ways: Ways, entry: float, garbage: float) -> list[Heard]:
    """Best path through any number of words, silences and stretches of garbage.

    Args:
        log_probs: of the clip.
        ways: the words.
        entry: added on entering a word, negative.
        garbage: added for every frame of garbage to the likelihood of its best unit, negative.

    Returns:
        Words and garbage in order of time, silences left out.
    """
    probs = log_probs.astype(np.float64)
    best = probs.max(axis=1)
    said, still = _Tokens.none(len(ways.units)), _Tokens.none(len(ways.units))
    # Records are ends of words: (way, start, end, record before). Record 0 is the beginning.
    records: list[tuple[int, int, int, int]] = [(-2, 0, 0, 0)]
    silence, silence_record = 0.0, 0
    waste, waste_at, waste_record = _NEVER, 0, 0
    for t, frame in enumerate(probs):
        # Where a word may begin: after silence, after garbage, or right after another word.
        gate, gate_record = silence, silence_record
        if waste > gate:
            gate, gate_record = waste, _record(records, -1, waste_at, t, waste_record)
        ends = np.maximum(said.score[ways.ends], still.score[ways.ends])
        winner = int(ends.argmax())
        if ends[winner] > gate:
            gate, gate_record = float(ends[winner]), _word(records, winner, t, said, still, ways)
        # Within words: stay, or come from the unit before, or from the blank after it.
        coming = said.take(ways.parents)
        coming.score[ways.repeats] = _NEVER
        enter = still.take(ways.parents).better(coming)
        enter.score[ways.first], enter.at[ways.first], enter.record[ways.first] = gate + entry, t, gate_record
        still = still.better(said)
        still.score += frame[0]
        said = said.better(enter)
        said.score += frame[ways.units]
        said.score[0] = _NEVER
        if waste >= gate:
            waste += float(best[t]) + garbage
        else:
            waste, waste_at, waste_record = gate + float(best[t]) + garbage, t, gate_record
        silence, silence_record = gate + float(frame[0]), gate_record
    final, at = silence, silence_record
    if waste > final:
        final, at = waste, _record(records, -1, waste_at, len(probs), waste_record)
    ends = np.maximum(said.score[ways.ends], still.score[ways.ends])
    winner = int(ends.argmax())
    if ends[winner] > final:
        at = _word(records, winner, len(probs), said, still, ways)
    return _trace(records, at, probs, ways)


def _trace(records: list[tuple[int, int, int, int]], at: int, probs: NDArray[np.float64], ways: Ways) -> list[Heard]:
    found: list[Heard] = []
    while at:
        way, start, end, before = records[at]
        score = 0.0
        if way >= 0:
            piece = probs[start:end].astype(np.float32)
            one = Ways([[UNITS[u] for u in ways.ways[way]]])
            score = float(forward(piece, one)[0] - free(piece)) / len(ways.ways[way])
        found.append(Heard(way, start, end, min(score, 0.0)))
        at = before
    return found[::-1]


def _word(records: list[tuple[int, int, int, int]], way: int, t: int, said: _Tokens, still: _Tokens, ways: Ways) -> int:
    node = ways.ends[way]
    tokens = said if said.score[node] >= still.score[node] else still
    return _record(records, way, int(tokens.at[node]), t, int(tokens.record[node]))


def _record(records: list[tuple[int, int, int, int]], way: int, start: int, end: int, before: int) -> int:
    records.append((way, start, end, before))
    return len(records) - 1
