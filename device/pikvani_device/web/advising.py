"""Advice as the pages show it: sentences by stage, and as plain text for a QR code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pikvani_device.diagnosis.advice import HELPLINE, referral
from pikvani_device.diagnosis.result import Diagnosis
from pikvani_device.web.catalogue import say
from pikvani_device.web.names import condition_name

if TYPE_CHECKING:
    from pikvani_device.diagnosis.advice import Sentence
    from pikvani_device.web.desk import Desk

__all__ = ["HELPLINE", "STAGES", "Told", "advice_for", "plain_text", "referral_for", "title_of"]

STAGES = ("today", "this_week", "avoid", "next_season", "about")
"""Stages of advice in the order they are shown."""
MAX_QR_BYTES = 850
"""UTF-8 bytes a phone still reads off a 480-pixel screen: QR version 20 at error level L."""


@dataclass(frozen=True)
class Told:
    """Advice on one diagnosis.

    Attributes:
        sentences: all of them, each with its source.
        stages: those that have any, in order.
    """

    sentences: tuple[Sentence, ...]
    stages: tuple[str, ...]

    def of(self, stage: str) -> list[Sentence]:
        """The sentences of a stage."""
        return [sentence for sentence in self.sentences if sentence.stage == stage]


def advice_for(desk: Desk, said: Diagnosis, locale: str) -> Told | None:
    """The advice on a diagnosis, or None where nothing sourced is known or nothing was diagnosed."""
    if said.decision != "answer":
        return None
    advice = desk.device.advice(said.condition, locale)
    sentences = advice.sentences if advice else ()
    if not sentences:
        return None
    present = {sentence.stage for sentence in sentences}
    return Told(tuple(sentences), tuple(stage for stage in STAGES if stage in present))


def title_of(said: Diagnosis) -> str:
    """The sentence, by id, that stands over an answer without a name.

    A sharp photograph that leaves the device unsure asks for another leaf, as another picture of the same one proves
    little more; a poor one asks for a better photograph.
    """
    if said.decision != "more":
        return "refused_title"
    return "more_leaf_title" if said.reason == "unsure" else "more_title"


def referral_for(decision: str, locale: str) -> str:
    """Whom to ask."""
    return referral(decision, locale)


def plain_text(said: Diagnosis, told: Told | None, locale: str) -> str:
    """The answer as plain text that a QR code of a small screen can hold; whom to ask is always in it."""
    head = condition_name(said.condition, locale) if said.decision == "answer" else say(title_of(said), locale)
    end = referral(said.decision, locale)
    lines, room = [head], MAX_QR_BYTES - len(f"{head}\n{end}".encode())
    for stage in told.stages if told else ():
        for number, sentence in enumerate(told.of(stage) if told else []):
            line = (f"{say(f'stage.{stage}', locale)}:\n" if number == 0 else "") + f"- {sentence.text}"
            room -= len(line.encode()) + 1
            if room < 0:
                return "\n".join([*lines, end])
            lines.append(line)
    return "\n".join([*lines, end])
