"""The desk: takes requests and reports from whatever road, applies the rules in one transaction, gives the answer.

An answer is given only after what it says is on the disk. The same request may come by several roads at once.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pikvani_contract.enrolment import SCHEMA, Answer, Reply, Report, Request, digest, pack, unpack
from pikvani_contract.errors import ContractError, WireError
from pikvani_server.enrolment import rules
from pikvani_server.enrolment.authorities import Signed, Signer
from pikvani_server.enrolment.events import note
from pikvani_server.store import Store
from pikvani_server.store.schema_enrolment import claims, identities, issued
from pikvani_server.store.schema_learning import places

log = logging.getLogger(__name__)

Row = Mapping[str, Any]


class Desk:
    """One a process; any number of them may share a database.

    Args:
        store: migrated.
        signer: holds the districts' keys.
        now: UTC.
    """

    def __init__(self, store: Store, signer: Signer, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._signer = signer
        self._now = now

    def ask(self, payload: bytes, road: str, device_id: str = "") -> Answer:
        """Answer a packed request.

        Args:
            payload: bytes of a stranger.
            road: it came by, for the record.
            device_id: whose authenticated link it came by, empty for none.

        Raises:
            StoreAwayError: the database is away; the device asks again.
        """
        now = self._now()
        request = None
        try:
            request = unpack(payload, Request)
            if device_id and request.device != device_id:
                raise ContractError(f"a request for {request.device!r} came over the link of {device_id!r}")
            asked = rules.read_asked(request)
        except ContractError as error:
            with self._store.writing("noting a refusal") as connection:
                named = device_id or (request.device if request else "")
                note(self._store, connection, "refused", now, named, "malformed", str(error), road)
            return Answer(SCHEMA, named, digest(request) if request else b"", reason="malformed", wall_ms=_ms(now))
        with self._store.writing("enrolling a device") as connection:
            return self._decide(connection, asked, road, now)

    def hear(self, device_id: str, payload: bytes) -> Reply | None:
        """Take a packed report that came over the link of a device.

        Returns:
            The reply; None where the device gets none: not known here, revoked, or not a report.

        Raises:
            StoreAwayError: the database is away; the device reports again.
        """
        now = self._now()
        try:
            report = unpack(payload, Report)
        except WireError as error:
            with self._store.writing("noting a refusal") as connection:
                note(self._store, connection, "refused", now, device_id, "malformed", str(error), "mqtt")
            return None
        with self._store.writing("hearing a device") as connection:
            identity = _one(connection, identities, identities.c.device_id == device_id)
            if identity is None or identity["state"] == "revoked":
                reason = "revoked" if identity else "unknown_identity"
                note(self._store, connection, "refused", now, device_id, reason, "its report was not taken", "mqtt")
                return None
            heard = rules.judge_report(identity, report, secrets.token_bytes(16), now)
            if heard.changes:
                connection.execute(
                    sa.update(identities).where(identities.c.device_id == device_id).values(**heard.changes)
                )
            self._suspect(connection, device_id, heard.suspicion, "mqtt", now)
        answer = pack(self.ask(report.request, "mqtt", device_id)) if report.request else b""
        return Reply(SCHEMA, report.nonce, heard.token, answer)

    def _decide(self, connection: sa.Connection, asked: rules.Asked, road: str, now: datetime) -> Answer:
        request = asked.request
        claim = _one(connection, claims, claims.c.id == request.claim) if request.claim else None
        identity = _one(connection, identities, identities.c.device_id == request.device)
        if request.claim:
            verdict = rules.judge_claim(asked, claim, identity, now)
        else:
            wanted = sa.and_(issued.c.sha256 == request.previous, issued.c.device_id == request.device)
            verdict = rules.judge_renewal(asked, identity, _one(connection, issued, wanted))
        self._suspect(connection, claim["device_id"] if claim else request.device, verdict.suspicion, road, now)
        if verdict.act == "again":
            assert identity is not None
            return self._again(connection, asked, identity, now)
        if verdict.act == "refuse":
            return self._refuse(connection, asked, verdict.reason, road, now)
        origin = claim or identity
        assert origin is not None
        signed = self._signer.sign(origin["district"], asked.key, request.device, now)
        if signed is None:
            return self._refuse(connection, asked, "no_authority", road, now)
        self._write(connection, asked, origin, signed, verdict.act == "enrol", now)
        kind = "enrolled" if verdict.act == "enrol" else "renewed"
        note(self._store, connection, kind, now, request.device, "", "", road, request.batch, asked.key_digest)
        return _granted(asked, signed.certificate, signed.chain, now)

    def _write(
        self, connection: sa.Connection, asked: rules.Asked, origin: Row, signed: Signed, first: bool, now: datetime
    ) -> None:
        certificate, device_id = signed.certificate, asked.request.device
        der = certificate.public_bytes(Encoding.DER)
        values = {
            "certificate": hashlib.sha256(der).digest(),
            "key_digest": asked.key_digest,
            "expires_at": certificate.not_valid_after_utc,
            "machine": asked.request.machine,
            "counter": asked.request.counter,
            "issued_at": now,
            "confirmed_at": None,
        }
        connection.execute(
            sa.insert(issued).values(
                sha256=values["certificate"],
                device_id=device_id,
                authority=signed.authority,
                serial=f"{certificate.serial_number:x}",
                certificate=der,
                issued_at=now,
                expires_at=certificate.not_valid_after_utc,
            )
        )
        if not first:
            connection.execute(sa.update(identities).where(identities.c.device_id == device_id).values(**values))
            return
        spent = {"state": "used", "used_key": asked.key_digest, "used_at": now}
        connection.execute(sa.update(claims).where(claims.c.id == asked.request.claim).values(**spent))
        born = {name: origin[name] for name in ("district", "village", "batch")}
        born |= dict.fromkeys(("token", "last_token", "last_nonce"), b"")
        connection.execute(sa.insert(identities).values(device_id=device_id, enrolled_at=now, **born, **values))
        named = rules.name_of_district(origin["district"])
        place = self._store.insert(places).values(device_id=device_id, district=named, updated_at=now)
        # Who has said more of this place already, with its taluka, knows better.
        connection.execute(place.on_conflict_do_nothing(index_elements=["device_id"]))

    def _again(self, connection: sa.Connection, asked: rules.Asked, identity: Row, now: datetime) -> Answer:
        row = _one(connection, issued, issued.c.sha256 == identity["certificate"])
        assert row is not None
        certificate = x509.load_der_x509_certificate(row["certificate"])
        return _granted(asked, certificate, self._signer.chain_of(row["authority"]), now)

    def _refuse(self, connection: sa.Connection, asked: rules.Asked, reason: str, road: str, now: datetime) -> Answer:
        request = asked.request
        log.warning("%s was refused by %s: %s", request.device, road, reason)
        note(self._store, connection, "refused", now, request.device, reason, "", road, request.batch, asked.key_digest)
        return Answer(SCHEMA, request.device, digest(request), reason=reason, wall_ms=_ms(now))

    def _suspect(self, connection: sa.Connection, device_id: str, suspicion: str, road: str, now: datetime) -> None:
        if not suspicion:
            return
        log.warning("%s may be a copy: %s", device_id, suspicion)
        wanted = sa.and_(identities.c.device_id == device_id, identities.c.suspected_at.is_(None))
        connection.execute(sa.update(identities).where(wanted).values(suspected_at=now, suspicion=suspicion))
        note(self._store, connection, "suspected", now, device_id, "copy", suspicion, road)


def _one(connection: sa.Connection, table: sa.Table, condition: Any) -> Row | None:
    # Locked until the transaction ends: of two requests with one claim the second sees what the first did.
    row = connection.execute(sa.select(table).where(condition).with_for_update()).mappings().first()
    return dict(row) if row else None


def _granted(
    asked: rules.Asked, certificate: x509.Certificate, chain: tuple[x509.Certificate, ...], now: datetime
) -> Answer:
    return Answer(
        SCHEMA,
        asked.request.device,
        digest(asked.request),
        certificate.public_bytes(Encoding.DER),
        [c.public_bytes(Encoding.DER) for c in chain],
        wall_ms=_ms(now),
    )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
