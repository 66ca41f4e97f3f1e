"""A centre that enrols, and cards that ask it: real keys, real certificates, a database, no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
from cryptography import x509

from pikvani_contract import cards, certificates, enrolment
from pikvani_contract.enrolment import Answer, Reply, Report, Request, pack, unpack
from pikvani_provision.authority import Authority
from pikvani_server.enrolment import keeping
from pikvani_server.enrolment.authorities import FileSigner
from pikvani_server.enrolment.desk import Desk
from pikvani_server.store import Store, open_store

BORN = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def make_authorities(folder: Path, districts: Sequence[str] = ("pune",)) -> Authority:
    """An offline root in `folder`/ca and what the centre gets of it in `folder`/centre."""
    authority = Authority.create(folder / "ca", "Test root", b"", BORN)
    for district in districts:
        authority.issue_district(district, folder / "centre", b"", BORN)
    for name in ("root.pem", "root.crl"):
        (folder / "centre" / name).write_bytes((folder / "ca" / name).read_bytes())
    return authority


def quick_store(path: Path) -> Store:
    """A SQLite store that does not wait for the disk: for tests of many transactions that are not about the disk."""
    store = open_store(f"sqlite:///{path}")
    sa.event.listen(store._engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous=OFF"))
    store.migrate()
    return store


class TestCentre:
    """A desk over a store, whose clock stands still until told."""

    __test__ = False

    def __init__(self, store: Store, folder: Path, districts: Sequence[str] = ("pune",), days: int = 90) -> None:
        self.store = store
        self.authority = make_authorities(folder, districts)
        self.now = datetime.now(UTC)
        self.signer = FileSigner(folder / "centre", timedelta(days=days), timedelta(days=14))
        self.desk = Desk(store, self.signer, lambda: self.now)

    def cards(self, count: int = 1, batch: str = "b1", district: str = "pune", days: int = 90) -> list[cards.Card]:
        made = cards.make_cards(batch, district, count, self.now + timedelta(days=days))
        whole = cards.Batch(batch=batch, claims=[cards.claim_of(card) for card in made])
        keeping.add_batch(self.store, whole, "test", self.now)
        return made

    def ask(self, request: Request, road: str = "https") -> Answer:
        return self.desk.ask(pack(request), road)


class TestCard:
    """A card in a board: makes keys and asks, as the device's software does; `clone` copies all it knows."""

    __test__ = False

    def __init__(self, card: cards.Card, machine: bytes = b"board-1") -> None:
        self.card, self.machine = card, machine
        self.counter = 0
        self.key = self.pending = certificates.new_key()
        self.certificate = b""
        self.token = b""

    def clone(self, machine: bytes = b"board-1") -> TestCard:
        made = TestCard(self.card, machine)
        made.__dict__ |= {name: value for name, value in self.__dict__.items() if name != "machine"}
        return made

    def request(self, new_key: bool = True, **changes: Any) -> Request:
        if new_key:
            self.pending = certificates.new_key()
            self.counter += 1
        csr = certificates.make_request(self.pending, self.card.device)
        asked = Request(1, self.card.device, csr, self.machine, self.counter, self.card.batch)
        return enrolment.prove_claim(msgspec.structs.replace(asked, **changes), self.card.seed())

    def renewal(self, new_key: bool = True) -> Request:
        if new_key:
            self.pending = certificates.new_key()
            self.counter += 1
        csr = certificates.make_request(self.pending, self.card.device)
        asked = Request(1, self.card.device, csr, self.machine, self.counter, previous=_sha256(self.certificate))
        return enrolment.prove_identity(asked, self.key)

    def take(self, answer: Answer) -> TestCard:
        assert not answer.reason, answer.reason
        certificate = x509.load_der_x509_certificate(answer.certificate)
        assert certificate.public_key() == self.pending.public_key()
        assert certificates.common_name(certificate.subject) == self.card.device
        self.key, self.certificate = self.pending, answer.certificate
        return self

    def report(self, centre: TestCentre, nonce: bytes = b"n", keep: bool = True, **changes: Any) -> Reply | None:
        said = Report(1, _sha256(self.certificate), self.machine, self.counter, self.token, nonce)
        said = msgspec.structs.replace(said, **changes)
        reply = centre.desk.hear(self.card.device, pack(said))
        if reply is not None and keep:
            self.token = reply.token
        return unpack(pack(reply), Reply) if reply else None


def _sha256(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha256(data).digest()
