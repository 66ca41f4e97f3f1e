"""Consents and tombstones."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pikvani_server.store.schema import UtcTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "consents",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("purposes", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("device_id", "outbox", "seq"),
    )
    op.create_table(
        "erasures",
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("outbox", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("whole", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.Text(), nullable=False),
        sa.Column("received_at", UtcTime(), nullable=False),
        sa.Column("confirmed_at", UtcTime()),
        sa.Column("ordered_at", UtcTime()),
        sa.Column("noted_at", UtcTime()),
        sa.Column("obeyed_at", UtcTime()),
        sa.Column("removed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("came_again", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pictures", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("device_id", "outbox", "seq"),
    )
    op.create_index("erasures_received", "erasures", ["received_at"])
    op.create_index("erasures_obeyed", "erasures", ["obeyed_at"])
