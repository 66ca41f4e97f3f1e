"""Drift alarms name the condition that rose."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it; alarms raised before name none."""
    op.add_column("drift_alarms", sa.Column("label", sa.Text(), server_default="", nullable=False))
