"""From frames to what was said: the best phrase of a list, or the words of a sentence, with a confidence.

Pure: the recogniser behind the port gives log probabilities, everything else happens here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pikvani_contract.speech.package import Rejection
from pikvani_device.voice.evidence import Hypothesis, evidence, likelier
from pikvani_device.voice.lattice import LogProbs, Ways, forward, free, is_speech
from pikvani_device.voice.search import Grammar, Heard, loop
from pikvani_device.voice.vocabulary import Phrase

WORD_ENTRY = -2.0
"""Log cost of a word in a sentence."""
GARBAGE = -1.5
"""Log cost a frame of what is no word of ours."""
OURS = 0.8
"""From this confidence of the judge on, a note is ours from end to end, and nothing in it is taken for garbage."""
_NO_GARBAGE = -1e20
NEEDED = frozenset({"crop", "symptom"})
"""Slots without which the photographs are not enough to go on; the others may stay unknown."""
_WITHIN = ("part", "colour")
"""Slots a symptom's phrase may fill along with its own: "white powder" is white, "fruit drop" is of the fruit."""
AGAIN = {"crop": -6.0, "since": -6.0, "spread": -6.0, "severity": -6.0, "stage": -6.0, "season": -6.0, "part": -4.0}
"""Log cost of a second word of a slot in one sentence; there may be several symptoms and colours."""
SENTENCE_ACCEPT = 0.5
"""Least share of a sentence's spoken frames that words of ours must cover."""
WORD_SLACK = 0.75
"""A word inside a sentence needs this share of the confidence a phrase needs."""


@dataclass(frozen=True)
class Understood:
    """What a clip says.

    Attributes:
        decision: `accept` or `reject`.
        phrase: the best phrase, or the words of a sentence with a space between; never empty in a list.
        confidence: 0 to 1.
        slots: slot to meaning's id; several of one slot joined by a comma. Empty for an operator's list.
        figures: what the confidence was weighed of, see `voice.evidence`; empty where nobody speaks.
    """

    decision: str
    phrase: str
    confidence: float
    slots: dict[str, str] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


FILLER = "filler"
"""Slot of the small words between the ones that matter."""


class PhraseList:
    """One of a list is expected, from end to end of the clip.

    Args:
        phrases: at least one.
        rejection: of the speech package.
    """

    def __init__(self, phrases: Sequence[Phrase], rejection: Rejection) -> None:
        self._phrases = phrases
        self._rejection = rejection
        self._owner = [k for k, phrase in enumerate(phrases) for _ in phrase.ways]
        self._ways = Ways([way for phrase in phrases for way in phrase.ways])

    def understand(self, log_probs: LogProbs) -> Understood:
        """The phrase with the greatest likelihood, and whether it is likely enough."""
        best, confidence = self.likeliest(log_probs)
        phrase, least, figures = self._phrases[self._owner[best]], self._rejection.accept, dict[str, float]()
        if is_speech(log_probs, self._rejection.least_sure):
            figures = evidence(log_probs, self.hypothesis(best)) or {}
        if judge := self._rejection.phrase:
            confidence, least = judge.confidence(figures) if figures else 0.0, judge.accept
        accepted = confidence >= least
        slots = {phrase.slot: phrase.value} if accepted and phrase.slot else {}
        return Understood("accept" if accepted else "reject", phrase.text, confidence, slots, figures)

    def likeliest(self, log_probs: LogProbs) -> tuple[int, float]:
        """The way with the greatest likelihood, and the confidence its score alone gives."""
        scores = forward(log_probs, self._ways)
        best = int(scores.argmax())
        a_unit = (float(scores[best]) - free(log_probs)) / len(self._ways.ways[best])
        return best, _confidence(self._rejection, a_unit) if is_speech(log_probs, self._rejection.least_sure) else 0.0

    def phrase_of(self, way: int) -> Phrase:
        """Whose way it is."""
        return self._phrases[self._owner[way]]

    def hypothesis(self, way: int) -> Hypothesis:
        """That it is all the clip holds."""
        return Hypothesis((self._ways.ways[way],), alone=True)


SAID_TOGETHER = ("crop", "part", "symptom", "colour", "since", "spread", "severity", "stage", "season", FILLER)
"""Slots whose words stand in sentences. The others (yes, back, five ...) are said alone."""


class Sentence:
    """Words of ours among anything: 'crop's part has colour symptom since N days', in any order; or one phrase alone.

    Args:
        phrases: the vocabulary.
        rejection: of the speech package.
    """

    def __init__(self, phrases: Sequence[Phrase], rejection: Rejection) -> None:
        self._alone = PhraseList([phrase for phrase in phrases if phrase.slot != FILLER], rejection)
        self._phrases = [phrase for phrase in phrases if phrase.slot in SAID_TOGETHER]
        self._rejection = rejection
        self._owner = [k for k, phrase in enumerate(self._phrases) for _ in phrase.ways]
        self._ways = Ways([way for phrase in self._phrases for way in phrase.ways])
        self._needed: dict[str, list[Phrase]] = {}
        for phrase in self._phrases:
            if phrase.slot in NEEDED:
                self._needed.setdefault(phrase.text, []).append(phrase)
        # The longest first: "whole plant drying" is of the whole plant, not of a seedling.
        inner = sorted((one for one in self._phrases if one.slot in _WITHIN), key=lambda one: -len(one.text))
        self._within = {
            phrase.text: [one for one in inner if one.text != phrase.text and f" {one.text} " in f" {phrase.text} "]
            for phrase in self._phrases
            if phrase.slot == "symptom" and " " in phrase.text
        }
        kinds = tuple(SAID_TOGETHER.index(self._phrases[owner].slot) for owner in self._owner)
        again = tuple(AGAIN.get(slot, 0.0) for slot in SAID_TOGETHER)
        self._loose = Grammar(WORD_ENTRY, GARBAGE, kinds, again)
        self._strict = Grammar(WORD_ENTRY, _NO_GARBAGE, kinds, again)

    def understand(self, log_probs: LogProbs) -> Understood:
        """Words that are likely enough, as slots, the surest of each slot."""
        alone, alone_confidence = self._alone.likeliest(log_probs)
        if not is_speech(log_probs, self._rejection.least_sure):
            return Understood("reject", self._alone.phrase_of(alone).text, 0.0)
        strict = loop(log_probs, self._ways, self._strict) if self._ways.ways else []
        whole = self._whole(log_probs, alone, strict)
        figures, judge = evidence(log_probs, whole) or {}, self._rejection.sentence
        judged = judge.confidence(figures) if judge and figures else 0.0
        if judged >= OURS or not self._ways.ways:
            found: Sequence[Heard] = () if whole.alone else strict
        else:
            found = loop(log_probs, self._ways, self._loose)
        meant = self._meant(found, alone, alone_confidence)
        decision, confidence = meant.decision, meant.confidence
        if judge:
            # One phrase alone keeps the word of its score: judges are fitted on made voices, and real short words
            # pass them worse.
            sure = meant.phrase == self._alone.phrase_of(alone).text and meant.decision == "accept"
            confidence = max(judged, confidence) if sure else judged
            decision = "accept" if sure or judged >= judge.accept else "reject"
        return Understood(decision, meant.phrase, confidence, meant.slots if decision == "accept" else {}, figures)

    def _whole(self, log_probs: LogProbs, alone: int, strict: Sequence[Heard]) -> Hypothesis:
        """The likelier of: one phrase alone, words of ours from end to end."""
        some = [self._alone.hypothesis(alone)]
        if strict:
            some.append(Hypothesis(tuple(self._ways.ways[h.way] for h in strict), alone=False))
        return likelier(log_probs, some)

    def _meant(self, found: Sequence[Heard], alone: int, alone_confidence: float) -> Understood:
        """What words and garbage mean if they are believed, with what the scores of the words say to that."""
        needed = self._rejection.accept * WORD_SLACK
        # Small words ("on", "is", "my") carry nothing: neither heard nor missed.
        said = [h for h in found if h.way < 0 or self._phrase(h).slot != FILLER]
        words = [(h, _confidence(self._rejection, h.score)) for h in said if h.way >= 0]
        kept = [(h, c) for h, c in words if c >= needed]
        covered = sum(h.end - h.start for h, _ in kept)
        spoken = covered + sum(h.end - h.start for h in said if h.way < 0)
        spoken += sum(h.end - h.start for h, c in words if c < needed)
        share = covered / spoken if spoken else 0.0
        confidence = share * float(np.mean([c for _, c in kept])) if kept else 0.0
        enough = bool(kept) and share >= SENTENCE_ACCEPT
        sure = alone_confidence >= self._rejection.accept
        # One phrase alone explains the whole clip; a sentence has to do better.
        if (sure or not kept) and (not enough or (len(kept) < 2 and alone_confidence >= confidence)):
            phrase = self._alone.phrase_of(alone)
            slots = {phrase.slot: phrase.value}
            return Understood("accept" if sure else "reject", phrase.text, alone_confidence, slots)
        text = " ".join(self._phrase(h).text for h, _ in kept)
        if not enough:
            return Understood("reject", text, min(confidence, alone_confidence), self._slots(kept))
        return Understood("accept", text, confidence, self._slots(kept))

    def _phrase(self, heard: Heard) -> Phrase:
        return self._phrases[self._owner[heard.way]]

    def _slots(self, kept: Sequence[tuple[Heard, float]]) -> dict[str, str]:
        slots: dict[str, str] = {}
        for heard, _ in sorted(kept, key=lambda one: -one[1]):
            phrase = self._phrase(heard)
            slots.setdefault(phrase.slot, phrase.value)
        for heard, _ in kept:
            phrase = self._phrase(heard)
            for other in self._needed.get(phrase.text, ()):
                # "A small plant": where nobody has said what ails it, that is what ails it.
                if phrase.slot not in NEEDED and slots.get(phrase.slot) == phrase.value and other.slot not in slots:
                    del slots[phrase.slot]
                    slots[other.slot] = other.value
            for inner in self._within.get(phrase.text, ()):
                slots.setdefault(inner.slot, inner.value)
        return slots


OTHERS_ACCEPT = 0.6
"""Least confidence at which another's recogniser is believed."""


def meaning_of(text: str, confidence: float, phrases: Sequence[Phrase]) -> Understood:
    """What the words another recogniser heard mean: the longest phrases first, each word counted once.

    Args:
        text: words with a space between, empty for none.
        confidence: 0 to 1, as that recogniser says.
        phrases: what may be meant.
    """
    left, slots = f" {text} ", dict[str, list[str]]()
    for phrase in sorted(phrases, key=lambda one: -len(one.text)):
        if f" {phrase.text} " in left:
            left = left.replace(f" {phrase.text} ", "  ", 1)
            if phrase.slot:
                slots.setdefault(phrase.slot, []).append(phrase.value)
    accepted = bool(text) and confidence >= OTHERS_ACCEPT
    found = {slot: ",".join(dict.fromkeys(values)) for slot, values in slots.items()} if accepted else {}
    return Understood("accept" if accepted else "reject", text, confidence, found)


def _confidence(rejection: Rejection, score: float) -> float:
    exponent = -(rejection.scale * score + rejection.offset)
    return 0.0 if exponent > 700 else 1 / (1 + math.exp(exponent))
