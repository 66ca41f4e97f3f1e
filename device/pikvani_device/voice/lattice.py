"""CTC scores of phrases: how likely a clip's frames are, given each of many sequences of units.

The forward algorithm of Graves et al. (2006), eq. 5-8, for all sequences at once; and a Viterbi search over a loop of
words with a garbage path, by token passing. numpy only: a list of 300 phrases over 2 s takes some 15 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.phones import UNITS

LogProbs = NDArray[np.float32]
"""`[frames, units]`, natural logarithms, unit 0 is the blank."""
_NEVER = -1e30
_INDEX = {unit: k for k, unit in enumerate(UNITS)}


class Ways:
    """Sequences of units, padded for the search.

    Args:
        ways: each a non-empty sequence of unit symbols without the blank.
    """

    def __init__(self, ways: Sequence[Sequence[str]]) -> None:
        self.count = len(ways)
        self.lengths = np.array([len(way) for way in ways])
        longest = int(self.lengths.max(initial=1))
        self.units = np.zeros((self.count, longest), dtype=np.int64)
        for row, way in enumerate(ways):
            self.units[row, : len(way)] = [_INDEX[unit] for unit in way]
        self.inside = np.arange(longest) < self.lengths[:, None]
        # A repeated unit must be parted by a blank; a different one may follow at once.
        self.direct = np.zeros_like(self.inside)
        self.direct[:, 1:] = self.units[:, 1:] != self.units[:, :-1]


def forward(log_probs: LogProbs, ways: Ways) -> NDArray[np.float64]:
    """Log likelihood of the whole clip for each way, `[ways]`; about -1e30 where a way needs more frames."""
    probs = log_probs.astype(np.float64)
    said = np.full(ways.units.shape, _NEVER)  # last heard: unit i
    still = np.full(ways.units.shape, _NEVER)  # last heard: the blank after unit i
    before = 0.0  # last heard: the blank before the first unit, or nothing yet
    first = True
    for frame in probs:
        emit = np.where(ways.inside, frame[ways.units], _NEVER)
        enter = np.full(ways.units.shape, _NEVER)
        enter[:, 1:] = np.logaddexp(still[:, :-1], np.where(ways.direct[:, 1:], said[:, :-1], _NEVER))
        enter[:, 0] = before
        still = np.logaddexp(still, said) + frame[0]
        said = np.logaddexp(said, enter) + emit
        if first:
            said[:, 1:], still[:] = _NEVER, _NEVER
            first = False
        before += float(frame[0])
    rows, last = np.arange(ways.count), ways.lengths - 1
    result: NDArray[np.float64] = np.logaddexp(said[rows, last], still[rows, last])
    return result


def free(log_probs: LogProbs) -> float:
    """Log likelihood of the best path without any grammar."""
    return float(log_probs.astype(np.float64).max(axis=1).sum())


@dataclass(frozen=True)
class Heard:
    """One word of the loop's best path.

    Attributes:
        way: index of the way; -1 for garbage.
        start: first frame.
        end: frame after the last.
        score: its log likelihood a frame less that of the free path, penalties left out; 0 at best.
    """

    way: int
    start: int
    end: int
    score: float


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
    shape = ways.units.shape
    said, still = np.full(shape, _NEVER), np.full(shape, _NEVER)
    said_at, still_at = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    said_from, still_from = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    # Records are ends of words: (way, start, end, record before). Record 0 is the beginning.
    records: list[tuple[int, int, int, int]] = [(-2, 0, 0, 0)]
    silence, silence_from = 0.0, 0
    waste, waste_at, waste_from = _NEVER, 0, 0
    rows, last = np.arange(ways.count), ways.lengths - 1
    for t, frame in enumerate(probs):
        emit = np.where(ways.inside, frame[ways.units], _NEVER)
        # Within words: stay, or come from the unit before, or from the blank before.
        step = np.where(ways.direct[:, 1:], said[:, :-1], _NEVER)
        over = still[:, :-1] > step
        enter, enter_at, enter_from = (np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64))
        enter[:, 1:] = np.where(over, still[:, :-1], step)
        enter_at[:, 1:] = np.where(over, still_at[:, :-1], said_at[:, :-1])
        enter_from[:, 1:] = np.where(over, still_from[:, :-1], said_from[:, :-1])
        # Where a word may begin: after silence, after garbage, or right after another word.
        ends = np.maximum(said[rows, last], still[rows, last])
        winner = int(ends.argmax())
        gate, gate_from = silence, silence_from
        if waste > gate:
            gate, gate_from = waste, _record(records, -1, waste_at, t, waste_from)
        if ends[winner] > gate:
            spoken = said[winner, last[winner]] >= still[winner, last[winner]]
            at, of = (said_at, said_from) if spoken else (still_at, still_from)
            gate = float(ends[winner])
            gate_from = _record(records, winner, int(at[winner, last[winner]]), t, int(of[winner, last[winner]]))
        enter[:, 0], enter_at[:, 0], enter_from[:, 0] = gate + entry, t, gate_from
        stay = still >= said
        still_at, still_from = np.where(stay, still_at, said_at), np.where(stay, still_from, said_from)
        still = np.where(stay, still, said) + frame[0]
        stay = said >= enter
        said_at, said_from = np.where(stay, said_at, enter_at), np.where(stay, said_from, enter_from)
        said = np.where(stay, said, enter) + emit
        if waste >= gate:
            waste += float(best[t]) + garbage
        else:
            waste, waste_at, waste_from = gate + float(best[t]) + garbage, t, gate_from
        silence, silence_from = gate + float(frame[0]), gate_from
    return _trace(records, probs, best, ways, (said, said_at, said_from), (still, still_at, still_from), silence,
                  silence_from, (waste, waste_at, waste_from))  # fmt: skip


_Tokens = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


def _trace(
    records: list[tuple[int, int, int, int]],
    probs: NDArray[np.float64],
    best: NDArray[np.float64],
    ways: Ways,
    said: _Tokens,
    still: _Tokens,
    silence: float,
    silence_from: int,
    waste: tuple[float, int, int],
) -> list[Heard]:
    frames = len(probs)
    rows, last = np.arange(ways.count), ways.lengths - 1
    ends = np.maximum(said[0][rows, last], still[0][rows, last])
    winner = int(ends.argmax())
    final, at = silence, silence_from
    if waste[0] > final:
        final, at = waste[0], _record(records, -1, waste[1], frames, waste[2])
    if ends[winner] > final:
        tokens = said if said[0][winner, last[winner]] >= still[0][winner, last[winner]] else still
        at = _record(
            records, winner, int(tokens[1][winner, last[winner]]), frames, int(tokens[2][winner, last[winner]])
        )
    found: list[Heard] = []
    while at:
        way, start, end, before = records[at]
        score = 0.0
        if way >= 0:
            piece = probs[start:end].astype(np.float32)
            one = Ways([[UNITS[u] for u in ways.units[way, : ways.lengths[way]]]])
            score = float((forward(piece, one)[0] - best[start:end].sum()) / max(end - start, 1))
        found.append(Heard(way, start, end, min(score, 0.0)))
        at = before
    return found[::-1]


def _record(records: list[tuple[int, int, int, int]], way: int, start: int, end: int, before: int) -> int:
    records.append((way, start, end, before))
    return len(records) - 1
