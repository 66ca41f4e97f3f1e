"""The slip from the printer, the soil beside a case, and the things on the technician's page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from flask.testing import FlaskClient

from pikvani_device.adapters.serial_things import ReceiptPrinter
from pikvani_device.app import Device
from pikvani_device.ports import SoilReading
from pikvani_device.web import create_app
from pikvani_device.web.catalogue import LOCALES, say
from pikvani_device.web.pin import Pin
from pikvani_device.web.printing import slip_lines

from .conftest import PHONE, ROWS, device_at

THINGS = "\n".join(f'[{name}]\nadapter = "fake"' for name in ("modem", "soil", "printer"))


@pytest.fixture
def device(tmp_path: Path, sample_package: Path):
    device = device_at(tmp_path, sample_package, THINGS)
    device.instruments.step()
    yield device
    device.close()


@pytest.fixture
def client(device: Device) -> FlaskClient:
    return create_app(device).test_client()


@pytest.fixture
def printer(device: Device) -> ReceiptPrinter:
    thing = device.instruments.printer._line.thing  # type: ignore[attr-defined]
    assert isinstance(thing, ReceiptPrinter)
    return thing


def answered(client: FlaskClient, **more: object) -> None:
    client.get("/language/mr-IN", **more)
    client.post("/crop", data={"crop": "cotton"}, **more)
    client.post("/camera/shoot", **more)
    client.post("/symptoms", data={}, **more)


def test_given_an_answer_then_the_kiosk_prints_it_and_says_where_to_take_it(
    client: FlaskClient, printer: ReceiptPrinter, advised: None
) -> None:
    answered(client)
    assert 'action="/answer/slip"' in client.get("/answer/take").text
    assert client.post("/answer/slip").headers["Location"] == "/answer/take"
    assert say("slip_printed", "mr-IN") in client.get("/answer/take").text
    (slip,) = printer.slips
    assert slip.shape[1] == 384 and slip.shape[0] > 600 and 0.02 < float(np.mean(slip)) < 0.4


def test_given_no_paper_then_the_farmer_is_told_in_words_and_has_the_code(
    client: FlaskClient, device: Device, printer: ReceiptPrinter, advised: None
) -> None:
    printer.paper = False
    answered(client)
    client.post("/answer/slip")
    page = client.get("/answer/take").text
    assert say("printer_gone", "mr-IN") in page and "/answer/qr.svg" in page
    assert "no paper" in device.health.missing()["printer"]
    printer.paper = True
    client.post("/answer/slip")
    assert len(printer.slips) == 1 and not device.health.missing()


def test_given_a_phone_or_nobody_then_no_paper_is_spent(
    client: FlaskClient, printer: ReceiptPrinter, advised: None
) -> None:
    assert client.post("/answer/slip").headers["Location"] == "/"
    answered(client)
    phone = client.application.test_client()
    phone.get("/language/mr-IN", **PHONE)
    assert phone.post("/answer/slip", **PHONE).status_code in (302, 303)
    assert printer.slips == []


def test_given_a_device_without_a_printer_then_the_page_offers_the_browsers_own(
    tmp_path: Path, sample_package: Path
) -> None:
    device = device_at(tmp_path, sample_package)
    client = create_app(device).test_client()
    answered(client)
    page = client.get("/answer/take").text
    assert "/answer/slip" not in page and "/answer/print" in page
    assert client.post("/answer/slip").status_code == 404
    device.close()


@pytest.mark.parametrize("locale", LOCALES)
def test_given_advice_then_every_sentence_is_on_the_slip_with_its_source_and_who_has_not_read_it(locale: str) -> None:
    said = SimpleNamespace(decision="answer", condition="cotton/leaf_curl_virus", confidence=0.95, reason="")
    told = SimpleNamespace(
        stages=("today", "this_week", "avoid"), of=lambda stage: [row for row in ROWS if row.stage == stage]
    )
    lines = slip_lines(said, told, SoilReading(31.2, 26.5, 840), datetime(2026, 11, 25, tzinfo=UTC), locale)  # type: ignore[arg-type]
    text = "\n".join(line.text for line in lines)
    for row in ROWS:
        after = text[text.index(row.text) :].splitlines()[1]
        assert row.source in after and row.page in after
        assert (say("not_reviewed", locale) in after) != row.reviewed
    assert "1800-180-1551" in text and "840" in text and say("title", locale) in text


def test_given_a_probe_then_cases_carry_the_soil_of_their_time_on_page_and_api(
    client: FlaskClient, device: Device, advised: None
) -> None:
    answered(client)
    case = client.get("/api/v1/cases").json["cases"][0]
    assert case["soil"] == {"moisture_percent": 31.2, "temperature_c": 26.5, "ec_us_cm": 840}
    Pin(device.store, device.clock.now).set("270391")
    client.post("/service/enter", data={"pin": "270391"})
    page = client.get("/service/").text
    assert "Airtel, -79 dBm" in page and page.count("840 µS/cm") == 2


def test_given_things_then_healthz_says_what_they_said(client: FlaskClient) -> None:
    said = client.get("/healthz").json["instruments"]
    assert said["modem"]["operator"] == "Airtel" and set(said) == {"modem", "soil", "printer"}
