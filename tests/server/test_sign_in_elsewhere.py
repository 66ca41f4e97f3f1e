"""Signing in by OpenID Connect against a provider of our own on loopback: what it lets in and what it does not."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.support import centre

from pikvani_server.accounts import users
from pikvani_server.config import SignInConfig, WebConfig
from pikvani_server.store import Store, audit

CLIENT, SECRET = "pikvani", "shared secret"
BACK = "http://localhost/sign-in/elsewhere/back"


class Provider:
    """Authorization code with PKCE; `claims` say who comes, `forge` changes the token's claims at the last moment."""

    def __init__(self) -> None:
        self.key, self.other = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})
        self.claims: dict[str, Any] = {"sub": "7", "preferred_username": "meera", "roles": ["agri-label"]}
        self.forge: dict[str, Any] = {}
        self.wrong_key = False
        self._codes: dict[str, dict[str, str]] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self)

            def do_POST(self) -> None:
                provider.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = urlsplit(handler.path).path
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0)).decode()
        if path.endswith("openid-configuration"):
            told: Any = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        elif path == "/keys":
            told = {"keys": [self.key.as_dict(private=False)]}
        else:
            told = self._token(parse_qs(body), handler.headers.get("Authorization", ""))
        data = json.dumps(told).encode()
        handler.send_response(400 if "error" in told else 200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def let_in(self, location: str) -> dict[str, str]:
        """What a person does at the provider: the way back, with a code."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
        assert asked["redirect_uri"] == BACK and asked["code_challenge_method"] == "S256" and asked["nonce"]
        code = secrets.token_urlsafe(8)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def _token(self, sent: dict[str, list[str]], authorization: str) -> dict[str, Any]:
        asked = self._codes.pop(sent.get("code", [""])[0], None)
        wanted = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".replace(" ", "+").encode()).decode()
        plain = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        verifier = sent.get("code_verifier", [""])[0]
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        if asked is None or authorization not in (wanted, plain) or challenge != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        key = self.other if self.wrong_key else self.key
        signed = jwt.encode({"alg": "RS256", "kid": "1"}, claims | self.claims | self.forge, key)
        return {"access_token": "x", "token_type": "Bearer", "id_token": signed}


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.close()


@pytest.fixture
def client(sqlite_store: Store, provider: Provider, tmp_path: Path) -> FlaskClient:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    roles = {"agri-label": "agronomist", "agri-admin": "admin"}
    config = SignInConfig(provider.issuer, "Agri login", CLIENT, str(secret), "roles", roles)  # type: ignore[arg-type]
    return centre.build(sqlite_store, WebConfig(), config).test_client()


def come_back(client: FlaskClient, provider: Provider, **changes: str):
    left = client.get("/sign-in/elsewhere")
    assert left.location and left.location.startswith(provider.issuer)
    return client.get("/sign-in/elsewhere/back?" + urlencode(provider.let_in(left.location) | changes))


def test_given_a_group_with_a_role_then_its_member_is_in_and_has_an_account(
    client: FlaskClient, provider: Provider, sqlite_store: Store
) -> None:
    assert "Agri login" in client.get("/sign-in").text
    assert come_back(client, provider).location == "/"
    assert client.get("/review").status_code == 200 and client.get("/users").status_code == 403
    user = users.named(sqlite_store, "meera")
    assert user["role"] == "agronomist" and not user["password_hash"]
    # the same person again is the same account; a new group is a new role
    provider.claims["roles"] = ["agri-admin", "agri-label"]
    assert come_back(client, provider).location == "/"
    assert client.get("/users").status_code == 200
    assert len(users.listed(sqlite_store)) == 1
    assert {"user.add", "user.role", "sign_in"} <= {row["action"] for row in audit.entries(sqlite_store)}


@pytest.mark.parametrize(
    "how", ["no role", "wrong key", "wrong audience", "wrong issuer", "expired", "wrong nonce", "wrong state",
            "wrong code", "refused", "taken name", "shut", "bad name"],
)  # fmt: skip
def test_given_what_does_not_hold_then_nobody_is_in(
    client: FlaskClient, provider: Provider, sqlite_store: Store, how: str
) -> None:
    changes: dict[str, str] = {}
    if how == "no role":
        provider.claims["roles"] = ["others"]
    elif how == "wrong key":
        provider.wrong_key = True
    elif how == "wrong audience":
        provider.forge = {"aud": "somebody"}
    elif how == "wrong issuer":
        provider.forge = {"iss": "http://evil.example"}
    elif how == "expired":
        provider.forge = {"exp": int(time.time()) - 9_000}
    elif how == "wrong nonce":
        provider.forge = {"nonce": "another"}
    elif how == "wrong state":
        changes = {"state": "another"}
    elif how == "wrong code":
        changes = {"code": "another"}
    elif how == "refused":
        changes = {"error": "access_denied"}
    elif how == "taken name":
        centre.account(sqlite_store, "admin", "meera")
    elif how == "bad name":
        provider.claims["preferred_username"] = "<script>"
    elif how == "shut":
        come_back(client, provider)
        other = centre.account(sqlite_store, "admin", "boss")
        users.set_disabled(sqlite_store, users.named(sqlite_store, "meera"), True, other["name"], _now())
    answer = come_back(client, provider, **changes)
    assert answer.status_code == 302 and answer.location == "/sign-in"
    assert client.get("/").status_code == 302


def test_given_no_provider_then_there_is_no_such_way(sqlite_store: Store) -> None:
    client = centre.build(sqlite_store).test_client()
    assert client.get("/sign-in/elsewhere").status_code == client.get("/sign-in/elsewhere/back").status_code == 404


def test_given_a_provider_that_is_away_then_the_page_says_so(sqlite_store: Store) -> None:
    client = centre.build(sqlite_store, sign_in=SignInConfig("http://127.0.0.1:1", client_id="x")).test_client()
    assert client.get("/sign-in/elsewhere").location == "/sign-in"
    assert "does not answer" in client.get("/sign-in").text


def _now():
    from datetime import UTC, datetime

    return datetime.now(UTC)
