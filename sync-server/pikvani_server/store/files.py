"""Thumbnails and voice notes that come in pieces: kept as they come, checked when the last one is there."""

from __future__ import annotations

import hashlib
from typing import Any

import sqlalchemy as sa

from pikvani_server.store import schema
from pikvani_server.store.rows import Row

_KEY = ("device_id", "outbox", "seq", "what", "sha256")


def write_blocks(connection: sa.Connection, insert: Any, pieces: list[dict[str, Any]]) -> list[Row]:
    """Keep pieces inside the caller's transaction and complete the files they complete.

    A piece that came before is passed over; a file whose checksum is wrong is deleted, to be sent anew.

    Args:
        connection: in a transaction.
        insert: the dialect's `insert`.
        pieces: by `BLOCK_COLUMNS`.

    Returns:
        A dead letter for each file whose checksum was wrong.
    """
    touched: dict[Row, dict[str, Any]] = {}
    for piece in sorted(pieces, key=lambda p: (*(p[name] for name in _KEY), p["offset_bytes"])):
        key = tuple(piece[name] for name in _KEY)
        identity = {name: piece[name] for name in _KEY}
        if key not in touched:
            opened = {"size_bytes": piece["size_bytes"], "opened_at": piece["received_at"]}
            connection.execute(insert(schema.files).values(**identity, **opened).on_conflict_do_nothing())
        connection.execute(
            insert(schema.blocks)
            .values(**identity, offset_bytes=piece["offset_bytes"], data=piece["data"])
            .on_conflict_do_nothing()
        )
        touched[key] = piece
    corrupt = (_complete(connection, piece) for piece in touched.values())
    return [letter for letter in corrupt if letter is not None]


def _complete(connection: sa.Connection, piece: dict[str, Any]) -> Row | None:
    def is_it(table: sa.Table) -> sa.ColumnElement[bool]:
        return sa.and_(*(table.c[name] == piece[name] for name in _KEY))

    size, completed_at = connection.execute(
        sa.select(schema.files.c.size_bytes, schema.files.c.completed_at).where(is_it(schema.files))
    ).one()
    kept = connection.scalar(sa.select(sa.func.sum(sa.func.length(schema.blocks.c.data))).where(is_it(schema.blocks)))
    if completed_at is not None or (kept or 0) < size:
        return None
    whole = bytearray()
    query = sa.select(schema.blocks.c.offset_bytes, schema.blocks.c.data).where(is_it(schema.blocks))
    for offset, data in connection.execute(query.order_by(schema.blocks.c.offset_bytes)):
        if offset > len(whole):
            return None  # overlapping pieces made up the sum; a hole is still open
        whole[offset : offset + len(data)] = data
    if hashlib.sha256(whole).digest() == piece["sha256"]:
        connection.execute(sa.update(schema.files).where(is_it(schema.files)).values(completed_at=piece["received_at"]))
        return None
    connection.execute(sa.delete(schema.files).where(is_it(schema.files)))
    digest = hashlib.sha256(piece["device_id"].encode() + b"/file/" + piece["sha256"]).digest()[:16]
    reason = f"{piece['what']} of {size} bytes does not match its checksum; its pieces were deleted"
    return (
        digest,
        piece["received_at"],
        piece["device_id"],
        "",
        piece["outbox"],
        piece["seq"],
        "block",
        reason,
        b"",
        size,
    )
