"""Tables of people and programs that use the centre: accounts, sessions, invitations, tokens, limits."""

from __future__ import annotations

import sqlalchemy as sa

from pikvani_server.store.schema import UtcTime, metadata

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, server_default="")


def _owner() -> sa.Column[int]:
    return sa.Column("user_id", sa.BigInteger, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False)


users = sa.Table(
    "users",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("role", sa.Text, nullable=False),
    _text("password_hash"),
    _text("totp_secret"),
    sa.Column("totp_confirmed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("totp_step", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("disabled", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("oidc_subject", sa.Text, unique=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("signed_in_at", UtcTime),
)
"""An empty password hash lets nobody in. `totp_step` is the last time step used, so that no code works twice."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    _owner(),
    sa.Column("stage", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("seen_at", UtcTime, nullable=False),
    _text("address"),
    _text("agent"),
    sa.Index("sessions_user", "user_id"),
)
"""`id` is the SHA-256 of the cookie; stage `code` (a code is awaited), `enrol` (codes must be set up) or `full`."""

invitations = sa.Table(
    "invitations",
    metadata,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    _owner(),
    sa.Column("expires_at", UtcTime, nullable=False),
)
"""One-time links to set a password; `id` is the SHA-256 of the link's secret."""

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("id", _ID, primary_key=True, autoincrement=True),
    sa.Column("secret", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    _text("created_by"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime),
    sa.Column("used_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
)

limits = sa.Table(
    "sign_in_limits",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("tries", sa.BigInteger, nullable=False),
    sa.Column("until", UtcTime, nullable=False),
)
"""Tries of a key that are counted until a time."""

server_secrets = sa.Table(
    "server_secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)
"""Made at first use; signs forms and the state of a sign-in elsewhere, alike in every worker."""
