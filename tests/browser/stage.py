"""A device for the browser to meet: real pages on a real socket, drawn leaves, and decisions, sound and ears by order.

The model's own answers are no subject here; what the pages do with each kind of answer is.
"""

from __future__ import annotations

import dataclasses
import io
import shutil
import threading
import wave
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
from tests.support.enrolling import TestCentre, quick_store
from waitress import create_server

from pikvani_contract import cards, enrolment
from pikvani_contract.enrolment import Answer, Request
from pikvani_device.app import Device
from pikvani_device.app.enrolment import EnrolmentRoom
from pikvani_device.config import parse_config
from pikvani_device.diagnosis.advice import Advice, Sentence
from pikvani_device.errors import CameraError
from pikvani_device.voice.recognition import Understood
from pikvani_device.web import create_app
from pikvani_device.web.pin import Pin

PIN = "270391"
KIOSK, PHONE = "127.0.0.1", "127.0.0.2"
"""Addresses of the same pages: by its own loopback address a browser is the kiosk, by any other it is a phone."""
_WORDS = {
    "mr-IN": "रोगट पाने काढून शेताबाहेर नष्ट करा. ओल्या पिकात काम करू नका; हत्यारे स्वच्छ धुवा.",
    "hi-IN": "रोगी पत्तियाँ तोड़कर खेत से बाहर नष्ट करें. गीली फ़सल में काम न करें; औज़ार साफ़ धोएँ.",
    "en-IN": "Take the sick leaves off and destroy them outside the field. Do not work in a wet crop; wash your tools.",
}
STAGES = ("today", "this_week", "avoid", "next_season", "about")


def silence(seconds: float = 0.05) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * int(8_000 * seconds)))
    return out.getvalue()


def advice(label: str, locale: str) -> Advice:
    """Two sentences a stage, as long as the longest of the table."""
    sentences = tuple(
        Sentence(f"{label}:{stage}:{n}", stage, _WORDS[locale], "ICAR: e-course PATH 272", "", "2024", n == 1)
        for stage in STAGES
        for n in range(2)
    )
    return Advice(label, locale, sentences, False)


class Stage:
    """One device on one port.

    Args:
        folder: for its data.
    """

    def __init__(self, folder: Path) -> None:
        self._store = quick_store(folder / "centre.sqlite3")
        self._centre = TestCentre(self._store, folder / "authorities")
        self._identity = folder / "identity"
        (self._card,) = self._centre.cards()
        authorities = folder / "authorities" / "centre"
        trust = folder / "trust.pem"
        trust.write_bytes((authorities / "root.pem").read_bytes() + (authorities / "pune.pem").read_bytes())
        text = (
            f'[device]\nid = "{self._card.device}"\ndata_dir = "{folder / "data"}"\n'
            '[runtime]\nadapter = "fake"\n[camera]\nadapter = "drawn"\nseed = 3\n'
            '[web]\nwifi_name = "Pikvani Wadi"\nwifi_password = "pik-pani-12"\n'
            '[privacy]\ncontact = "Sunita Pawar, 02112 000000"\n'
            f'[enrolment]\ndir = "{self._identity}"\ntrust = "{trust}"\nsticks = ""\n'
        )
        self.device = Device(parse_config(text.encode(), "stage"))
        self.spoken: list[tuple[str, tuple[str, ...]]] = []
        self._voice = SimpleNamespace(
            decoder=SimpleNamespace(decode=lambda data, name: np.zeros(1_600, np.float32)),
            ear=self._ear,
            close=lambda: None,
        )
        self._hear: Callable[[], dict[str, str]] = dict
        self.trouble = ""
        self._real = self.device.diagnose
        self.device.advice = advice  # type: ignore[method-assign]
        self.device.__dict__["voice"] = self._voice
        self.forgive()
        self.decide("answer")
        self.sound(True)
        self.enrol("waiting")
        app = create_app(self.device)
        self.routes = app.url_map
        kiosk = create_server(app, host=KIOSK, port=0, threads=6)
        self.port = int(kiosk.effective_port)
        self._servers = [kiosk, create_server(app, host=PHONE, port=self.port, threads=4)]
        self._threads = [threading.Thread(target=server.run, daemon=True) for server in self._servers]
        for thread in self._threads:
            thread.start()

    def decide(self, decision: str, reason: str = "", condition: str = "") -> None:
        """What the model decides from now on; within the crop that was picked."""

        def diagnose(files, crop=None, symptoms=(), front=False):
            said, photos = self._real(files, crop, symptoms, front)
            label = condition or next(
                (name for name in self.device.package.manifest.labels if name.startswith(f"{crop or 'cotton'}/")), ""
            )
            changed = dataclasses.replace(
                said, decision=decision, reason=reason, confidence=0.92, condition=label, crop=label.split("/")[0]
            )
            return changed, photos

        self.device.diagnose = diagnose  # type: ignore[method-assign]

    def sound(self, on: bool) -> None:
        """Whether a voice is installed."""

        def spoken(locale: str, sentences) -> bytes | None:
            self.spoken.append((locale, tuple(name for name, _ in sentences)))
            return silence() if on else None

        self.device.spoken = spoken  # type: ignore[method-assign]

    def hear(self, understood: Callable[[], dict[str, str]]) -> None:
        """What the ear understands at the next notes; an empty answer is a note it did not understand."""
        self._hear = understood

    def camera(self, works: bool) -> None:
        """Unplug the camera or plug it in; the device lets one go that failed and opens it anew."""

        def gone():
            raise CameraError("unplugged")

        self.device.__dict__.pop("camera", None)
        if not works:
            self.device.camera.capture = gone  # type: ignore[method-assign]

    def _ear(self, language: str, phrases: object = None) -> SimpleNamespace:
        def listen(samples: object) -> SimpleNamespace:
            slots = self._hear()
            understood = Understood("accept" if slots else "reject", "", 0.9, slots)
            return SimpleNamespace(understood=understood, sound=SimpleNamespace(trouble=self.trouble))

        return SimpleNamespace(listen=listen)

    def forgive(self) -> None:
        """Set the technician's PIN anew: no miss is remembered."""
        Pin(self.device.store, self.device.clock.now).set(PIN)

    def enrol(self, state: str) -> None:
        """How the device stands with the centre: `waiting`, `refused` or `enrolled`."""
        kept = self._identity.with_name("enrolled")
        shutil.rmtree(self._identity, ignore_errors=True)
        if state == "enrolled" and kept.exists():  # a card asks once
            shutil.copytree(kept, self._identity, symlinks=True)
        self._identity.with_name("card.json").write_bytes(cards.as_json(self._card))
        self.device.__dict__["enrolment"] = room = EnrolmentRoom(self.device)
        text = room.request_text()
        if not text or state == "waiting":
            return
        asked = enrolment.from_text(text, Request)
        answer = Answer(enrolment.SCHEMA, asked.device, enrolment.digest(asked), b"", [], reason="claim_used")
        room.take_text(enrolment.as_text(self._centre.ask(asked) if state == "enrolled" else answer))
        if state == "enrolled":
            shutil.copytree(self._identity, kept, symlinks=True)

    def printer(self, there: bool) -> None:
        """Whether a printer of slips stands beside the kiosk; it prints on nothing."""
        config = self.device.config
        fitted = msgspec.structs.replace(config.printer, adapter="escpos" if there else "none")
        self.device.config = msgspec.structs.replace(config, printer=fitted)
        self.device.instruments.print = lambda slip: None  # type: ignore[method-assign]

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for thread in self._threads:
            thread.join(10)
        self.device.close()
        self._store.close()
