"""What is asked next: one short closed question at a time, read back at the end, by touch after two misses. Pure.

The whole talk is one value, `Talk`; `heard`, `touched` and `unheard` give the next one. A page shows `Talk.turn`: what
is said, which pictures are shown, what the ear should listen for. Speaking and touching fill the same slots, and every
question can be answered either way at any time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from pikvani_device.voice.recognition import NEEDED, Understood

Stage = Literal["asking", "confirming", "done", "stopped"]
QUESTIONS = ("crop", "part", "symptom", "colour", "since", "spread")
"""Slots in the order they are asked for; more than these are taken when they are said."""
MAX_MISSES = 2
"""After so many the question is shown as pictures and no longer asked by voice."""
_UNKNOWN = frozenset({"ans_dont_know", "ans_maybe"})


@dataclass(frozen=True)
class Turn:
    """What happens now.

    Attributes:
        prompts: ids of the sentences and words to say, in order.
        question: slot that is asked for, `confirm` for the read-back, empty at the end.
        listen: slots the ear should listen for; empty where only touch goes on.
        pictures: whether pictures to touch are shown large, because voice did not work.
    """

    prompts: tuple[str, ...]
    question: str
    listen: tuple[str, ...]
    pictures: bool


@dataclass(frozen=True)
class Talk:
    """A talk so far.

    Attributes:
        slots: what is known: slot to meaning's id, several joined by a comma; an empty value is "asked, not known".
        sure: confidence of each slot that was spoken; touched ones are 1.
        stage: where it stands.
        misses: of the present question.
        asked: slots in the order they were filled, for going back.
        words: prompts to say before the next question.
    """

    slots: dict[str, str] = field(default_factory=dict)
    sure: dict[str, float] = field(default_factory=dict)
    stage: Stage = "asking"
    misses: int = 0
    asked: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """The slot that is asked for now, `confirm`, or empty."""
        if self.stage == "confirming":
            return "confirm"
        if self.stage != "asking":
            return ""
        return next(slot for slot in QUESTIONS if slot not in self.slots)

    @property
    def by_touch(self) -> bool:
        """Whether this question is no longer asked by voice."""
        return self.misses >= MAX_MISSES

    @property
    def turn(self) -> Turn:
        """What happens now."""
        question = self.question
        if not question:
            return Turn((*self.words, f"talk.{self.stage}"), "", (), False)
        if question == "confirm":
            said = tuple(
                f"word.{value}" for slot in QUESTIONS for value in self.slots.get(slot, "").split(",") if value
            )
            prompts = (*self.words, "talk.read_back", *said, "talk.right")
            listen: tuple[str, ...] = ("answer", "command")
        else:
            prompts = (*self.words, f"talk.ask_{question}")
            listen = (*QUESTIONS, "severity", "answer", "command", "number")
        if self.by_touch:
            return Turn((*prompts, "talk.touch"), question, (), True)
        return Turn(prompts, question, listen, False)


def heard(talk: Talk, understood: Understood) -> Talk:
    """The talk after a voice note was understood, or was not."""
    if talk.stage not in ("asking", "confirming"):
        return talk
    said = {slot: value.split(",") for slot, value in understood.slots.items()}
    if understood.decision != "accept" or not said:
        return unheard(talk)
    command = said.get("command", [""])[0]
    if command:
        return _command(talk, command)
    if talk.stage == "confirming":
        return _answered(talk, said, understood)
    filled = talk
    if talk.question == "since" and "since" not in said and "number" in said:
        said["since"] = said["number"][-1:]  # "five", asked since how many days
    for slot in (*QUESTIONS, "severity"):
        if slot in said:
            filled = _fill(filled, slot, ",".join(said[slot]), understood.confidence)
    if filled is not talk:
        return _onward(filled)
    if set(said.get("answer", ())) & _UNKNOWN and talk.question not in NEEDED:
        return _onward(_fill(talk, talk.question, "", understood.confidence))
    return unheard(talk)


def touched(talk: Talk, slot: str, value: str) -> Talk:
    """The talk after a picture was touched.

    Args:
        talk: so far.
        slot: one of `QUESTIONS`, `confirm` with `yes` or `no`, or `command`.
        value: the meaning's id; empty for "I do not know".
    """
    if slot == "command":
        return _command(talk, value)
    if slot == "confirm" and talk.stage == "confirming":
        return replace(talk, stage="done", misses=0, words=()) if value == "yes" else _denied(talk)
    if slot in QUESTIONS and talk.stage in ("asking", "confirming"):
        if not value and slot in NEEDED:
            return unheard(talk)
        return _onward(_fill(talk, slot, value, 1.0))
    return talk


def unheard(talk: Talk) -> Talk:
    """The talk after a note nobody could understand: asked once more, then by pictures."""
    return replace(talk, misses=min(talk.misses + 1, MAX_MISSES), words=("talk.not_heard",))


def _answered(talk: Talk, said: dict[str, list[str]], understood: Understood) -> Talk:
    answer = set(said.get("answer", ()))
    corrected = {slot: said[slot] for slot in QUESTIONS if slot in said}
    if corrected:
        # "No, it is cotton": the correction counts, and is read back again.
        for slot, values in corrected.items():
            talk = _fill(talk, slot, ",".join(values), understood.confidence)
        return replace(talk, misses=0, words=())
    if "ans_yes" in answer and "ans_no" not in answer:
        return replace(talk, stage="done", misses=0, words=())
    if "ans_no" in answer:
        return _denied(talk)
    return unheard(talk)


def _denied(talk: Talk) -> Talk:
    """What was least surely heard is asked again; what was touched last of all."""
    known = [slot for slot in QUESTIONS if talk.slots.get(slot)]
    doubtful = min(known, key=lambda slot: talk.sure.get(slot, 0.0), default=QUESTIONS[0])
    return _without(replace(talk, stage="asking", misses=0, words=("talk.again",)), doubtful)


def _command(talk: Talk, command: str) -> Talk:
    if command == "ans_stop":
        return replace(talk, stage="stopped", words=())
    if command == "ans_back":
        last = talk.asked[-1] if talk.asked else ""
        return _without(replace(talk, stage="asking", misses=0, words=()), last) if last else talk
    if command == "ans_help":
        return replace(talk, words=("talk.help",))
    if command == "ans_next" and talk.stage == "asking" and talk.question not in NEEDED:
        return _onward(_fill(talk, talk.question, "", 1.0))
    return replace(talk, words=())


def _fill(talk: Talk, slot: str, value: str, sure: float) -> Talk:
    return replace(
        talk,
        slots=talk.slots | {slot: value},
        sure=talk.sure | {slot: sure},
        asked=(*(one for one in talk.asked if one != slot), slot),
        misses=0,
        words=(),
    )


def _without(talk: Talk, slot: str) -> Talk:
    return replace(
        talk,
        slots={key: value for key, value in talk.slots.items() if key != slot},
        sure={key: value for key, value in talk.sure.items() if key != slot},
        asked=tuple(one for one in talk.asked if one != slot),
    )


def _onward(talk: Talk) -> Talk:
    left = any(slot not in talk.slots for slot in QUESTIONS)
    return replace(talk, stage="asking" if left else "confirming")
