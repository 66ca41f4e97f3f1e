"""Signing in by OpenID Connect, where it is configured: authorization code with PKCE, state and nonce, by Authlib."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Blueprint, Flask, Request, abort, current_app, redirect, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from itsdangerous import URLSafeTimedSerializer
from joserfc.errors import JoseError
from requests import RequestException

from pikvani_server.accounts import sessions
from pikvani_server.accounts import users as accounts
from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.roles import ROLES
from pikvani_server.accounts.secret import shared
from pikvani_server.admin import cookies
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import EXTENSION, Centre, centre, now, store
from pikvani_server.admin.views.signing import address, agent
from pikvani_server.errors import ConfigError, StoreAwayError
from pikvani_server.store import audit
from pikvani_server.store.port import Found
from pikvani_server.store.schema_accounts import users

log = logging.getLogger(__name__)

blueprint = Blueprint("elsewhere", __name__, url_prefix="/sign-in/elsewhere")
_CLIENT = "pikvani-elsewhere"
_TIMEOUT_S = 10


class WaySession(SecureCookieSessionInterface):
    """Flask's session for these routes alone: the state of a sign-in on its way, signed alike by every worker."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """None anywhere else, and while the database is away."""
        if not request.path.startswith("/sign-in/elsewhere"):
            return None
        try:
            return super().open_session(app, request)
        except StoreAwayError:
            return None

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer:
        """With the secret of the store."""
        here: Centre = app.extensions[EXTENSION]
        options = {"key_derivation": self.key_derivation, "digest_method": self.digest_method}
        return URLSafeTimedSerializer(
            shared(here.store), salt="pikvani.way", serializer=self.serializer, signer_kwargs=options
        )


@blueprint.get("")
def leave() -> ResponseReturnValue:
    """Go to the provider."""
    client = _client()
    try:
        answer: ResponseReturnValue = client.authorize_redirect(_way_back())
    except (RequestException, OAuthError, ValueError) as error:
        log.warning("the sign-in provider does not answer: %s", error)
        return _no(t("The provider does not answer. Sign in with a password, or try again."))
    return answer


@blueprint.get("/back")
def back() -> ResponseReturnValue:
    """Come back from it."""
    try:
        token = _client().authorize_access_token()
    except (RequestException, OAuthError, JoseError, ValueError, KeyError) as error:
        log.warning("signing in elsewhere failed: %s", error)
        return _no(t("The provider did not let you in."))
    claims: dict[str, Any] = dict(token.get("userinfo") or {})
    subject = f"{claims.get('iss', '')}|{claims.get('sub', '')}"
    role = role_of(claims)
    if not claims.get("sub") or role is None:
        return _no(t("Your account there has no role here. Ask an admin."))
    try:
        user = _account(subject, str(claims.get("preferred_username") or claims.get("email") or ""), role)
    except AccountError as error:
        return _no(str(error))
    if user["disabled"]:
        return _no(t("Your account is shut. Ask an admin."))
    answer = redirect(url_for("overview.page"))
    # A second factor is the provider's matter.
    cookies.set_session(answer, sessions.start(store(), user, "full", address(), agent(), now()))
    return answer


def role_of(claims: dict[str, Any]) -> str | None:
    """The first of admin to viewer that the claim's groups map to; None for none."""
    config = centre().sign_in
    found: Any = claims
    for part in config.role_claim.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    groups = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    roles = {config.roles[group] for group in groups if isinstance(group, str) and group in config.roles}
    return next((role for role in ROLES if role in roles), None)


def _account(subject: str, wanted: str, role: str) -> Found:
    """The account of a subject, made at its first sign-in; its role follows the provider's groups.

    Raises:
        AccountError: the name is that of another account, which signing in elsewhere must never take over.
    """
    found = store().read("looking for a user", sa.select(users).where(users.c.oidc_subject == subject))
    if found:
        user = found[0]
        if user["role"] != role:
            accounts.set_role(store(), user, role, "system", now())
        return user | {"role": role}
    name = accounts.check_name(wanted)
    with store().writing("adding a user") as connection:
        if connection.execute(sa.select(users.c.id).where(users.c.name == name)).first():
            raise AccountError(t("The name {name} is taken by another account. Ask an admin.", name=name))
        row = {"name": name, "role": role, "created_at": now(), "oidc_subject": subject}
        made = connection.execute(sa.insert(users).values(row).returning(*users.c)).mappings().one()
        audit.append(connection, "system", "user.add", name, {"role": role, "elsewhere": True}, now())
        return dict(made)


def _client() -> Any:
    config = centre().sign_in
    if not config.issuer:
        abort(404)
    shared(store())  # a database that is away is told here, not by a session that is missing
    known = current_app.extensions.get(_CLIENT)
    if known is None:
        known = OAuth(current_app).register(
            "elsewhere",
            client_id=config.client_id,
            client_secret=_secret(config.client_secret_file),
            server_metadata_url=config.issuer.rstrip("/") + "/.well-known/openid-configuration",
            client_kwargs={
                "scope": "openid profile email",
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "client_secret_basic" if config.client_secret_file else "none",
                "default_timeout": _TIMEOUT_S,
            },
        )
        current_app.extensions[_CLIENT] = known
    return known


def _secret(file: str) -> str | None:
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"sign_in.client_secret_file {file} cannot be read: {error.strerror}") from None


def _way_back() -> str:
    base = centre().web.address
    if base:
        return base.rstrip("/") + url_for("elsewhere.back")
    return url_for("elsewhere.back", _external=True)


def _no(text: str) -> ResponseReturnValue:
    cookies.say(text, "bad")
    return redirect(url_for("signing.sign_in"))
