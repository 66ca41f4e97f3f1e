"""Enrolment: claims, identities, certificates, events, and the numbers of revocation lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pikvani_server.store.schema import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), server_default="", nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), server_default=sa.text("''"), nullable=False)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "claims",
        sa.Column("id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("district", sa.Text(), nullable=False),
        _text("village"),
        sa.Column("batch", sa.Text(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("added_at", UtcTime(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        _bytes("used_key"),
        sa.Column("used_at", UtcTime()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("claims_device", "claims", ["device_id"])
    op.create_index("claims_batch", "claims", ["batch"])
    op.create_table(
        "identities",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("district", sa.Text(), nullable=False),
        _text("village"),
        _text("batch"),
        sa.Column("state", sa.Text(), server_default="enrolled", nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        _bytes("machine"),
        sa.Column("counter", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("enrolled_at", UtcTime(), nullable=False),
        sa.Column("issued_at", UtcTime(), nullable=False),
        sa.Column("confirmed_at", UtcTime()),
        _bytes("token"),
        _bytes("last_token"),
        _bytes("last_nonce"),
        sa.Column("suspected_at", UtcTime()),
        _text("suspicion"),
        sa.Column("revoked_at", UtcTime()),
        _text("revoked_reason"),
        _text("replaces"),
        sa.PrimaryKeyConstraint("device_id"),
    )
    op.create_index("identities_state", "identities", ["state"])
    op.create_table(
        "certificates_issued",
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("authority", sa.LargeBinary(), nullable=False),
        sa.Column("serial", sa.Text(), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("issued_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
        sa.Column("revoked_at", UtcTime()),
        sa.PrimaryKeyConstraint("sha256"),
    )
    op.create_index("certificates_issued_device", "certificates_issued", ["device_id"])
    op.create_index("certificates_issued_revoked", "certificates_issued", ["revoked_at"])
    op.create_table(
        "enrolment_events",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("first_at", UtcTime(), nullable=False),
        sa.Column("last_at", UtcTime(), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        _text("device_id"),
        _text("batch"),
        _text("reason"),
        _text("detail"),
        _text("road"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("enrolment_events_kind", "enrolment_events", ["kind", "last_at"])
    op.create_index("enrolment_events_device", "enrolment_events", ["device_id"])
    op.create_table(
        "revocation_lists",
        sa.Column("authority", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("authority"),
    )
