"""Tables of enrolment: claims of cards, identities of devices, every certificate signed, what was refused and why."""

from __future__ import annotations

import sqlalchemy as sa

from pikvani_server.store.schema import UtcTime, metadata

_BIG = sa.BigInteger
_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False, server_default=sa.text("''"))


claims = sa.Table(
    "claims",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("district", sa.Text, nullable=False),
    _text("village"),
    sa.Column("batch", sa.Text, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("added_at", UtcTime, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="open"),
    _bytes("used_key"),
    sa.Column("used_at", UtcTime),
    sa.Index("claims_device", "device_id"),
    sa.Index("claims_batch", "batch"),
)
"""What was made for one card: state `open`, `used` (by the key with that digest) or `withdrawn`."""

identities = sa.Table(
    "identities",
    metadata,
    sa.Column("device_id", sa.Text, primary_key=True),
    sa.Column("district", sa.Text, nullable=False),
    _text("village"),
    _text("batch"),
    sa.Column("state", sa.Text, nullable=False, server_default="enrolled"),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("key_digest", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    _bytes("machine"),
    sa.Column("counter", _BIG, nullable=False, server_default="0"),
    sa.Column("enrolled_at", UtcTime, nullable=False),
    sa.Column("issued_at", UtcTime, nullable=False),
    sa.Column("confirmed_at", UtcTime),
    _bytes("token"),
    _bytes("last_token"),
    _bytes("last_nonce"),
    sa.Column("suspected_at", UtcTime),
    _text("suspicion"),
    sa.Column("revoked_at", UtcTime),
    _text("revoked_reason"),
    _text("replaces"),
    sa.Index("identities_state", "state"),
)
"""An enrolled device: state `enrolled` or `revoked`. `confirmed_at` is set once it was heard with its certificate."""

issued = sa.Table(
    "certificates_issued",
    metadata,
    sa.Column("sha256", sa.LargeBinary, primary_key=True),
    sa.Column("device_id", sa.Text, nullable=False),
    sa.Column("authority", sa.LargeBinary, nullable=False),
    sa.Column("serial", sa.Text, nullable=False),
    sa.Column("certificate", sa.LargeBinary, nullable=False),
    sa.Column("issued_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
    sa.Index("certificates_issued_device", "device_id"),
    sa.Index("certificates_issued_revoked", "revoked_at"),
)
"""Every certificate signed here; `authority` is the SHA-256 of the signing authority's certificate."""

enrolment_events = sa.Table(
    "enrolment_events",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("first_at", UtcTime, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("times", _BIG, nullable=False, server_default="1"),
    sa.Column("kind", sa.Text, nullable=False),
    _text("device_id"),
    _text("batch"),
    _text("reason"),
    _text("detail"),
    _text("road"),
    sa.Index("enrolment_events_kind", "kind", "last_at"),
    sa.Index("enrolment_events_device", "device_id"),
)
"""`enrolled`, `renewed`, `refused`, `suspected`, `revoked`, `cleared`, `moved`; the same thing again only counts."""

revocation_lists = sa.Table(
    "revocation_lists",
    metadata,
    sa.Column("authority", sa.LargeBinary, primary_key=True),
    sa.Column("number", _BIG, nullable=False),
)
"""Number of the last list of each authority; a number is never given twice."""
