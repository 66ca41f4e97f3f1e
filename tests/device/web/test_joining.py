"""The kiosk's page of the centre: one QR code out, one back, and what is told after each."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno
from flask.testing import FlaskClient
from tests.support.enrolling import TestCentre, quick_store

from pikvani_contract import cards, enrolment
from pikvani_contract.enrolment import Answer, Request
from pikvani_device.app import Device
from pikvani_device.app.enrolment import keep_enrolled, read_code
from pikvani_device.web import create_app, joining
from pikvani_device.web.catalogue import LOCALES, say

from .conftest import PHONE, device_at


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[TestCentre]:
    store = quick_store(tmp_path / "centre.sqlite3")
    yield TestCentre(store, tmp_path / "authorities")
    store.close()


@pytest.fixture
def device(tmp_path: Path, sample_package: Path, centre: TestCentre) -> Iterator[Device]:
    (card,) = centre.cards()
    (tmp_path / "card.json").write_bytes(cards.as_json(card))
    trust = tmp_path / "trust.pem"
    folder = tmp_path / "authorities" / "centre"
    trust.write_bytes((folder / "root.pem").read_bytes() + (folder / "pune.pem").read_bytes())
    enrol = f'[enrolment]\ndir = "{tmp_path / "identity"}"\ntrust = "{trust}"\nsticks = ""\n'
    made = device_at(tmp_path, sample_package, enrol, name=card.device)

    yield made
    made.close()


@pytest.fixture
def enrolling(device: Device) -> Iterator[None]:
    """The part of the appliance that alone makes requests and installs answers."""
    stop = threading.Event()
    thread = threading.Thread(target=keep_enrolled, args=(device.enrolment, stop, lambda: None))
    thread.start()
    for _ in range(1_200):  # a machine with much else to do takes its time
        if device.enrolment.waiting_text():
            break
        stop.wait(0.05)
    yield
    stop.set()
    thread.join()


@pytest.fixture
def client(device: Device) -> FlaskClient:
    return create_app(device).test_client()


def answered(centre: TestCentre, text: str) -> str:
    return enrolment.as_text(centre.ask(enrolment.from_text(text, Request)))


def on_a_screen(text: str) -> np.ndarray:
    """A photograph of a screen that shows a code."""
    out = io.BytesIO()
    segno.make(text, error="l", micro=False, boost_error=False).save(out, kind="png", scale=6, border=4)
    grey = cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_GRAYSCALE)
    framed = np.full((grey.shape[0] + 120, grey.shape[1] + 200), 90, np.uint8)
    framed[60 : 60 + grey.shape[0], 100 : 100 + grey.shape[1]] = grey
    return cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB)


def test_given_many_codes_on_a_screen_then_each_is_read() -> None:
    rng = np.random.default_rng(4)
    for _ in range(60):
        text = "PIKVANI1:" + base64.b32encode(rng.bytes(300)).decode().rstrip("=")
        assert read_code(on_a_screen(text)) == text


@pytest.mark.usefixtures("enrolling")
def test_given_the_kiosks_code_when_its_answer_is_held_before_the_camera_then_the_device_is_certified(
    device: Device, client: FlaskClient, centre: TestCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say("centre.waiting", "mr-IN") in client.get("/centre/").text
    drawn = client.get("/centre/request.svg")
    assert drawn.content_type == "image/svg+xml"
    text = device.enrolment.waiting_text()
    assert read_code(on_a_screen(text)) == text, "the technician's laptop can read what the kiosk shows"
    answer = answered(centre, text)
    monkeypatch.setattr(device.camera, "capture", lambda: on_a_screen(answer))
    monkeypatch.setattr(joining, "_TAKEN_S", 60.0)  # what is told is asked here, not how fast
    monkeypatch.setattr(joining, "SCAN_S", 60.0)
    assert say("centre.certified", "mr-IN") in client.post("/centre/scan").text
    assert device.enrolment.status()["state"] == "enrolled"
    assert client.get("/centre/request.svg").status_code == 404, "nothing is asked any more"


@pytest.mark.usefixtures("enrolling")
def test_given_an_answer_pasted_from_a_phone_then_it_is_taken_and_anothers_is_not(
    device: Device, client: FlaskClient, centre: TestCentre
) -> None:
    mine = answered(centre, device.enrolment.waiting_text())
    stranger = enrolment.as_text(Answer(enrolment.SCHEMA, "pune-b1-0009", b"\0" * 32, b"", []))
    monkey = client.post("/centre/answer", data={"text": "hello"}, **PHONE).text
    assert say("centre.not_for_us", "mr-IN") in monkey
    joining._TAKEN_S, kept = 2.5, joining._TAKEN_S
    try:
        assert say("centre.not_for_us", "mr-IN") in client.post("/centre/answer", data={"text": stranger}, **PHONE).text
    finally:
        joining._TAKEN_S = kept
    assert say("centre.certified", "mr-IN") in client.post("/centre/answer", data={"text": mine}, **PHONE).text


@pytest.mark.usefixtures("enrolling")
def test_given_a_refusal_then_every_language_says_what_to_do(
    device: Device, client: FlaskClient, centre: TestCentre
) -> None:
    request = enrolment.from_text(device.enrolment.waiting_text(), Request)
    refused = Answer(enrolment.SCHEMA, request.device, enrolment.digest(request), b"", [], reason="claim_used")
    client.post("/centre/answer", data={"text": enrolment.as_text(refused)})
    for locale in LOCALES:
        assert say("centre.ask_a_person", locale) in client.get(f"/centre/?locale={locale}").text


def test_given_every_reason_of_the_centre_then_there_is_a_sentence_for_it() -> None:
    assert {joining.reason_sentence(reason) for reason in enrolment.REASONS} == {
        "centre.new_card",
        "centre.ask_a_person",
        "centre.try_again",
    }


def test_given_a_phone_or_a_stranger_then_the_camera_is_not_theirs(client: FlaskClient) -> None:
    assert client.post("/centre/scan", **PHONE).status_code == 403
    away = {"environ_overrides": {"REMOTE_ADDR": "203.0.113.5"}}
    assert client.get("/centre/", **away).status_code == 403
