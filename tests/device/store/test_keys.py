"""Arithmetic on intervals of keys, held against plain sets."""

from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.sequences import SequenceSet
from pikvani_device.store.keys import shared

numbers = st.sets(st.integers(1, 40))


def intervals(members: set[int]) -> list[tuple[int, int]]:
    found = SequenceSet()
    for member in members:
        found.add(member)
    return found.intervals()


@given(numbers, numbers)
def test_given_two_sets_as_intervals_then_what_they_share_is_what_the_sets_share(one: set[int], two: set[int]) -> None:
    found = shared(intervals(one), intervals(two))
    assert found == sorted(found)
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(one & two)
