"""What the pages are built over, and who is asking now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from flask import current_app, g
from itsdangerous import URLSafeTimedSerializer
from prometheus_client import CollectorRegistry

from pikvani_server.accounts.roles import Ability, may
from pikvani_server.accounts.secret import shared
from pikvani_server.accounts.sessions import Visitor
from pikvani_server.accounts.tokens import Program
from pikvani_server.config import SignInConfig, WebConfig
from pikvani_server.store import Store

EXTENSION = "pikvani"


@dataclass(frozen=True)
class Centre:
    """Everything a view may use."""

    store: Store
    registry: CollectorRegistry
    broker_ready: Callable[[], bool]
    web: WebConfig
    sign_in: SignInConfig
    clock: Callable[[], datetime]


def centre() -> Centre:
    """The centre of this application."""
    found: Centre = current_app.extensions[EXTENSION]
    return found


def store() -> Store:
    """Its store."""
    return centre().store


def now() -> datetime:
    """UTC, the same through one request."""
    if "now" not in g:
        g.now = centre().clock()
    found: datetime = g.now
    return found


def visitor() -> Visitor | None:
    """Who has a session, of whatever stage."""
    found: Visitor | None = g.get("visitor")
    return found


def program() -> Program | None:
    """Which token asks."""
    found: Program | None = g.get("program")
    return found


def actor() -> str:
    """Who acts, for the audit log."""
    who, what = visitor(), program()
    return who.name if who else f"token:{what.name}" if what else "nobody"


def allowed(ability: Ability) -> bool:
    """Whether who asks may do this; templates hide what they may not."""
    who, what = visitor(), program()
    if what:
        return may(what.role, ability)
    return bool(who and who.stage == "full" and may(who.role, ability))


def signer(purpose: str) -> URLSafeTimedSerializer:
    """Signs small things with the secret all workers share, for one purpose only."""
    return URLSafeTimedSerializer(shared(store()), salt=f"pikvani.{purpose}")
