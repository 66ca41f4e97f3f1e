"""Sequence sets behave as sets of integers, and a receipt's outline never says more than is true."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.errors import ContractError
from pikvani_contract.sequences import SequenceSet

numbers = st.sets(st.integers(1, 60))
pieces = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=12)


def built(members: set[int]) -> SequenceSet:
    found = SequenceSet()
    for member in sorted(members, key=lambda m: (m * 7) % 13):
        found.add(member)
    return found


@given(numbers)
def test_given_any_numbers_added_then_exactly_they_are_in(members: set[int]) -> None:
    found = built(members)
    assert {n for n in range(70) if n in found} == members
    assert len(found) == len(members)
    assert found.highest == max(members, default=0)


@given(pieces)
def test_given_intervals_in_any_order_then_the_set_is_their_union_in_normal_form(
    spans: list[tuple[int, int]],
) -> None:
    found, expected = SequenceSet(), set()
    for first, length in spans:
        found.add_interval(first, first + length)
        expected |= set(range(first, first + length + 1))
    assert {n for a, b in found.intervals() for n in range(a, b + 1)} == expected
    assert SequenceSet(found.intervals()) == found
    assert all(b1 + 1 < a2 for (_, b1), (a2, _) in zip(found.intervals(), found.intervals()[1:], strict=False))


@given(numbers, st.integers(0, 5))
def test_given_few_gaps_allowed_then_the_outline_is_still_true(members: set[int], allowed: int) -> None:
    upto, gaps = built(members).outline(allowed)
    claimed = set(range(1, upto + 1)) - {n for a, b in gaps for n in range(a, b + 1)}
    assert len(gaps) <= allowed
    assert claimed <= members
    if allowed >= 60:
        assert claimed == members


@given(numbers)
def test_given_enough_gaps_allowed_then_the_outline_says_everything(members: set[int]) -> None:
    upto, gaps = built(members).outline(100)
    assert set(range(1, upto + 1)) - {n for a, b in gaps for n in range(a, b + 1)} == members


@pytest.mark.parametrize("bad", [[(0, 1)], [(3, 2)], [(1, 2), (3, 4)], [(5, 6), (1, 2)]])
def test_given_intervals_out_of_form_then_they_are_refused(bad: list[tuple[int, int]]) -> None:
    with pytest.raises(ContractError, match="interval"):
        SequenceSet(bad)
