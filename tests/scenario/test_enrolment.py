"""From a card to a certified device and to its end, on real processes: stick, Mosquitto, renewal, revocation."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.support import mosquitto
from tests.support.enrolling import TestCard
from tests.support.whole_centre import Centre, wait_for

from pikvani_contract import cards, topics
from pikvani_contract.samples import case_body
from pikvani_device.adapters.broker_paho import PahoBroker, TlsFiles
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.store import open_store as open_device_store
from pikvani_device.sync.publisher import offline_status
from pikvani_provision.carrying import ask_centre
from pikvani_server.enrolment import queries
from pikvani_server.store import open_store

pytestmark = pytest.mark.needs_mosquitto
DEVICE = "pune-b1-0001"


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    if mosquitto.MISSING:
        pytest.skip(mosquitto.MISSING)
    found = Centre(tmp_path)
    yield found
    found.stop()


def test_given_a_card_when_a_stick_carries_its_request_then_it_lives_renews_and_can_be_cut_off(
    centre: Centre, tmp_path: Path
) -> None:
    # Given a batch, entered at the centre, and one of its cards in a device that was never online.
    batch, place, stick = tmp_path / "batch", tmp_path / "device", tmp_path / "media" / "usb" / "pikvani-enrol"
    centre.command("provision", "claims", "make", "--batch", "b1", "--count", 2, "--district", "pune", "--out", batch)
    centre.command("server", "enrolment", "add-batch", batch / "batch.json", "--config", centre.config)
    centre.start("server", "run", "--config", centre.config)
    place.mkdir()
    centre.command("provision", "claims", "place", batch / "cards" / f"{DEVICE}.json", "--onto", place)
    config = tmp_path / "device.toml"
    config.write_text(
        f"""\
[device]
id = "{DEVICE}"
data_dir = "{place / "data"}"
[sync]
host = "127.0.0.1"
port = {centre.device_port}
max_batch_age_s = 0.2
receipt_timeout_s = 2
[enrolment]
dir = "{place / "identity"}"
trust = "{centre.trust}"
sticks = "{tmp_path / "media"}"
"""
    )
    centre.start("device", "--config", config, "run", "--part", "sync")
    centre.start("device", "--config", config, "run", "--part", "enrol")
    store = open_device_store(place / "data" / "device.sqlite3", LinuxClock())
    rng = random.Random(1)
    store.record_case(case_body(rng))

    def status() -> dict[str, Any]:
        return json.loads(centre.command("device", "--config", config, "enrol", "status", "--json"))

    assert status()["state"] == "waiting" and store.waiting()

    # When a stick is put in, carried to where there is a link, and back.
    stick.mkdir(parents=True)
    wait_for((stick / f"{DEVICE}.pkvq").exists, "the request lies on the stick")
    carry = ["provision", "enrol", "--requests", stick.parent, "--offline-queue", tmp_path / "queue"]
    assert "1 wait for the centre" in centre.command(*carry)
    centre.start("server", "enrolment", "web", "--config", centre.config, "--workers", 1, ready=False)
    online = [*carry, "--centre", f"https://127.0.0.1:{centre.enrol_port}", "--ca", tmp_path / "ca" / "root.pem"]

    def carried() -> bool:
        return (
            "cannot be reached"
            not in subprocess.run(
                [sys.executable, "-m", "pikvani_provision.cli", *map(str, online[1:])], capture_output=True, text=True
            ).stderr
        )

    wait_for(carried, "the laptop reaches the centre")

    # Then the device is certified, links up by itself, and its case is committed.
    wait_for(lambda: not store.waiting(), "the case is committed at the centre")
    at_centre = open_store(f"sqlite:///{tmp_path / 'data' / 'centre.sqlite3'}")
    assert [row["device_id"] for row in at_centre.cases(10)] == [DEVICE]
    assert status()["state"] == "enrolled"
    assert not (stick / f"{DEVICE}.pkvq").exists(), "what was answered is cleared away"
    assert '"claim": ""' in (place / "card.json").read_text()
    wait_for(lambda: queries.devices(at_centre)[0]["confirmed_at"], "the centre heard it with its certificate")

    # And when it asks for the next certificate, the link carries request and answer, and the publisher follows.
    certificate = place / "identity" / "current" / "cert.pem"
    before = x509.load_pem_x509_certificate(certificate.read_bytes())
    centre.command("device", "--config", config, "enrol", "renew")
    wait_for(
        lambda: x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number != before.serial_number,
        "the next certificate is in use",
    )
    after = x509.load_pem_x509_certificate(certificate.read_bytes())
    assert after.public_key() != before.public_key()
    wait_for(
        lambda: queries.devices(at_centre)[0]["confirmed_at"] and queries.events(at_centre, "renewed"),
        "the centre heard it with the next certificate",
    )
    store.record_case(case_body(rng))
    wait_for(lambda: not store.waiting(), "it still delivers")
    assert not queries.suspected(at_centre)

    # And when it is stolen and revoked, the broker lets it in no more, and others as before.
    neighbour = other_device(centre, batch, tmp_path)
    told = centre.command("server", "enrolment", "revoke", DEVICE, "--reason", "stolen", "--config", centre.config)
    assert "the broker told" in told
    wait_for(lambda: centre.restarts == 1, "the broker was restarted")
    store.record_case(case_body(rng))
    log = tmp_path / "conf" / "mosquitto.log"
    wait_for(lambda: log.read_text().count("certificate verify failed") >= 2, "the broker refuses its certificate")
    neighbour.start((), lambda *_: None)
    wait_for(lambda: neighbour.connected, "its neighbour links up")
    neighbour.stop()
    # What it sent before stays, and what it holds does not arrive.
    assert store.waiting() and len(at_centre.cases(10)) == 2
    end = b"-----END X509 CRL-----\n"
    listed = x509.load_pem_x509_crl(centre.crl.read_bytes().split(end)[1] + end)
    assert {entry.serial_number for entry in listed} == {before.serial_number, after.serial_number}
    assert queries.devices(at_centre, state="revoked")[0]["device_id"] == DEVICE


def other_device(centre: Centre, batch: Path, tmp_path: Path) -> PahoBroker:
    """The second card of the batch, enrolled over HTTPS; its link, not started yet."""
    card = cards.read_card((batch / "cards" / "pune-b1-0002.json").read_bytes(), "card")
    asked = TestCard(card)
    answer = ask_centre(f"https://127.0.0.1:{centre.enrol_port}", tmp_path / "ca" / "root.pem", asked.request())
    asked.take(answer)
    found = [x509.load_der_x509_certificate(der) for der in (answer.certificate, *answer.chain)]
    cert, key = tmp_path / "neighbour.crt", tmp_path / "neighbour.key"
    cert.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in found))
    key.write_bytes(asked.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    will = (topics.device(card.device, topics.UP_STATUS), offline_status())
    return PahoBroker("127.0.0.1", centre.device_port, card.device, will, TlsFiles(centre.trust, cert, key))
