"""A key that never leaves its chip: SoftHSM2 stands for the TPM, everything else is the real thing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support import mosquitto
from tests.support.enrolling import TestCentre, quick_store
from tests.support.mosquitto import Mosquitto, free_port

from pikvani_contract import cards, certificates
from pikvani_device.enrolment.folder import IdentityFolder
from pikvani_device.enrolment.identity import Identity
from pikvani_device.enrolment.keys import FileKeys
from pikvani_device.errors import DeviceError
from pikvani_device.ports import Keys
from pikvani_provision.authority import key_pem

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
pytestmark = pytest.mark.skipif(not Path(MODULE).exists(), reason="SoftHSM2 is not installed: apt-get install softhsm2")

_CONF = "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A token, and the file of its PIN. One a process: the library reads its configuration once."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(_CONF.format(folder / "tokens"))
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    pin = folder / "pin"
    pin.write_text("271828\n")
    words = ["softhsm2-util", "--init-token", "--free", "--label", "pikvani", "--pin", "271828", "--so-pin", "314159"]
    subprocess.run(words, check=True, capture_output=True)
    yield pin
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def chip(token: Path) -> Keys:
    from pikvani_device.adapters.key_pkcs11 import Pkcs11Keys

    return Pkcs11Keys(MODULE, "pikvani", str(token))


@pytest.fixture(params=["file", "chip"])
def keys(request: pytest.FixtureRequest) -> Keys:
    return FileKeys() if request.param == "file" else chip(request.getfixturevalue("token"))


# -- every place for keys -----------------------------------------------------------------------------------------


def test_given_a_key_then_it_signs_what_its_public_half_verifies_also_after_it_was_loaded_again(keys: Keys) -> None:
    key = keys.new()
    again = keys.load(keys.reference(key))
    signature = again.sign(b"a leaf", ec.ECDSA(hashes.SHA256()))
    key.public_key().verify(signature, b"a leaf", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, b"another", ec.ECDSA(hashes.SHA256()))
    assert isinstance(key.curve, ec.SECP256R1)


def test_given_two_keys_then_they_are_two(keys: Keys) -> None:
    first, second = keys.new(), keys.new()
    assert first.public_key() != second.public_key() and keys.reference(first) != keys.reference(second)


@pytest.mark.parametrize(
    "reference", [b"", b"\xff\x00", b"pkcs11:token=other;object=x", b"-----BEGIN PRIVATE KEY-----"]
)
def test_given_a_damaged_reference_then_one_line_says_what_to_do(keys: Keys, reference: bytes) -> None:
    with pytest.raises(DeviceError, match="new card"):
        keys.load(reference)


def test_given_any_place_then_enrolment_and_renewal_go_the_same_way(keys: Keys, tmp_path: Path) -> None:
    centre = TestCentre(quick_store(tmp_path / "centre.sqlite3"), tmp_path / "authorities")
    (card,) = centre.cards()
    (tmp_path / "card.json").write_bytes(cards.as_json(card))
    trust = (tmp_path / "authorities/centre/root.pem").read_bytes()
    folder = IdentityFolder(tmp_path / "identity")
    identity = Identity(folder, card.device, tmp_path / "card.json", trust, b"board", keys)
    request = identity.wanted(None)
    assert request is not None and identity.take(centre.ask(request), 0)
    first = identity.certificate()
    centre.now += timedelta(days=61)
    renewal = identity.wanted(centre.now)
    assert renewal is not None and renewal.previous and identity.take(centre.ask(renewal, "mqtt"), 0)
    second = identity.certificate()
    assert first is not None and second is not None and first.public_key() != second.public_key()
    signing = identity.signing()
    assert signing is not None and signing[1].public_key() == second.public_key()
    centre.store.close()


# -- the chip -----------------------------------------------------------------------------------------------------


def test_given_a_chip_then_the_key_cannot_be_had_and_no_file_holds_it(token: Path) -> None:
    keys = chip(token)
    key = keys.new()
    for attempt in (key.private_numbers, lambda: key_pem(key, b"")):
        with pytest.raises(DeviceError, match="cannot leave"):
            attempt()
    assert keys.reference(key).startswith(b"pkcs11:token=pikvani;")


def test_given_old_keys_then_only_those_of_use_stay(token: Path) -> None:
    keys = chip(token)
    old, new = keys.new(), keys.new()
    keys.keep_only([keys.reference(new)])
    assert keys.load(keys.reference(new)).public_key() == new.public_key()
    with pytest.raises(DeviceError, match="not in token"):
        keys.load(keys.reference(old))


def test_given_another_pin_then_it_is_said(token: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "pin"
    wrong.write_text("000000")
    ask = (  # a process of its own: in this one somebody has shown the PIN already
        "import sys; from pikvani_device.adapters.key_pkcs11 import Pkcs11Keys; "
        f"Pkcs11Keys({MODULE!r}, 'pikvani', sys.argv[1]).new()"
    )
    done = subprocess.run([sys.executable, "-c", ask, str(wrong)], capture_output=True, text=True, timeout=60)
    assert "PinIncorrect" in done.stderr and "its PIN right?" in done.stderr


@pytest.mark.needs_mosquitto
def test_given_a_key_in_a_chip_then_the_broker_believes_it_through_stunnel(token: Path, tmp_path: Path) -> None:
    from pikvani_contract import topics
    from pikvani_device.adapters.broker_paho import PahoBroker
    from pikvani_device.adapters.tls_stunnel import StunnelRelay
    from pikvani_device.sync.publisher import offline_status

    if mosquitto.MISSING:
        pytest.skip(mosquitto.MISSING)
    if not shutil.which("stunnel"):
        pytest.skip("stunnel is not installed: apt-get install stunnel4 libengine-pkcs11-openssl")
    keys, now = chip(token), datetime.now(UTC).replace(microsecond=0)
    root_key, server_key, key = certificates.new_key(), certificates.new_key(), keys.new()
    root = certificates.make_root(root_key, "root", now, timedelta(days=2))
    between_key = certificates.new_key()
    between = certificates.make_intermediate(root, root_key, between_key.public_key(), "d", now, timedelta(days=2))
    day = timedelta(days=1)
    server = certificates.make_leaf(root, root_key, server_key.public_key(), "broker", now, day, ["127.0.0.1"])
    mine = certificates.make_leaf(between, between_key, key.public_key(), "pune-b1-0001", now, day)

    def write(name: str, *found: x509.Certificate) -> Path:
        path = tmp_path / name
        path.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in found))
        return path

    ca, cert = write("ca.pem", root, between), write("mine.pem", mine, between)
    write("server.pem", server)
    (tmp_path / "server.key").write_bytes(key_pem(server_key, b""))
    port = free_port()
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(
        f"user root\nlistener {port} 127.0.0.1\ncafile {ca}\ncertfile {tmp_path}/server.pem\n"
        f"keyfile {tmp_path}/server.key\nrequire_certificate true\nuse_identity_as_username true\n"
    )
    broker = Mosquitto(conf, [port])
    broker.start()
    uri = keys.reference(key).decode()
    relay = StunnelRelay("127.0.0.1", port, ca, cert, uri, MODULE, str(token))
    relay.start()
    will = (topics.device("pune-b1-0001", topics.UP_STATUS), offline_status())
    link = PahoBroker(str(relay.socket), port, "pune-b1-0001", will)
    try:
        link.start((), lambda *_: None)
        deadline = time.monotonic() + 60
        while not link.connected and time.monotonic() < deadline:
            time.sleep(0.1)
        assert link.connected
        log = conf.with_suffix(".log").read_text()
        assert "u'pune-b1-0001'" in log, "the broker knows it by its certificate"
        assert oct(relay.socket.parent.stat().st_mode & 0o777) == "0o700"
    finally:
        link.stop()
        relay.stop()
        broker.stop()
    assert not relay.socket.parent.exists()
