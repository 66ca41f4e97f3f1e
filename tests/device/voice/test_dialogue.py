"""The talk: one question at a time, touch and voice side by side, no way to get stuck in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_device.voice.dialogue import MAX_MISSES, NEEDED, QUESTIONS, Talk, heard, touched, unheard
from pikvani_device.voice.recognition import Understood

VALUES = {
    "crop": "crop_cotton", "part": "part_leaf", "symptom": "sym_spot", "colour": "col_yellow", "since": "ans_week",
    "spread": "sev_few",
}  # fmt: skip


def said(**slots: str) -> Understood:
    return Understood("accept", "...", 0.8, slots)


NOTHING = Understood("reject", "...", 0.1)


def test_given_one_sentence_with_everything_then_it_is_read_back_and_a_yes_ends_the_talk() -> None:
    talk = heard(Talk(), said(**VALUES))
    assert talk.turn.question == "confirm"
    assert talk.turn.prompts[0] == "talk.read_back" and "word.crop_cotton" in talk.turn.prompts
    talk = heard(talk, said(answer="ans_yes"))
    assert talk.stage == "done" and talk.slots == VALUES


def test_given_only_a_crop_then_what_is_missing_is_asked_one_at_a_time() -> None:
    talk, asked = heard(Talk(), said(crop="crop_cotton")), []
    while talk.stage == "asking":
        asked.append(talk.question)
        talk = touched(talk, talk.question, VALUES[talk.question])
    assert asked == [slot for slot in QUESTIONS if slot != "crop"]


def test_given_two_misses_then_the_question_goes_on_by_pictures_and_a_touch_brings_voice_back() -> None:
    talk = heard(heard(Talk(), NOTHING), NOTHING)
    assert talk.turn.pictures and talk.turn.listen == () and talk.turn.prompts[-1] == "talk.touch"
    talk = touched(talk, "crop", "crop_cotton")
    assert not talk.turn.pictures and talk.turn.question == "part"


def test_given_i_do_not_know_then_an_optional_question_is_passed_and_a_needed_one_is_not() -> None:
    talk = touched(Talk(), "crop", "crop_cotton")
    assert heard(talk, said(answer="ans_dont_know")).question == "symptom"
    assert heard(Talk(), said(answer="ans_dont_know")).question == "crop"
    assert touched(Talk(), "crop", "").question == "crop"


def test_given_a_no_then_what_was_least_surely_heard_is_asked_again() -> None:
    talk = Talk()
    for slot, sure in zip(QUESTIONS, (0.9, 0.8, 0.3, 0.7, 0.9, 0.9), strict=True):
        talk = heard(talk, Understood("accept", "", sure, {slot: VALUES[slot]}))
    assert heard(talk, said(answer="ans_no")).question == "symptom"


def test_given_a_correction_at_the_read_back_then_it_counts() -> None:
    talk = heard(heard(Talk(), said(**VALUES)), said(answer="ans_no", crop="crop_tomato"))
    assert talk.question == "confirm" and talk.slots["crop"] == "crop_tomato"


@pytest.mark.parametrize(
    ("command", "stage"), [("ans_stop", "stopped"), ("ans_help", "asking"), ("ans_back", "asking")]
)
def test_given_a_command_at_any_time_then_it_is_obeyed(command: str, stage: str) -> None:
    talk = heard(touched(Talk(), "crop", "crop_cotton"), said(command=command))
    assert talk.stage == stage
    if command == "ans_back":
        assert talk.question == "crop"


STEPS = st.one_of(
    st.just(NOTHING),
    st.dictionaries(st.sampled_from([*VALUES, "answer", "command", "number"]), st.just(""), max_size=3).flatmap(
        lambda keys: st.fixed_dictionaries(
            {
                key: st.sampled_from(
                    {"answer": ["ans_yes", "ans_no", "ans_dont_know"], "number": ["num_2"],
                     "command": ["ans_repeat", "ans_back", "ans_help", "ans_next", "ans_more"]}.get(
                        key, [VALUES.get(key, "")])
                )
                for key in keys
            }
        ).map(lambda slots: said(**slots))
    ),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_given_any_talk_then_touch_alone_can_always_finish_it(steps: list[Understood]) -> None:
    talk = Talk()
    for step in steps:
        talk = heard(talk, step)
        assert talk.misses <= MAX_MISSES
        assert talk.turn.prompts
    for _ in range(len(QUESTIONS) + 2):
        if talk.stage == "asking":
            talk = touched(talk, talk.question, VALUES[talk.question])
        elif talk.stage == "confirming":
            talk = touched(talk, "confirm", "yes")
    assert talk.stage == "done"
    assert all(talk.slots[slot] for slot in NEEDED)


def test_given_a_talk_that_ended_then_nothing_changes_it() -> None:
    done = touched(heard(Talk(), said(**VALUES)), "confirm", "yes")
    assert heard(done, said(crop="crop_tomato")) == done
    assert unheard(done).stage == "done"
