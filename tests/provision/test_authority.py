"""The technician's and key keeper's commands: a root, districts, servers, revocation, claims of a batch."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from pikvani_contract import cards, certificates
from pikvani_provision.authority import Authority, utc_now

PASSPHRASE = b"four words of wheat"


@pytest.fixture
def run(tmp_path: Path):
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE + b"\n")

    def call(*words: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "pikvani_provision.cli", *map(str, words)],
            capture_output=True,
            text=True,
            env=os.environ | {"PIKVANI_CA_PASSPHRASE_FILE": str(secret)},
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return call


def test_given_nothing_when_the_ca_is_made_then_everything_chains_to_an_encrypted_root(run, tmp_path: Path) -> None:
    ca, out = tmp_path / "ca", tmp_path / "out"
    run("ca", "init", "--dir", ca)
    run("ca", "issue", "district", "pune", "--dir", ca, "--out", out)
    run("ca", "issue", "server", "broker", "--host", "127.0.0.1", "--host", "mqtt.example", "--dir", ca, "--out", out)
    run("ca", "issue", "centre", "--dir", ca, "--out", out)

    root = x509.load_pem_x509_certificate((ca / "root.pem").read_bytes())
    for name in ("pune.pem", "broker.crt", "pikvani_centre.crt"):
        assert certificates.issued_by(x509.load_pem_x509_certificate((out / name).read_bytes()), root), name
    assert b"ENCRYPTED" in (ca / "root.key").read_bytes()
    assert all((path.stat().st_mode & 0o077) == 0 for path in [ca / "root.key", *out.glob("*.key")])
    assert "no secret is overwritten" in run("ca", "issue", "centre", "--dir", ca, "--out", out, code=2)
    assert "never replaced" in run("ca", "init", "--dir", ca, code=2)


def test_given_a_signed_district_when_it_is_revoked_then_the_roots_list_names_it(run, tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    run("ca", "init", "--dir", ca)
    run("ca", "issue", "district", "pune", "--dir", ca, "--out", tmp_path / "out")
    serial = run("ca", "list", "--dir", ca).split()[0]
    run("ca", "revoke", serial, "--dir", ca)
    run("ca", "crl", "--dir", ca, "--days", "30")
    root = x509.load_pem_x509_certificate((ca / "root.pem").read_bytes())
    listed = x509.load_pem_x509_crl((ca / "root.crl").read_bytes())
    assert [f"{entry.serial_number:x}" for entry in listed] == [serial]
    assert listed.is_signature_valid(root.public_key())
    assert "revoked" in run("ca", "revoke", serial, "--dir", ca, code=2)
    assert "signed nothing" in run("ca", "revoke", "12ab", "--dir", ca, code=2)


def test_given_another_passphrase_then_the_root_does_not_open(run, tmp_path: Path) -> None:
    Authority.create(tmp_path / "ca", "root", b"another long one", utc_now())
    assert "passphrase" in run("ca", "list", "--dir", tmp_path / "ca", code=2)
    assert "ca init" in run("ca", "list", "--dir", tmp_path / "none", code=2)


def test_given_a_districts_authority_then_a_server_it_signed_is_not_believed(tmp_path: Path) -> None:
    """Whoever steals a district's key at the centre can forge devices of it, and still not the broker."""
    ca = Authority.create(tmp_path / "ca", "root", b"", utc_now())
    key_file, pem_file = ca.issue_district("pune", tmp_path / "out", b"", utc_now())
    key = load_pem_private_key(key_file.read_bytes(), None)
    pune = x509.load_pem_x509_certificate(pem_file.read_bytes())
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    forged = certificates.make_leaf(
        pune, key, key.public_key(), "broker", utc_now(), timedelta(days=1), hosts=["mqtt.example"]
    )
    verifier = x509.verification.PolicyBuilder().store(x509.verification.Store([ca.root]))
    with pytest.raises(x509.verification.VerificationError):
        verifier.build_server_verifier(x509.DNSName("mqtt.example")).verify(forged, [pune])


def test_given_two_hundred_cards_then_no_secret_of_one_stands_in_another_or_in_what_the_centre_gets(
    run, tmp_path: Path
) -> None:
    out = tmp_path / "batch"
    run("claims", "make", "--batch", "b1", "--count", "200", "--district", "pune", "--out", out)
    files = sorted((out / "cards").glob("*.json"))
    bytes_of = [path.read_bytes() for path in files]
    made = [cards.read_card(data, "card") for data in bytes_of]
    assert len({card.seed() for card in made}) == 200
    # Byte scan: no eight characters of a secret, and no eight of its bytes, stand on another card or at the centre.
    others = b"\0".join(bytes_of) + (out / "batch.json").read_bytes()
    for card, own in zip(made, bytes_of, strict=True):
        elsewhere = others.replace(own, b"")
        text, seed = card.claim.encode(), card.seed()
        for at in range(len(text) - 7):
            assert text[at : at + 8] not in elsewhere
        for at in range(len(seed) - 7):
            assert seed[at : at + 8] not in elsewhere
            assert seed[at : at + 8].hex().encode() not in elsewhere
    assert all((path.stat().st_mode & 0o077) == 0 for path in files)
    assert len(cards.read_batch((out / "batch.json").read_bytes(), "batch").claims) == 200
    assert run("claims", "show", out).count("\n") == 200
    assert "overwritten" in run(
        "claims", "make", "--batch", "b1", "--count", "2", "--district", "pune", "--out", out, code=2
    )


def test_given_a_card_when_it_is_placed_then_it_is_gone_here_and_cannot_be_placed_twice(run, tmp_path: Path) -> None:
    out, sd = tmp_path / "batch", tmp_path / "sd"
    sd.mkdir()
    run("claims", "make", "--batch", "b1", "--count", "2", "--district", "pune", "--out", out)
    first, second = sorted((out / "cards").glob("*.json"))
    run("claims", "place", first, "--onto", sd, "--village", "Kothrud")
    assert cards.read_card((sd / "card.json").read_bytes(), "card").village == "Kothrud"
    assert not first.exists()
    assert "overwritten" in run("claims", "place", second, "--onto", sd, code=2) and second.exists()


@pytest.mark.parametrize("words", [("--batch", "B 1"), ("--district", "Pune!"), ("--count", "0"), ("--first", "9999")])
def test_given_names_that_cannot_be_then_one_line_says_so(run, tmp_path: Path, words: tuple[str, str]) -> None:
    asked = {"--batch": "b1", "--district": "pune", "--count": "2", "--first": "1"} | dict([words])
    said = run("claims", "make", *itertools.chain(*asked.items()), "--out", tmp_path / "x", code=2)
    assert words[0] in said and not (tmp_path / "x").exists()
