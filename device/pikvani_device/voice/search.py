"""Words of a sentence in frames: a Viterbi search over a loop of words with a garbage path, by token passing.

Pure. A word whose kind the sentence has had already costs more: nobody names two crops, and where a strange word sounds
like a crop that has been named, it is more likely the symptom that was meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.phones import UNITS
from pikvani_device.voice.lattice import NEVER, LogProbs, Ways, forward, free


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
        return cls(np.full(count, NEVER), np.zeros(count, np.int32), np.zeros(count, np.int32))

    def take(self, nodes: NDArray[np.int64]) -> _Tokens:
        return _Tokens(self.score[nodes], self.at[nodes], self.record[nodes])

    def better(self, other: _Tokens) -> _Tokens:
        mine = self.score >= other.score
        return _Tokens(
            np.where(mine, self.score, other.score),
            np.where(mine, self.at, other.at),
            np.where(mine, self.record, other.record),
        )


@dataclass(frozen=True)
class Grammar:
    """What a sentence is likely to hold.

    Attributes:
        entry: added on entering a word, negative.
        garbage: added for every frame of garbage to the likelihood of its best unit, negative.
        kinds: kind of each way, 0 to 62; empty where kinds do not matter.
        again: added for a word whose kind the sentence has had already, by kind, 0 or negative.
    """

    entry: float
    garbage: float
    kinds: tuple[int, ...] = ()
    again: tuple[float, ...] = ()


class _Records:
    """Ends of words: way, start, end, the record before, and which kinds have come by then. Record 0 is the beginning.

    The mask of kinds is that of the best path alone: another history of the same moment is forgotten, as in any
    Viterbi search over fewer states than it has memory.
    """

    def __init__(self, ways: Ways, grammar: Grammar, frames: int) -> None:
        self.rows: list[tuple[int, int, int, int]] = [(-2, 0, 0, 0)]
        self._had = np.zeros(3 * frames + 3, np.int64)
        self._ends = ways.ends
        self._bits = np.array([1 << kind for kind in grammar.kinds] or [0] * len(ways.ways), np.int64)
        self._again = np.array([grammar.again[kind] for kind in grammar.kinds] or [0.0] * len(ways.ways))

    def add(self, way: int, start: int, end: int, before: int) -> int:
        """The number of a new record; `way` -1 is garbage."""
        at = len(self.rows)
        self._had[at] = self._had[before] | (self._bits[way] if way >= 0 else 0)
        self.rows.append((way, start, end, before))
        return at

    def best_end(self, said: _Tokens, still: _Tokens) -> tuple[int, float]:
        """The way that ends best here, and its score."""
        tokens = still.take(self._ends).better(said.take(self._ends))
        scores = tokens.score + np.where(self._had[tokens.record] & self._bits, self._again, 0.0)
        winner = int(scores.argmax())
        return winner, float(scores[winner])

    def end(self, way: int, t: int, said: _Tokens, still: _Tokens) -> int:
        """The record of a word that ends before frame `t`."""
        node = self._ends[way]
        tokens = said if said.score[node] > still.score[node] else still
        return self.add(way, int(tokens.at[node]), t, int(tokens.record[node]))


def loop(log_probs: LogProbs, ways: Ways, grammar: Grammar) -> list[Heard]:
    """Best path through any number of words, silences and stretches of garbage.

    Args:
        log_probs: of the clip.
        ways: the words.
        grammar: what words cost.

    Returns:
        Words and garbage in order of time, silences left out.
    """
    probs = log_probs.astype(np.float64)
    best = probs.max(axis=1)
    said, still = _Tokens.none(len(ways.units)), _Tokens.none(len(ways.units))
    records = _Records(ways, grammar, len(probs))
    silence, silence_record = 0.0, 0
    waste, waste_at, waste_record = NEVER, 0, 0
    for t, frame in enumerate(probs):
        # Where a word may begin: after silence, after garbage, or right after another word.
        gate, gate_record = silence, silence_record
        if waste > gate:
            gate, gate_record = waste, records.add(-1, waste_at, t, waste_record)
        winner, score = records.best_end(said, still)
        if score > gate:
            gate, gate_record = score, records.end(winner, t, said, still)
        # Within words: stay, or come from the unit before, or from the blank after it.
        coming = said.take(ways.parents)
        coming.score[ways.repeats] = NEVER
        enter = still.take(ways.parents).better(coming)
        enter.score[ways.first] = gate + grammar.entry
        enter.at[ways.first], enter.record[ways.first] = t, gate_record
        still = still.better(said)
        still.score += frame[0]
        said = said.better(enter)
        said.score += frame[ways.units]
        said.score[0] = NEVER
        if waste >= gate:
            waste += float(best[t]) + grammar.garbage
        else:
            waste, waste_at, waste_record = gate + float(best[t]) + grammar.garbage, t, gate_record
        silence, silence_record = gate + float(frame[0]), gate_record
    final, at = silence, silence_record
    if waste > final:
        final, at = waste, records.add(-1, waste_at, len(probs), waste_record)
    winner, score = records.best_end(said, still)
    if score > final:
        at = records.end(winner, len(probs), said, still)
    return _trace(records.rows, at, probs, ways)


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
