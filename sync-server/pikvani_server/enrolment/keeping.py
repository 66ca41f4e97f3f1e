"""What people do to claims and identities: enter a batch, revoke, replace, move, clear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from pikvani_contract.cards import Batch
from pikvani_server.enrolment.events import note
from pikvani_server.errors import ServerError
from pikvani_server.store import Store, audit
from pikvani_server.store.schema_enrolment import claims, identities, issued
from pikvani_server.store.schema_learning import places

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def add_batch(store: Store, batch: Batch, actor: str, now: datetime) -> int:
    """Enter the claims of a batch; entering it again changes nothing.

    Returns:
        How many were new.

    Raises:
        ServerError: a device of it has another claim here that is still open, or is enrolled.
    """
    new = 0
    with store.writing("entering a batch") as connection:
        theirs = sa.select(claims.c.id).where(claims.c.batch == batch.batch)
        known = {bytes(row.id) for row in connection.execute(theirs)}
        standing = sa.select(claims.c.device_id).where(claims.c.state != "withdrawn")
        taken = {row.device_id for row in connection.execute(standing)}
        for claim in batch.claims:
            if claim.id in known:
                continue
            if claim.device in taken:
                raise ServerError(f"{claim.device} has another claim already; withdraw it, or name the batch otherwise")
            connection.execute(
                sa.insert(claims).values(
                    id=claim.id,
                    public_key=bytes.fromhex(claim.key),
                    device_id=claim.device,
                    district=claim.district,
                    village=claim.village,
                    batch=batch.batch,
                    expires_at=_EPOCH + timedelta(milliseconds=claim.expires_ms),
                    added_at=now,
                )
            )
            new += 1
        if new:
            audit.append(connection, actor, "enrolment.add-batch", batch.batch, {"claims": new}, now)
    return new


def revoke(store: Store, device_id: str, reason: str, actor: str, now: datetime) -> bool:
    """Believe a device no more: its certificates, its claims, its batches. What it sent before stays.

    Returns:
        Whether it was an enrolled one; else only its open claims were withdrawn.

    Raises:
        ServerError: there is no such device and no such claim, or it is revoked already.
    """
    with store.writing("revoking a device") as connection:
        identity = connection.execute(
            sa.select(identities.c.state).where(identities.c.device_id == device_id).with_for_update()
        ).first()
        withdrawn = connection.execute(
            sa.update(claims).where(claims.c.device_id == device_id, claims.c.state == "open").values(state="withdrawn")
        ).rowcount
        if identity is not None and identity.state == "revoked":
            raise ServerError(f"{device_id} is revoked already")
        if identity is None and not withdrawn:
            raise ServerError(f"{device_id} is not enrolled here and has no open claim; `enrolment list` shows who is")
        if identity is not None:
            changes = {"state": "revoked", "revoked_at": now, "revoked_reason": reason}
            connection.execute(sa.update(identities).where(identities.c.device_id == device_id).values(**changes))
            theirs = sa.and_(issued.c.device_id == device_id, issued.c.revoked_at.is_(None))
            connection.execute(sa.update(issued).where(theirs).values(revoked_at=now))
        note(store, connection, "revoked", now, device_id, "", reason, "cli")
        audit.append(connection, actor, "enrolment.revoke", device_id, {"reason": reason}, now)
    return identity is not None


def replace(store: Store, old: str, new: str, actor: str, now: datetime) -> None:
    """Let `new` stand for `old` in its village; revoke `old` besides.

    Raises:
        ServerError: either is not known here.
    """
    with store.writing("replacing a device") as connection:
        before = connection.execute(sa.select(identities).where(identities.c.device_id == old)).mappings().first()
        if before is None:
            raise ServerError(f"{old} is not enrolled here; `enrolment list` shows who is")
        place = {"village": before["village"]}
        found = connection.execute(
            sa.update(identities).where(identities.c.device_id == new).values(replaces=old, **place)
        ).rowcount
        claimed = connection.execute(sa.update(claims).where(claims.c.device_id == new).values(**place)).rowcount
        if not found and not claimed:
            raise ServerError(f"{new} has no claim here; enter its batch first")
        _inherit_place(store, connection, old, new, now)
        audit.append(connection, actor, "enrolment.replace", new, {"replaces": old}, now)


def move(store: Store, device_id: str, village: str, district: str, actor: str, now: datetime) -> None:
    """Note where a device stands from now on. A new district signs its next certificate.

    Raises:
        ServerError: it is not enrolled here.
    """
    with store.writing("moving a device") as connection:
        changes = {"village": village} | ({"district": district} if district else {})
        moved = connection.execute(
            sa.update(identities).where(identities.c.device_id == device_id).values(**changes)
        ).rowcount
        if not moved:
            raise ServerError(f"{device_id} is not enrolled here; `enrolment list` shows who is")
        if district:
            row = {"device_id": device_id, "district": district, "taluka": "", "updated_at": now}
            insert = store.insert(places).values(**row)
            connection.execute(insert.on_conflict_do_update(index_elements=["device_id"], set_=row))
        note(store, connection, "moved", now, device_id, "", f"to {village} {district}".strip(), "cli")
        audit.append(connection, actor, "enrolment.move", device_id, changes, now)


def clear(store: Store, device_id: str, reason: str, actor: str, now: datetime) -> None:
    """A person looked and found no copy: the suspicion goes, and the board it reports next is taken as its own.

    Raises:
        ServerError: there is no suspicion.
    """
    with store.writing("clearing a suspicion") as connection:
        wanted = sa.and_(identities.c.device_id == device_id, identities.c.suspected_at.is_not(None))
        changes = {"suspected_at": None, "suspicion": "", "machine": b""}
        if not connection.execute(sa.update(identities).where(wanted).values(**changes)).rowcount:
            raise ServerError(f"{device_id} is not suspected; `enrolment list` shows who is")
        note(store, connection, "cleared", now, device_id, "", reason, "cli")
        audit.append(connection, actor, "enrolment.clear", device_id, {"reason": reason}, now)


def _inherit_place(store: Store, connection: sa.Connection, old: str, new: str, now: datetime) -> None:
    before = connection.execute(sa.select(places).where(places.c.device_id == old)).mappings().first()
    if before is None:
        return
    row = dict(before) | {"device_id": new, "updated_at": now}
    insert = store.insert(places).values(**row)
    connection.execute(insert.on_conflict_do_update(index_elements=["device_id"], set_=row))
