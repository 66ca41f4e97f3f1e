"""From "is there one" to "kept" or "gone back": what answers is always verified, and a bad model goes by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.device.update.village import Village

from pikvani_contract.messages import UpdateOrder, UpdateReport
from pikvani_contract.model.packing import package_target, packed_bytes
from pikvani_device.update import surroundings
from pikvani_device.update.errors import UpdateError
from pikvani_device.update.state import AT_REST, TRANSITIONS, Phase, StateFile, UpdateState
from pikvani_device.update.watching import Evidence, Seen, against


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


def codes(village: Village) -> list[str]:
    return [report.what for report in village.told]


def test_given_nothing_new_then_the_device_rests_and_answers_as_born(village: Village) -> None:
    state = village.engine().run()
    assert (state.phase, state.reason, village.answers()) == (Phase.IDLE, "", "1.0.0")


def test_given_a_better_model_then_it_answers_at_once_and_is_kept_once_it_has_proven_itself(village: Village) -> None:
    village.release("1.1.0")
    assert village.engine().run().phase == Phase.WATCHING
    assert village.answers() == "1.1.0"
    village.seen("1.1.0", 19)
    assert village.engine().watch().phase == Phase.WATCHING
    village.seen("1.1.0", 20)
    assert village.engine().watch().phase == Phase.COMMITTED
    assert codes(village) == ["watching", "committed"]


def test_given_few_cases_then_time_alone_keeps_the_model_only_where_one_was_seen(village: Village) -> None:
    village.release("1.1.0")
    village.engine().run()
    village.clock_ms += 100 * 86_400_000
    assert village.engine().watch().phase == Phase.WATCHING
    village.seen("1.1.0", 1)
    assert village.engine().watch().phase == Phase.COMMITTED


def test_given_a_failed_self_test_then_nothing_changes_and_it_is_tried_thrice_at_most(village: Village) -> None:
    village.release("1.1.0")
    village.tested = surroundings.Tested(False, "2 of 8 golden cases differ")
    for _ in range(5):
        state = village.engine().run()
        assert state.phase == Phase.IDLE and village.answers() == "1.0.0"
    assert codes(village) == ["failed"] * 3
    fetched = village.fetcher.bytes
    village.engine().run()
    assert village.fetcher.bytes - fetched <= 700


def test_given_a_version_that_was_given_up_then_its_files_make_room_for_the_next(village: Village) -> None:
    village.tested = surroundings.Tested(False, "2 of 8 golden cases differ")
    kept = []
    for version in ("1.1.0", "1.2.0"):
        village.release(version)
        village.engine().run()
        kept.append({path.name for path in (village.folder / "device" / "files").iterdir() if "sample" in path.name})
    assert all(len(names) == 1 for names in kept) and kept[0] != kept[1], kept


@pytest.mark.parametrize(
    ("new", "old", "word"),
    [
        (Evidence([Seen("refuse", "a/b", 50)] * 20), Evidence([Seen("answer", "a/b", 50)] * 20), "not answered"),
        (Evidence([Seen("answer", "a/b", 50)] * 5, errors=4), Evidence([]), "runtime failed"),
        (
            Evidence([Seen("answer", "a/b", 50)] * 20),
            Evidence([Seen("answer", f"a/{c}", 50) for c in "bcdefghijk"] * 3),
            "was named in 20 of 20",
        ),
    ],
)
def test_given_a_model_that_is_worse_here_then_it_goes_back_by_itself_and_says_why(
    village: Village, new: Evidence, old: Evidence, word: str
) -> None:
    village.release("1.1.0")
    village.engine().run()
    village.cases = {"1.1.0": new, "1.0.0": old}
    state = village.engine().watch()
    assert (state.phase, village.answers()) == (Phase.ROLLED_BACK, "1.0.0")
    assert word in state.reason and codes(village)[-1] == "rolled_back" and word in village.told[-1].detail
    village.engine().run()
    assert village.answers() == "1.0.0", "a model that was sent back came again"


def test_given_cases_that_take_longer_then_only_a_model_that_is_slower_side_by_side_goes_back(village: Village) -> None:
    village.release("1.1.0")
    village.engine().run()
    village.seen("1.0.0", 20)
    village.seen("1.1.0", 20, ms=90)
    village.tested = surroundings.Tested(False, "too slow: 90 ms against 50 ms")
    assert (village.engine().watch().phase, village.answers()) == (Phase.ROLLED_BACK, "1.0.0")
    assert "longer than 80 ms; too slow" in village.told[-1].detail
    village.release("1.2.0")
    village.tested = surroundings.Tested(True, "50 ms against 50 ms")
    village.engine().run()
    village.seen("1.2.0", 20, ms=90)
    assert village.engine().watch().phase == Phase.COMMITTED, "the machine was busy, not the model slow"


@given(
    st.lists(st.sampled_from(["answer", "refuse"]), min_size=12, max_size=60),
    st.floats(20, 200),
    st.integers(1, 6),
)
def test_given_the_same_model_seen_twice_then_it_is_never_sent_back(
    decisions: list[str], latency_ms: float, labels: int
) -> None:
    cases = [Seen(d, f"a/{k % labels}", latency_ms) for k, d in enumerate(decisions)]
    assert against(Evidence(cases), Evidence(cases)) == ""


def test_given_a_stage_this_device_does_not_follow_then_it_is_passed_over(village: Village) -> None:
    village.release("1.1.0", stage="candidate")
    assert village.engine().run().phase == Phase.IDLE
    assert village.answers() == "1.0.0"


def test_given_an_older_version_then_it_is_passed_over(village: Village) -> None:
    village.release("0.9.0")
    assert village.engine().run().phase == Phase.IDLE


def test_given_a_difference_then_only_it_is_fetched(village: Village) -> None:
    village.release("1.1.0", difference_from=village.birth)
    village.fetcher.asked.clear()
    assert village.engine().run().phase == Phase.WATCHING
    fetched = [path for path, _ in village.fetcher.asked if path.startswith("targets/")]
    assert len(fetched) == 1 and "differences/" in fetched[0]
    assert village.answers() == "1.1.0"


@pytest.mark.parametrize(("budget", "comes"), [(10**9, True), (2_000, False)])
def test_given_a_tampered_difference_then_it_is_said_and_the_whole_file_needs_the_budget(
    village: Village, budget: int, comes: bool
) -> None:
    village.release("1.1.0", difference_from=village.birth)
    for path in (village.folder / "repository" / "targets" / "differences").iterdir():
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    village.budget_bytes = budget
    state = village.engine().run()
    assert codes(village)[0] == "difference_failed"
    assert (state.phase == Phase.WATCHING, village.answers() == "1.1.0") == (comes, comes)
    if not comes:
        assert "over the budget" in state.reason and codes(village)[-1] == "failed"


def test_given_a_package_that_says_it_is_another_then_it_is_refused(village: Village) -> None:
    from pikvani_contract.model.packing import packed_bytes

    target = village.repository.add_target(package_target("sample", "2.0.0"), packed_bytes(village.package("1.5.0")))
    target.unrecognized_fields["custom"] = {"stage": "production"}
    village.repository.publish_all()
    state = village.engine().run()
    assert state.phase == Phase.IDLE and "says it is sample@1.5.0" in state.reason
    assert village.answers() == "1.0.0"


def test_given_a_file_that_is_missing_at_the_source_then_the_device_does_not_loop(village: Village) -> None:
    village.release("1.1.0")
    for path in (village.folder / "repository" / "targets" / "packages").iterdir():
        path.unlink()
    for _ in range(5):
        assert village.engine().run().phase == Phase.IDLE
    asked = sum(path.startswith("targets/") for path, _ in village.fetcher.asked)
    assert asked == village.rules.max_attempts


def order(village: Village, number: int, version: str, action: str = "take", reason: str = "") -> UpdateOrder:
    digest = hashlib.sha256(packed_bytes(village.package(version))).digest()
    return UpdateOrder(1, number, action, "sample", version, digest, reason)


def test_given_a_device_that_waits_for_orders_then_it_takes_what_was_ordered_and_nothing_newer(
    village: Village,
) -> None:
    village.rules = surroundings.Rules(watch_cases=20, by_order=True)
    village.release("1.1.0")
    village.release("1.2.0")
    assert (village.engine().run().phase, village.answers()) == (Phase.IDLE, "1.0.0")
    village.ordered = order(village, 5, "1.1.0")
    assert village.engine().ordered
    assert (village.engine().run().phase, village.answers()) == (Phase.WATCHING, "1.1.0")
    assert [(r.what, r.version, r.previous, r.order) for r in village.told] == [("watching", "1.1.0", "1.0.0", 5)]
    assert not village.engine().ordered


def test_given_an_order_for_bytes_nobody_signed_then_nothing_is_taken(village: Village) -> None:
    village.rules = surroundings.Rules(by_order=True)
    village.release("1.1.0")
    village.package("1.2.0")
    village.ordered = order(village, 5, "1.2.0")
    assert (village.engine().run().phase, village.answers()) == (Phase.IDLE, "1.0.0")
    village.ordered = UpdateOrder(1, 6, "take", "sample", "1.1.0", bytes(32))
    assert (village.engine().run().phase, village.answers()) == (Phase.IDLE, "1.0.0")


def test_given_an_order_back_then_the_model_before_answers_and_an_older_order_is_passed_over(village: Village) -> None:
    village.rules = surroundings.Rules(watch_cases=20, by_order=True)
    village.release("1.1.0")
    village.ordered = order(village, 5, "1.1.0")
    village.engine().run()
    village.seen("1.1.0", 20)
    assert village.engine().watch().phase == Phase.COMMITTED
    assert (village.told[-1].what, village.told[-1].cases, village.told[-1].latency_ms) == ("committed", 20, 50)
    village.ordered = order(village, 6, "1.1.0", "back", "the roll-out was halted")
    assert (village.engine().obey().phase, village.answers()) == (Phase.ROLLED_BACK, "1.0.0")
    assert (village.told[-1].what, village.told[-1].order) == ("rolled_back", 6)
    assert "the roll-out was halted" in village.told[-1].detail
    village.ordered = order(village, 5, "1.1.0")
    village.engine().run()
    assert village.answers() == "1.0.0"
    village.ordered = order(village, 7, "1.1.0")
    village.engine().run()
    assert village.answers() == "1.1.0", "a new order of a person is a new chance"


def test_given_an_order_back_from_what_was_never_taken_then_the_device_says_so_once(village: Village) -> None:
    village.rules = surroundings.Rules(by_order=True)
    village.package("1.1.0")
    village.ordered = order(village, 6, "1.1.0", "back")
    village.engine().obey()
    village.engine().obey()
    assert [(r.what, r.version, r.previous) for r in village.told] == [("not_taken", "1.1.0", "1.0.0")]


def committed(village: Village, *versions: str) -> None:
    """Each is ordered, taken and proven, and a look in between finds nothing new."""
    village.rules = surroundings.Rules(watch_cases=20, by_order=True)
    for number, version in enumerate(versions, 1):
        village.release(version)
        village.ordered = order(village, number, version)
        village.engine().run()
        village.seen(version, 20)
        village.engine().watch()
        assert (village.engine().run().phase, village.answers()) == (Phase.IDLE, version)


def test_given_a_kept_model_and_a_look_that_found_nothing_then_an_order_back_is_still_obeyed(village: Village) -> None:
    committed(village, "1.1.0")
    village.ordered = order(village, 6, "1.1.0", "back", "farmers complain")
    assert (village.engine().run().phase, village.answers()) == (Phase.ROLLED_BACK, "1.0.0")
    said = village.told[-1]
    assert (said.what, said.version, said.previous, said.order) == ("rolled_back", "1.1.0", "1.0.0", 6)
    village.ordered = None
    village.rules = surroundings.Rules(watch_cases=20)
    assert (village.engine().run().phase, village.answers()) == (Phase.IDLE, "1.0.0"), "it came again by itself"


def test_given_a_kept_model_and_a_later_one_that_failed_then_an_order_back_never_wakes_the_failed_one(
    village: Village,
) -> None:
    committed(village, "1.1.0")
    village.release("1.2.0")
    village.tested = surroundings.Tested(False, "2 of 8 golden cases differ")
    village.ordered = order(village, 5, "1.2.0")
    assert (village.engine().run().phase, village.answers()) == (Phase.IDLE, "1.1.0")
    village.ordered = order(village, 6, "1.1.0", "back")
    village.engine().run()
    assert village.answers() == "1.0.0", "the package of birth, since the other slot holds what failed"


def test_given_two_kept_models_then_each_order_back_goes_one_model_back(village: Village) -> None:
    committed(village, "1.1.0", "1.2.0")
    village.ordered = order(village, 6, "1.2.0", "back")
    village.engine().run()
    assert village.answers() == "1.1.0"
    village.ordered = order(village, 7, "1.1.0", "back")
    village.engine().run()
    assert village.answers() == "1.0.0"
    village.ordered = order(village, 8, "1.0.0", "back")
    village.engine().run()
    assert village.answers() == "1.0.0"
    assert (village.told[-1].what, village.told[-1].order) == ("failed", 8), "the centre must not count it as back"


def test_given_a_model_ordered_back_while_a_later_one_answers_then_it_is_not_gone_back_to(village: Village) -> None:
    committed(village, "1.1.0", "1.2.0")
    village.ordered = order(village, 6, "1.1.0", "back")
    village.engine().run()
    assert (village.told[-1].what, village.answers()) == ("not_taken", "1.2.0")
    village.ordered = order(village, 7, "1.2.0", "back")
    village.engine().run()
    assert village.answers() == "1.0.0"


def test_given_a_state_from_before_the_fallback_was_remembered_then_going_back_works(village: Village) -> None:
    committed(village, "1.1.0", "1.2.0")
    older = UpdateState(Phase.COMMITTED, "sample", "1.2.0", previous="1.1.0", order=2)
    StateFile(village.folder / "device").save(older)
    village.engine().roll_back("farmers complain")
    assert village.answers() == "1.1.0"


def test_given_a_link_that_breaks_a_hundred_times_then_a_file_that_gets_further_is_not_given_up(
    village: Village,
) -> None:
    village.release("1.1.0")
    whole = village.fetcher.inner

    class Breaking:
        def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
            given = 0
            for piece in whole.fetch(path, offset):
                if path.startswith("targets/") and len(piece) > 1000:
                    yield piece[:1000]
                    raise ConnectionResetError("the link broke")
                given += len(piece)
                yield piece

    village.fetcher.inner = Breaking()
    for _ in range(100):
        if village.engine().run().phase == Phase.WATCHING:
            break
    assert village.answers() == "1.1.0"
    asked = [offset for path, offset in village.fetcher.asked if path.startswith("targets/")]
    assert len(asked) > village.rules.max_attempts and asked == sorted(set(asked)), "bytes were fetched twice"


def test_given_a_technician_who_goes_back_then_the_model_before_answers(village: Village) -> None:
    village.release("1.1.0")
    village.engine().run()
    village.engine().roll_back("farmers complain")
    assert village.answers() == "1.0.0"
    with pytest.raises(UpdateError, match="nothing to go back from"):
        village.engine().roll_back("again")


def test_given_an_unreadable_state_then_the_device_goes_on_from_rest(village: Village) -> None:
    village.release("1.1.0")
    village.engine().run()
    (village.folder / "device" / "state.json").write_bytes(b"\x00garbage")
    engine = village.engine()
    assert engine.state.phase == Phase.IDLE and "unreadable" in engine.state.reason
    assert village.answers() == "1.1.0"
    village.release("1.2.0")
    assert engine.run().phase == Phase.WATCHING
    assert village.answers() == "1.2.0"


@given(st.sampled_from(list(Phase)), st.sampled_from(list(Phase)))
def test_given_any_two_phases_then_only_the_table_permits_a_step(before: Phase, after: Phase) -> None:
    state = UpdateState(phase=before)
    if after in TRANSITIONS[before]:
        assert state.to(after, 1).phase == after
    else:
        with pytest.raises(ValueError, match="cannot become"):
            state.to(after, 1)


def test_every_phase_leads_somewhere_and_rest_is_reached_from_all() -> None:
    assert set(TRANSITIONS) == set(Phase)
    for phase in Phase:
        reached, grown = {phase}, True
        while grown:
            more = reached | {after for p in reached for after in TRANSITIONS[p]}
            grown, reached = more != reached, more
        assert reached & AT_REST


def test_given_a_state_file_then_it_comes_back_as_it_was(tmp_path: Path) -> None:
    state = UpdateState(
        Phase.WATCHING,
        "leaf",
        "1.1.0",
        "ab" * 32,
        "packages/leaf-1.1.0.tar",
        "cd" * 32,
        "1.0.0",
        "why",
        5,
        UpdateReport("failed", detail="x"),
        {"x": 2},
        7,
        "1.0.0",
        {"1.1.0": "ab" * 32},
    )
    StateFile(tmp_path).save(state)
    assert StateFile(tmp_path).load() == state
