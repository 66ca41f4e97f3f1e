"""Consent after the answer: by purpose, nothing ticked, no child without a parent; and taking it back with a number."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from flask.testing import FlaskClient

from pikvani_contract.consent import Consent
from pikvani_contract.messages import Lane
from pikvani_device.app import Device
from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.voice.notes import encode_note, pcm_of
from pikvani_device.web import create_app
from pikvani_device.web.catalogue import say
from pikvani_device.web.pin import Pin
from pikvani_device.web.privacy import FREE_TRIES

from .conftest import PHONE, device_at, form
from .test_road import begin, to_answer

CONTACT = "Sunita Pawar, 02112 000000"


@pytest.fixture
def device(tmp_path: Path, sample_package: Path) -> Iterator[Device]:
    device = device_at(tmp_path, sample_package, f'[privacy]\ncontact = "{CONTACT}"\n')
    yield device
    device.close()


@pytest.fixture
def client(device: Device) -> FlaskClient:
    return create_app(device).test_client()


def lanes(device: Device) -> set[Lane]:
    return {outbox.lane for outbox in device.store.waiting()}


def allow(client: FlaskClient, *purposes: str, who: str = "self", **at) -> str:
    """Through both pages; the code."""
    assert client.post("/consent", data={"who": who}, **at).headers["Location"] == "/consent/purposes"
    client.post("/consent/purposes", data={"purpose": list(purposes)}, **at)
    found = re.search(r'data-code="(\d{8})"', client.get("/consent/code", **at).text)
    return found[1] if found else ""


def enter(client: FlaskClient, code: str, **at) -> str:
    for digit in code:
        where = client.post("/data", data={"digit": digit}, **at).headers["Location"]
    return where


def test_given_digits_that_are_touched_then_each_is_said_and_the_question_once(client: FlaskClient) -> None:
    begin(client)
    assert "/speech/mr-IN/data.code_ask" in client.get("/data").text
    client.post("/data", data={"digit": "4"})
    client.post("/data", data={"digit": "7"})
    page = client.get("/data").text
    assert "/speech/mr-IN/digit.7" in page and "data.code_ask" not in page


def test_given_no_named_contact_then_nobody_is_asked(tmp_path: Path, sample_package: Path) -> None:
    device = device_at(tmp_path, sample_package)
    client = create_app(device).test_client()
    to_answer(client)
    assert client.post("/answer/helpful", data={"helpful": "yes"}).headers["Location"] == "/answer"
    assert 'href="/consent"' not in client.get("/answer/take").text
    assert client.post("/consent", data={"who": "self"}).headers["Location"] == "/answer"
    device.close()


def test_given_an_answer_then_consent_is_offered_after_it_and_the_answer_does_not_depend_on_it(
    client: FlaskClient, device: Device
) -> None:
    assert "consent" not in to_answer(client)
    assert 'href="/consent"' in client.get("/answer/take").text
    assert client.post("/answer/helpful", data={"helpful": "yes"}).headers["Location"] == "/consent"
    client.post("/consent", data={"who": "self"})
    assert client.post("/consent/purposes", data={"purpose": "photo", "nothing": "1"}).headers["Location"] == "/answer"
    assert say("consent.nothing_told", "mr-IN") in client.get("/answer").text
    assert lanes(device) == {Lane.RESULT}


def test_given_the_purposes_then_none_is_ticked_the_contact_is_named_and_what_was_not_said_is_not_asked_for(
    client: FlaskClient, device: Device
) -> None:
    to_answer(client)
    client.post("/consent", data={"who": "self"})
    page = client.get("/consent/purposes").text
    assert re.findall(r'name="purpose" value="(\w+)"', page) == ["photo", "training"]
    assert "checked" not in page and CONTACT in page
    assert "consent.photo" in re.search(r'href="([^"]+)" data-speak data-auto', page)[1], "it is said aloud"  # type: ignore[index]
    client.post("/consent/purposes", data={"purpose": ["voice"]})
    assert lanes(device) == {Lane.RESULT}, "a purpose that was not asked for cannot be allowed"


def test_given_a_child_alone_then_nothing_leaves_and_with_a_parent_it_is_the_parents_yes(
    client: FlaskClient, device: Device
) -> None:
    to_answer(client)
    assert client.post("/consent", data={"who": "child"}).headers["Location"] == "/answer"
    assert client.get("/consent/purposes").headers["Location"] == "/answer"
    assert client.post("/consent/purposes", data={"purpose": "photo"}).headers["Location"] == "/answer"
    assert lanes(device) == {Lane.RESULT}
    code = allow(client, "photo", who="parent")
    case = device.privacy.find(code)
    given = device.privacy.given(case or "")
    assert given is not None and given.given_by == "parent"


def test_given_consent_to_the_photo_then_a_small_one_without_the_senders_name_waits_last_in_line(
    client: FlaskClient, device: Device
) -> None:
    exif = b"\xff\xe1" + (2 + 30).to_bytes(2, "big") + b"Exif\0\0Sitabai 18.5204N 73.8567E"[:30].ljust(30, b".")
    photo = drawn_jpeg(7)
    begin(client, **PHONE)
    client.post("/photos", data=form(photo[:2] + exif + photo[2:]), **PHONE)
    client.post("/symptoms", data={"symptom": "spots"}, **PHONE)
    allow(client, "photo", "training", **PHONE)
    assert lanes(device) == {Lane.RESULT, Lane.ALARM, Lane.BULK}
    for path in (device.data_dir).rglob("*"):
        assert not path.is_file() or b"Sitabai" not in path.read_bytes(), path
    given = device.privacy.given(device.latest_cases(1)[0].case_id)
    assert given is not None and given.purposes == Consent.PHOTO | Consent.TRAINING


def test_given_a_voice_note_and_consent_then_a_fresh_file_leaves_and_is_kept_as_long_as_configured(
    client: FlaskClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    tone = (0.3 * np.sin(np.arange(16_000) / 9)).astype(np.float32)
    monkeypatch.setattr(device.voice.decoder, "decode", lambda data, name: tone)
    begin(client)
    client.post("/camera/shoot")
    client.post("/voice", data={"at": "symptoms", "note": (io.BytesIO(b"x"), "n")})
    client.post("/symptoms", data={"symptom": "spots"})
    assert not (device.data_dir / "notes").exists(), "without a yes nothing of a voice is kept"
    allow(client, "voice")
    (note,) = (device.data_dir / "notes").glob("*.ogg")
    assert note.read_bytes()[:4] == b"OggS" and Lane.BULK in lanes(device)
    assert device.privacy.drop_old_notes() == 0
    moment = device.clock.now()
    later = msgspec.structs.replace(moment, wall_ms=moment.wall_ms + 31 * 86_400_000)
    monkeypatch.setattr(device.clock, "now", lambda: later)
    assert device.privacy.drop_old_notes() == 1 and not note.exists()


def test_given_a_minute_of_speech_then_its_file_is_small() -> None:
    speech = np.random.default_rng(1).normal(0, 0.05, 60 * 16_000).astype(np.float32)
    assert len(encode_note(pcm_of(speech))) < 200_000


def test_given_the_number_later_then_what_was_sent_can_be_taken_back_or_all_of_it(
    client: FlaskClient, device: Device
) -> None:
    to_answer(client)
    code = allow(client, "photo")
    client.get("/end")
    assert enter(client, code) == "/", "a visit that is over knows nothing"
    client.get("/data?locale=hi-IN")
    assert enter(client, code) == "/data/found"
    assert re.findall(r'name="what" value="(\w+)"', client.get("/data/found").text) == ["sent", "whole", "keep"]
    assert client.post("/data/found", data={"what": "sent"}).headers["Location"] == "/crop"
    assert Lane.BULK not in lanes(device) and len(device.latest_cases(5)) == 1
    assert enter(client, code) == "/data/found"
    assert re.findall(r'name="what" value="(\w+)"', client.get("/data/found").text) == ["whole", "keep"]
    client.post("/data/found", data={"what": "whole"})
    assert device.latest_cases(5) == [] and not list((device.data_dir / "photos").iterdir())
    assert say("data.done", "hi-IN") in client.get("/crop").text
    assert enter(client, code) == "/data"


def test_given_an_answer_without_any_consent_then_it_can_be_erased_at_once(client: FlaskClient, device: Device) -> None:
    to_answer(client)
    client.get("/consent")
    client.post("/data/found", data={"what": "whole"})
    assert device.latest_cases(5) == []
    assert client.get("/answer").headers["Location"] == "/camera", "nothing of it is on the screen either"


def test_given_guesses_then_numbers_are_not_tried_for_a_while_and_the_network_does_not_lock_the_kiosk(
    client: FlaskClient, device: Device
) -> None:
    to_answer(client)
    code = allow(client, "photo")
    phone = client.application.test_client()
    phone.get("/data", **PHONE)
    wrong = "0" * 8 if code != "0" * 8 else "1" * 8
    for _ in range(FREE_TRIES):
        assert enter(phone, wrong, **PHONE) == "/data"
    assert enter(phone, code, **PHONE) == "/data"
    assert say("data.wait", "mr-IN") in phone.get("/data", **PHONE).text
    assert enter(client, code) == "/data/found"


def test_given_the_technician_then_the_service_page_tells_and_erases(client: FlaskClient, device: Device) -> None:
    to_answer(client)
    code = allow(client, "photo")
    Pin(device.store, device.clock.now).set("270391")
    assert client.post("/service/erase", data={"which": code, "what": "whole"}).headers["Location"] == "/service/"
    client.post("/service/enter", data={"pin": "270391"})
    assert CONTACT in client.get("/service/").text
    assert say("data.unknown", "mr-IN") in client.post("/service/erase", data={"which": "nobody", "what": "whole"}).text
    assert client.post("/service/erase", data={"which": code, "what": "nothing"}).status_code == 400
    case = device.latest_cases(1)[0].case_id
    assert say("data.done", "mr-IN") in client.post("/service/erase", data={"which": case, "what": "whole"}).text
    assert device.latest_cases(5) == []


def test_given_pages_out_of_turn_then_each_leads_back_to_where_it_makes_sense(client: FlaskClient) -> None:
    for path in ("/consent", "/consent/purposes", "/consent/code", "/data/found"):
        assert client.get(path).headers["Location"] == "/"
    begin(client)
    assert client.get("/consent").headers["Location"] == "/answer"
    assert client.get("/consent/code").headers["Location"] == "/crop"
    assert client.get("/data/found").headers["Location"] == "/data"
    assert client.post("/data", data={"digit": "x"}).status_code == 400
