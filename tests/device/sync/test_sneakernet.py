"""The stick: sealed, whole or not there, any order, any number of times; and only the centre's receipts let go."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.bundle import open_receipts, seal, sign_receipts, unseal
from pikvani_contract.centre_keys import CentreKeys
from pikvani_contract.clock import ManualClock
from pikvani_contract.errors import WireError
from pikvani_contract.messages import SCHEMA, Batch, Receipt
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack, unpack
from pikvani_device.errors import DeviceError
from pikvani_device.store import Store, open_store
from pikvani_device.sync.sneakernet import export, take_receipts

SEAL = x25519.X25519PrivateKey.generate()
SIGN = ed25519.Ed25519PrivateKey.generate()
KEYS = CentreKeys(SEAL.public_key(), SIGN.public_key())
ID = "village-7"


def an_identity(name: str = ID) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()), key


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = open_store(tmp_path / "device.sqlite3", ManualClock())
    for _ in range(30):
        found.record_case(case_body(random.Random(4)))
    return found


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


def test_given_waiting_cases_then_the_centre_can_read_them_off_the_stick_and_nobody_else(
    store: Store, stick: Path
) -> None:
    done = export(store, ManualClock(), ID, KEYS, an_identity(), stick)
    (path,) = done.files
    assert done.records == 30
    data = path.read_bytes()
    assert b"cotton" not in data and ID.encode() not in data
    bundle = unseal(data, SEAL)
    assert bundle.device_id == ID and bundle.certificate is not None
    assert sum(len(unpack(p, Batch).records) for p in bundle.payloads) == 30
    with pytest.raises(WireError, match="another centre"):
        unseal(data, x25519.X25519PrivateKey.generate())


def test_given_an_export_then_nothing_left_the_outbox_until_the_receipt_came_back(store: Store, stick: Path) -> None:
    export(store, ManualClock(), ID, KEYS, None, stick)
    export(store, ManualClock(), ID, KEYS, None, stick)
    (waiting,) = store.waiting()
    receipt = pack(Receipt(SCHEMA, waiting.outbox, 28, [(3, 3)], 0))
    (stick / f"{ID}.receipts.pkvi").write_bytes(sign_receipts(ID, [receipt], SIGN))
    assert take_receipts(store, ID, KEYS, stick) == 27
    assert take_receipts(store, ID, KEYS, stick) == 0
    assert [r.seq for r in store.records_after(waiting, 0, 99)] == [3, 29, 30]


@pytest.mark.parametrize(
    ("forged", "words"),
    [
        (lambda receipt: sign_receipts(ID, [receipt], ed25519.Ed25519PrivateKey.generate()), "not signed"),
        (lambda receipt: sign_receipts("village-8", [receipt], SIGN), "is for 'village-8'"),
        (lambda receipt: sign_receipts(ID, [receipt], SIGN)[:-3], "torn"),
        (lambda receipt: b"hello", "not a Pikvani"),
    ],
)
def test_given_a_receipt_file_that_is_not_the_centres_then_nothing_is_let_go(
    store: Store, stick: Path, forged, words: str
) -> None:
    (waiting,) = store.waiting()
    receipt = pack(Receipt(SCHEMA, waiting.outbox, 30, [], 0))
    (stick / f"{ID}.receipts.pkvi").write_bytes(forged(receipt))
    with pytest.raises(DeviceError, match=words):
        take_receipts(store, ID, KEYS, stick)
    assert len(store.records_after(waiting, 0, 99)) == 30


def test_given_a_bundle_signed_by_one_key_with_the_certificate_of_another_then_it_is_refused() -> None:
    (certificate, _), (_, other_key) = an_identity(), an_identity()
    with pytest.raises(WireError, match="altered or forged"):
        unseal(seal(ID, [b"x"], KEYS.seal, (certificate, other_key)), SEAL)


@given(st.integers(0, 100_000), st.integers(1, 255))
def test_given_any_byte_changed_then_the_bundle_is_refused(where: int, flip: int) -> None:
    data = bytearray(seal(ID, [b"payload"], KEYS.seal, None))
    data[where % len(data)] ^= flip
    with pytest.raises(WireError):
        unseal(bytes(data), SEAL)


@given(st.binary(max_size=300))
def test_given_any_file_then_only_a_wire_error_comes_out(data: bytes) -> None:
    for attempt in (lambda: unseal(data, SEAL), lambda: open_receipts(data, ID, KEYS.receipts)):
        with pytest.raises(WireError):
            attempt()


def test_given_a_stick_that_cannot_be_written_then_the_error_says_what_to_do(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="check the stick"):
        export(store, ManualClock(), ID, KEYS, None, tmp_path / "pulled")


def test_given_an_empty_outbox_then_no_file_is_written(tmp_path: Path, stick: Path) -> None:
    empty = open_store(tmp_path / "empty.sqlite3", ManualClock())
    assert export(empty, ManualClock(), ID, KEYS, None, stick).files == ()
