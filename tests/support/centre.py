"""The centre's pages for tests: an application over a store, clients of every role, forms that are ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from pikvani_server.accounts import sessions, users
from pikvani_server.admin import create_app
from pikvani_server.config import SignInConfig, WebConfig
from pikvani_server.store import Store

SESSION = "__Host-pikvani-session"


def build(store: Store, web: WebConfig | None = None, sign_in: SignInConfig | None = None, **more: Any) -> Flask:
    """The application as shipped; `more` goes to `create_app`."""
    more.setdefault("registry", CollectorRegistry())
    more.setdefault("broker_ready", lambda: True)
    return create_app(store, web=web, sign_in=sign_in, **more)


def account(store: Store, role: str, name: str | None = None) -> dict[str, Any]:
    """An account of that role, made at the first call."""
    name = name or role
    return users.find(store, name) or users.add(store, name, role, "test", datetime.now(UTC))


def cookie_of(store: Store, role: str, name: str | None = None, stage: sessions.Stage = "full") -> str:
    """The session cookie of a signed-in account."""
    return sessions.start(store, account(store, role, name), stage, "127.0.0.1", "test", datetime.now(UTC))


def client_of(app: Flask, store: Store, role: str | None, name: str | None = None) -> FlaskClient:
    """A browser in which somebody of that role is signed in; None for nobody."""
    client = app.test_client()
    if role:
        client.set_cookie(SESSION, cookie_of(store, role, name))
    return client


def form_token(client: FlaskClient, page: str = "/") -> str:
    """The hidden field of a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(page, follow_redirects=True).text)
    assert found, f"no form on {page}"
    return found[1]


def send(client: FlaskClient, path: str, page: str = "/", **fields: Any) -> TestResponse:
    """Post a form as the page `page` would."""
    return client.post(path, data={"csrf": form_token(client, page), **fields})


def said(client: FlaskClient) -> str:
    """What the next page says once."""
    return " ".join(re.findall(r'class="said [a-z]+" role="status">([^<]*)<', client.get("/account").text))


Make = Callable[[str | None], FlaskClient]
