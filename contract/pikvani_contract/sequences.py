"""Sets of sequence numbers as a few intervals: which records of an outbox are committed, and which are missing.

Pure algebra. The server keeps one per outbox; a receipt carries its outline back to the device.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from pikvani_contract.errors import ContractError


class SequenceSet:
    """A set of integers >= 1, kept as sorted, disjoint, non-touching closed intervals.

    Args:
        intervals: `(first, last)` pairs in ascending order, neither overlapping nor touching.

    Raises:
        ContractError: the pairs are not in that form.
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, intervals: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        previous = -1
        for first, last in intervals:
            if first < 1 or last < first or first <= previous + 1:
                raise ContractError(
                    f"interval {first}-{last} is out of order; a sequence set needs ascending, disjoint ones"
                )
            self._firsts.append(first)
            self._lasts.append(last)
            previous = last

    def __contains__(self, seq: int) -> bool:
        at = bisect_right(self._firsts, seq) - 1
        return at >= 0 and seq <= self._lasts[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SequenceSet) and self.intervals() == other.intervals()

    def __hash__(self) -> int:
        return hash(tuple(self.intervals()))

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in zip(self._firsts, self._lasts, strict=True))

    def __repr__(self) -> str:
        return f"SequenceSet({self.intervals()})"

    def intervals(self) -> list[tuple[int, int]]:
        """The set as ascending `(first, last)` pairs."""
        return list(zip(self._firsts, self._lasts, strict=True))

    @property
    def highest(self) -> int:
        """The largest member, 0 when empty."""
        return self._lasts[-1] if self._lasts else 0

    def add(self, seq: int) -> None:
        """Put one number in."""
        self.add_interval(seq, seq)

    def add_interval(self, first: int, last: int) -> None:
        """Put `first` to `last` in, both included.

        Raises:
            ContractError: `first` is under 1 or over `last`.
        """
        if first < 1 or last < first:
            raise ContractError(f"{first}-{last} is not an interval of sequence numbers (1 <= first <= last)")
        # Every interval that overlaps or touches [first, last] melts into it.
        low = bisect_right(self._lasts, first - 2)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def gaps(self) -> Iterator[tuple[int, int]]:
        """The intervals missing between 1 and the highest member, ascending."""
        expected = 1
        for first, last in zip(self._firsts, self._lasts, strict=True):
            if first > expected:
                yield expected, first - 1
            expected = last + 1

    def outline(self, max_gaps: int) -> tuple[int, list[tuple[int, int]]]:
        """The set as a receipt says it: everything up to `upto` is in, but for the gaps.

        With more than `max_gaps` gaps the outline stops short before the first gap that does not fit: what it
        leaves out is said by a later receipt, what it says is always true.

        Returns:
            `(upto, gaps)`; `(0, [])` for the empty set.
        """
        found: list[tuple[int, int]] = []
        for gap in self.gaps():
            if len(found) == max_gaps:
                return gap[0] - 1, found
            found.append(gap)
        return self.highest, found
