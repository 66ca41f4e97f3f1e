"""The fairness audit: published examples, and silence where there is too little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_server.fairness import GroupCounts, Share, audit, difference_interval, ratio_interval, wilson

NONE = Share(0, 0)
shares = st.integers(0, 400).flatmap(lambda n: st.integers(0, n).map(lambda hits: Share(hits, n)))


def answered(**groups: tuple[int, int]) -> dict[str, GroupCounts]:
    return {name: GroupCounts(Share(*pair), NONE, NONE) for name, pair in groups.items()}


def test_intervals_are_those_of_the_papers() -> None:
    # Newcombe 1998: score interval of 81/263, and method 10 on 56/70 against 48/80
    assert wilson(Share(81, 263)) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert difference_interval(Share(56, 70), Share(48, 80)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    # Katz: log of the ratio has standard error sqrt(1/a - 1/n + 1/c - 1/m)
    assert ratio_interval(Share(50, 100), Share(40, 100)) == pytest.approx((1.25, 0.9169, 1.7041), abs=5e-4)


def test_the_four_fifths_rule_is_failed_only_beyond_doubt() -> None:
    # given 90% answered in one district, and 60% in another, of many and of few cases
    sure = audit(answered(akola=(900, 1000), dhule=(600, 1000)))
    unsure = audit(answered(akola=(36, 40), dhule=(26, 40)))
    few = audit(answered(akola=(36, 40), dhule=(10, 20)))
    says = [[row.says for row in one.disparate_impact] for one in (sure, unsure, few)]
    assert says == [["fine", "unfair"], ["fine", "unclear"], ["fine", "too_few"]]
    assert sure.disparate_impact[1].measure == pytest.approx(0.6667, abs=1e-4)


def test_gaps_of_true_positives_and_of_what_an_answer_is_worth_are_told_apart() -> None:
    groups = {
        "mr-IN": GroupCounts(Share(90, 100), Share(180, 200), Share(190, 200)),
        "hi-IN": GroupCounts(Share(90, 100), Share(120, 200), Share(188, 200)),
    }
    found = audit(groups)
    assert [row.says for row in found.true_positive_rate] == ["unfair", "fine"]
    assert [row.says for row in found.predictive_value] == ["fine", "fine"]


def test_nobody_large_enough_means_nothing_is_said() -> None:
    found = audit(answered(akola=(5, 5), dhule=(0, 3)))
    assert {row.says for row in found.disparate_impact} == {"too_few"}
    assert {row.against for row in found.disparate_impact} == {""}


@given(st.dictionaries(st.text(max_size=4), st.tuples(shares, shares, shares), max_size=6))
def test_any_counts_give_ordered_intervals_and_a_word_for_every_group(groups) -> None:
    found = audit({name: GroupCounts(*three) for name, three in groups.items()})
    for measure in (found.disparate_impact, found.true_positive_rate, found.predictive_value):
        assert [row.group for row in measure] == sorted(groups)
        for row in measure:
            assert 0 <= row.low <= row.share.value + 1e-12 and row.share.value <= row.high + 1e-12 <= 1 + 1e-9
            assert row.measure_low <= row.measure + 1e-9 and row.measure <= row.measure_high + 1e-9
            assert (row.says == "too_few") == (row.share.cases < 30)
