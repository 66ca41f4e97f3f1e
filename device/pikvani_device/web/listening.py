"""Voice notes: what was heard fills in what a touch would have, is read back, and waits for a yes.

Nothing is only to be had by voice. After two notes that were not understood the page asks for a touch.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from pikvani_contract.speech.phones import Language
from pikvani_device.diagnosis.symptoms import pictures_of
from pikvani_device.errors import ModelError, RuntimeAdapterError, SpeechError
from pikvani_device.voice.clips import MAX_BYTES
from pikvani_device.voice.notes import pcm_of
from pikvani_device.voice.vocabulary import vocabulary
from pikvani_device.web.answering import think
from pikvani_device.web.capture import take_photo
from pikvani_device.web.desk import BusyError, Desk, to_start
from pikvani_device.web.page import page
from pikvani_device.web.road import SYMPTOM_PICTURES
from pikvani_device.web.visits import Visit

PAGES = {
    "crop": "road.crop",
    "camera": "capture.camera",
    "symptoms": "road.symptoms",
    "answer": "answering.answer",
    "confirm": "listening.confirm",
}
"""Pages that listen."""
_EXPECTED = {
    "crop": ("crop", "command", "answer"),
    "camera": ("command", "answer"),
    "symptoms": ("symptom", "command", "answer"),
    "answer": ("command", "answer"),
    "confirm": ("crop", "command", "answer"),
}
_BEFORE = {"crop": "road.start", "camera": "road.crop", "symptoms": "capture.camera", "answer": "capture.camera"}
_MISSES = 2
_TROUBLES = {"silent": "sound_silent", "clipped": "sound_clipped", "noisy": "sound_noisy"}
"""What is told of a note that sounds wrong, by `Sound.trouble`."""

Slots = Mapping[str, str]


def blueprint(desk: Desk) -> Blueprint:
    """Recording, understanding and confirming."""
    listening = Blueprint("listening", __name__)

    @listening.get("/listen")
    def listen() -> str | AnyResponse:
        at = request.args.get("at", "")
        if desk.visit() is None or at not in PAGES:
            return to_start()
        hint = {"crop": "speak_crop_hint", "symptoms": "speak_symptom_hint"}.get(at, "speak_answer_hint")
        return page(desk, "listen.html", ["speak_ask"], back=url_for(PAGES[at]), at=at, hint=hint)

    @listening.post("/voice")
    def voice() -> AnyResponse:
        visit = desk.visit()
        at = request.form.get("at", "")
        if visit is None:
            return to_start()
        if at not in PAGES:
            abort(400)
        note = request.files.get("note")
        data = note.stream.read(MAX_BYTES + 1) if note else b""
        try:
            with desk.room_for_work():
                slots, trouble = understand(desk, data, at, visit.locale)
        except SpeechError:
            slots, trouble = {}, "note_unreadable"
        except (ModelError, RuntimeAdapterError):
            visit.told = "voice_missing"
            return redirect(url_for(PAGES[at]), 303)
        except BusyError:
            visit.told = "busy"
            return redirect(url_for(PAGES[at]), 303)
        return _follow(desk, visit, at, slots) or _missed(visit, at, trouble)

    @listening.get("/confirm")
    def confirm() -> str | AnyResponse:
        visit = desk.visit()
        if visit is None or visit.heard is None:
            return to_start() if visit is None else redirect(url_for("road.crop"))
        slot, values, at = visit.heard
        prefix = "crop" if slot == "crop" else "symptom"
        ids = [f"{prefix}.{value}" if value else "any_crop" for value in values] or ["symptom.unknown"]
        return page(
            desk,
            "confirm.html",
            [*ids, "confirm_ask"],
            back=url_for(PAGES[at]),
            listens="confirm",
            slot=slot,
            values=values,
            pictures=SYMPTOM_PICTURES,
        )

    @listening.post("/confirm")
    def confirmed() -> AnyResponse:
        visit = desk.visit()
        if visit is None:
            return to_start()
        return _confirm(desk, visit, request.form.get("answer") == "yes")

    return listening


def understand(desk: Desk, data: bytes, at: str, locale: str) -> tuple[Slots, str]:
    """The slots of a voice note said on a page, empty where it was not understood; and what to tell of its sound.

    Raises:
        SpeechError: the note is no sound.
        DeviceError: nothing here can listen.
    """
    language: Language = "hi" if locale == "hi-IN" else "mr"
    room = desk.device.voice
    samples = room.decoder.decode(data, "note")
    if at == "symptoms" and (visit := desk.visit()) is not None:
        visit.add_note(pcm_of(samples))
    # On the page of symptoms farmers say sentences; elsewhere one of a few words is expected.
    expected = None if at == "symptoms" else [p for p in vocabulary(language) if p.slot in _EXPECTED[at]]
    listened = room.ear(language, expected).listen(samples)
    understood, trouble = listened.understood, _TROUBLES.get(listened.sound.trouble, "")
    return understood.slots if understood.decision == "accept" else {}, trouble


def _follow(desk: Desk, visit: Visit, at: str, slots: Slots) -> AnyResponse | None:
    """Where what was said leads; None where it says nothing on this page."""
    command, said = slots.get("command", ""), slots.get("answer", "")
    crop = slots.get("crop", "").removeprefix("crop_").split(",")[0]
    pictures = pictures_of(slots.get("symptom", "").split(","))
    there: AnyResponse | None = None
    if command == "ans_help":
        there = redirect(url_for("road.help_page"), 303)
    elif command == "ans_stop":
        there = redirect(url_for("road.end"), 303)
    elif command == "ans_repeat":
        there = redirect(url_for(PAGES[at]), 303)
    elif command == "ans_back":
        before = _BEFORE.get(at) or (PAGES[visit.heard[2]] if visit.heard else "road.crop")
        there = redirect(url_for(before), 303)
    elif at in ("crop", "confirm") and crop in desk.device.package.manifest.crops:
        there = _ask(visit, "crop", (crop,), "crop")
    elif at == "crop" and said == "ans_dont_know":
        there = _ask(visit, "crop", ("",), "crop")
    elif at == "symptoms" and pictures:
        there = _ask(visit, "symptoms", tuple(sorted(pictures)), "symptoms")
    elif at == "symptoms" and (said in ("ans_dont_know", "ans_no") or command == "ans_next"):
        visit.symptoms = frozenset()
        there = think(desk, visit)
    elif at == "camera" and command == "ans_next" and visit.shots:
        there = redirect(url_for("road.symptoms"), 303)
    elif at == "camera" and (said == "ans_yes" or command == "ans_next") and desk.live_camera:
        there = take_photo(desk, visit)
    elif at == "answer" and command in ("ans_next", "ans_more"):
        there = redirect(url_for("answering.take"), 303)
    elif at == "confirm" and said in ("ans_yes", "ans_no"):
        there = _confirm(desk, visit, said == "ans_yes")
    if there is not None:
        visit.misses = 0
    return there


def _ask(visit: Visit, slot: str, values: tuple[str, ...], at: str) -> AnyResponse:
    visit.heard = (slot, values, at)
    return redirect(url_for("listening.confirm"), 303)


def _confirm(desk: Desk, visit: Visit, yes: bool) -> AnyResponse:
    if visit.heard is None:
        return redirect(url_for("road.crop"), 303)
    (slot, values, at), visit.heard = visit.heard, None
    if not yes:
        return redirect(url_for(PAGES[at]), 303)
    if slot == "symptoms":
        visit.symptoms = frozenset(values)
        return think(desk, visit)
    visit.next_leaf()
    visit.crop, visit.asked, visit.returning = values[0] or None, True, False
    return redirect(url_for("capture.camera"), 303)


def _missed(visit: Visit, at: str, trouble: str) -> AnyResponse:
    visit.misses += 1
    visit.told = "touch_instead" if visit.misses >= _MISSES else trouble or "not_understood"
    return redirect(url_for(PAGES[at]), 303)
