"""What a page says aloud: sentences by their ids, as one sound file, where a voice is installed."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response, abort

from pikvani_device.web.catalogue import LOCALES
from pikvani_device.web.desk import Desk
from pikvani_device.web.prompts import words_of

MAX_SENTENCES = 40
_KINDS = ((b"RIFF", "audio/wav"), (b"OggS", "audio/ogg"), (b"fLaC", "audio/flac"), (b"ID3", "audio/mpeg"))
_DAY_S = 86_400


def speech_path(locale: str, prompt_ids: list[str] | tuple[str, ...]) -> str:
    """Address of the sound of some sentences, in their order."""
    return f"/speech/{locale}/" + "+".join(quote(prompt, safe="") for prompt in prompt_ids[:MAX_SENTENCES])


def blueprint(desk: Desk) -> Blueprint:
    """The sounds."""
    sounds = Blueprint("sounds", __name__)

    @sounds.get("/speech/<locale>/<path:prompts>")
    def speech(locale: str, prompts: str) -> Response:
        ids = [prompt for prompt in prompts.split("+") if prompt]
        if locale not in LOCALES or not 1 <= len(ids) <= MAX_SENTENCES:
            abort(404)
        sentences = [(prompt, words_of(desk, locale, prompt)) for prompt in ids]
        known = [(prompt, words) for prompt, words in sentences if words]
        sound = desk.device.spoken(locale, known) if len(known) == len(ids) else None
        if sound is None:
            abort(404)
        kind = next((kind for head, kind in _KINDS if sound.startswith(head)), "audio/mpeg")
        response = Response(sound, content_type=kind)
        response.headers["Cache-Control"] = f"private, max-age={_DAY_S}"
        return response

    return sounds
