"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pikvani_server.store.schema import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them; on PostgreSQL `cases` is partitioned by month, with a default for what falls outside."""
    op.create_table(
        "alarms",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("happened_at", UtcTime(), nullable=False),
        sa.Column("time_quality", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "outbox", "seq"),
    )
    op.create_index("alarms_received", "alarms", ["received_at"], unique=False)
    op.create_table(
        "cases",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("happened_at", UtcTime(), nullable=False),
        sa.Column("time_quality", sa.Text(), nullable=False),
        sa.Column("mono_ms", sa.BigInteger(), nullable=False),
        sa.Column("offset_ms", sa.BigInteger(), nullable=False),
        sa.Column("trust", sa.SmallInteger(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("crop", sa.Text(), nullable=False),
        sa.Column("condition", sa.Text(), nullable=False),
        sa.Column("confidence_e4", sa.SmallInteger(), nullable=False),
        sa.Column("others", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("runtime", sa.Text(), nullable=False),
        sa.Column("photos", sa.SmallInteger(), nullable=False),
        sa.Column("latency_ms", sa.BigInteger(), nullable=False),
        sa.Column("quality_e4", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("consents", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "outbox", "seq", "received_at"),
        postgresql_partition_by="RANGE (received_at)",
    )
    op.create_index("cases_received", "cases", ["received_at"], unique=False)
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("times", sa.BigInteger(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("dead_letters_received", "dead_letters", ["received_at"], unique=False)
    op.create_table(
        "devices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("first_seen_at", UtcTime(), nullable=False),
        sa.Column("last_seen_at", UtcTime(), nullable=False),
        sa.Column("online", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("boot_id", sa.Text(), server_default="", nullable=False),
        sa.Column("app", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("runtime", sa.Text(), server_default="", nullable=False),
        sa.Column("clock_trust", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("clock_error_ms", sa.BigInteger(), nullable=True),
        sa.Column("queue_records", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("queue_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shed_records", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shed_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lanes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("budget_used_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("budget_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("devices_last_seen", "devices", ["last_seen_at"], unique=False)
    op.create_table(
        "files",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("completed_at", UtcTime(), nullable=True),
        sa.PrimaryKeyConstraint("device_id", "outbox", "seq", "what", "sha256"),
    )
    op.create_table(
        "sketches",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "model", "day"),
    )
    op.create_table(
        "streams",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("lane", sa.SmallInteger(), nullable=False),
        sa.Column("committed", sa.LargeBinary(), server_default=sa.text("''"), nullable=False),
        sa.Column("highest", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("offset_ms", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "outbox"),
    )
    op.create_table(
        "totals",
        sa.Column("shard", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("batches", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("committed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cases", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("duplicates", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("dead_letters", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shed", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("shard"),
    )
    op.create_table(
        "blocks",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("offset_bytes", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id", "outbox", "seq", "what", "sha256"],
            ["files.device_id", "files.outbox", "files.seq", "files.what", "files.sha256"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("device_id", "outbox", "seq", "what", "sha256", "offset_bytes"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE TABLE cases_default PARTITION OF cases DEFAULT")
