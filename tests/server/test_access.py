"""Who reaches what: every route for every role and for nobody, forms that are not ours, and the way in."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pyotp
import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.support import centre
from tests.support.centre import client_of, cookie_of, form_token, send
from werkzeug.routing import Rule as Route

from pikvani_server.accounts import codes, tokens, users
from pikvani_server.accounts.roles import ROLES, may
from pikvani_server.admin.access import RULES, protect
from pikvani_server.config import WebConfig
from pikvani_server.store import Store, audit

VALUES = {
    "device_id": "village-1", "number": 1, "model": "leaf", "outbox": "00", "seq": "1", "name": "viewer",
    "secret": "none", "filename": "centre.css",
}  # fmt: skip
SAY_401 = ("signing.sign_in", "account.codes")
"""They answer so themselves to a wrong password or code."""
PASSWORD = "monsoon paper kettle nine"


@pytest.fixture
def app(sqlite_store: Store) -> Flask:
    return centre.build(sqlite_store)


def routes(app: Flask) -> list[tuple[Route, str]]:
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    return [
        (route, method) for route in app.url_map.iter_rules() for method in sorted(methods & (route.methods or set()))
    ]


def address(app: Flask, route: Route) -> str:
    with app.test_request_context():
        values = {name: VALUES.get(name, "1") for name in route.arguments}
        return app.url_map.bind("localhost").build(route.endpoint, values)


def ask(client: FlaskClient, method: str, path: str, token: str = "") -> int:
    data = {"csrf": token} if method != "GET" else None
    return client.open(path, method=method, data=data).status_code


def test_every_route_for_every_role(app: Flask, sqlite_store: Store) -> None:
    """A right answer may be anything but 401, 403 and a way to sign in; a wrong one must be one of these."""
    wrong = []
    centre.account(sqlite_store, "viewer")
    for role in (None, *ROLES):
        client = client_of(app, sqlite_store, role)
        for route, method in routes(app):
            rule, path = RULES[route.endpoint], address(app, route)
            if route.endpoint in ("signing.sign_out", "account.sign_out_everywhere", "people.change", "account.codes"):
                client.set_cookie(centre.SESSION, cookie_of(sqlite_store, role) if role else "")
            token = form_token(client, "/account" if role else "/sign-in") if method != "GET" else ""
            status = ask(client, method, path, token)
            signed_in = role is not None and "full" in rule.stages
            right = not rule.stages or (signed_in and (rule.ability is None or may(role or "", rule.ability)))
            if rule.programs and method != "GET":
                right = False  # needs a token whoever asks
            elsewhere = bool(rule.stages) and (role is None or "full" not in rule.stages)
            refused = (status in (401, 403) and route.endpoint not in SAY_401) or (status == 302 and elsewhere)
            if role is None and route.endpoint == "account.codes":
                refused = status in (302, 401)
            if refused == right:
                wrong.append((role, method, path, status))
            if role and rule.stages:  # what ended the session, or the account, must not hide the next answer
                client.set_cookie(centre.SESSION, cookie_of(sqlite_store, role))
    assert not wrong


def test_every_api_route_for_tokens_of_every_role(app: Flask, sqlite_store: Store) -> None:
    now = datetime.now(UTC)
    for role in ROLES:
        secret = tokens.add(sqlite_store, role, role, 1, "test", now)
        for route, method in routes(app):
            if not route.endpoint.startswith("api.") or route.endpoint == "api.description":
                continue
            told = app.test_client().open(
                address(app, route), method=method, headers={"Authorization": f"Bearer {secret}"}, json={}
            )
            ability = RULES[route.endpoint].ability
            assert ability and (told.status_code == 403) != may(role, ability), (role, route, told.status_code)
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {secret}"},
        {"Authorization": "x"},
    ):
        told = app.test_client().get("/api/v1/devices", headers=headers)
        assert told.status_code == 401 and "Bearer" in told.headers["WWW-Authenticate"]


def test_given_a_token_for_programs_then_it_opens_no_page(app: Flask, sqlite_store: Store) -> None:
    secret = tokens.add(sqlite_store, "x", "admin", 1, "test", datetime.now(UTC))
    headers = {"Authorization": f"Bearer {secret}"}
    assert app.test_client().get("/users", headers=headers).status_code == 302


def test_a_route_without_a_rule_keeps_the_application_from_starting(sqlite_store: Store) -> None:
    bare = Flask("bare")
    bare.add_url_rule("/secret", "secret", lambda: "x")
    with pytest.raises(RuntimeError, match="secret"):
        protect(bare)


def test_given_a_new_route_behind_the_guards_back_then_it_is_refused(app: Flask, sqlite_store: Store) -> None:
    app.add_url_rule("/late", "late", lambda: "secret")
    assert client_of(app, sqlite_store, "admin").get("/late").status_code == 403


@pytest.mark.parametrize("stage", ["code", "enrol"])
def test_given_half_a_sign_in_then_nothing_is_open_but_its_other_half(
    app: Flask, sqlite_store: Store, stage: str
) -> None:
    client = app.test_client()
    client.set_cookie(centre.SESSION, cookie_of(sqlite_store, "admin", stage=stage))  # type: ignore[arg-type]
    for path in ("/", "/users", "/audit", "/account", "/review/photo/a/00/1.jpg"):
        answer = client.get(path)
        assert answer.status_code == 302 and answer.location in ("/sign-in/code", "/account/codes")
    assert client.get("/api/v1/devices").status_code == 401


def _admin_by_password(store: Store) -> str:
    user = centre.account(store, "admin")
    users.set_password(store, user, PASSWORD, "test", datetime.now(UTC))
    return codes.begin(store, user)


def test_the_whole_way_in_for_an_admin(app: Flask, sqlite_store: Store) -> None:
    # given a one-time link
    now = datetime.now(UTC)
    secret = users.invite(sqlite_store, centre.account(sqlite_store, "admin"), "test", now)
    client = app.test_client()
    # when a password is chosen, then codes must be set up before anything opens
    path = f"/welcome/{secret}"
    assert send(client, path, path, password="short", again="short").status_code == 400
    assert send(client, path, path, password=PASSWORD, again=PASSWORD + "x").status_code == 400
    answer = send(client, path, path, password=PASSWORD, again=PASSWORD)
    assert answer.location == "/account/codes" and client.get(path).status_code == 404
    page = client.get("/account/codes").text
    key = re.search(r"<code>([A-Z2-7 ]+)</code>", page)
    assert key and "<svg" in page
    totp = pyotp.TOTP(key[1].replace(" ", ""))
    assert send(client, "/account/codes", "/account/codes", code="000 000").status_code in (401, 302)
    assert send(client, "/account/codes", "/account/codes", code=totp.at(now)).location == "/"
    assert client.get("/users").status_code == 200
    # when signing in again, then password and a fresh code are asked for
    assert send(client, "/sign-out").location == "/sign-in"
    assert client.get("/users").status_code == 302
    answer = send(client, "/sign-in", "/sign-in", name="admin", password=PASSWORD, next="/users")
    assert answer.location == "/sign-in/code?next=/users"
    assert client.get("/users").status_code == 302
    again = send(client, "/sign-in/code", "/sign-in/code", code=totp.at(now), next="/users")
    assert again.status_code == 401, "a code works once"
    later = send(client, "/sign-in/code", "/sign-in/code", code=totp.at(now.timestamp() + 30), next="/users")
    assert later.location == "/users" and client.get("/users").status_code == 200


@pytest.mark.parametrize(
    "next_page", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", ""]
)
def test_given_a_link_that_leads_away_then_signing_in_leads_home(
    app: Flask, sqlite_store: Store, next_page: str
) -> None:
    user = centre.account(sqlite_store, "viewer")
    users.set_password(sqlite_store, user, PASSWORD, "test", datetime.now(UTC))
    client = app.test_client()
    answer = send(client, "/sign-in", "/sign-in", name="viewer", password=PASSWORD, next=next_page)
    assert answer.location == "/"


def test_given_guesses_then_the_page_says_wait(app: Flask, sqlite_store: Store) -> None:
    _admin_by_password(sqlite_store)
    client = app.test_client()
    statuses = [send(client, "/sign-in", "/sign-in", name="admin", password=f"guess {n}").status_code for n in range(6)]
    assert statuses == [401] * 5 + [429]
    # another worker knows it too
    other = centre.build(sqlite_store).test_client()
    answer = send(other, "/sign-in", "/sign-in", name="admin", password=PASSWORD)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0


def test_the_session_cookie_is_for_this_host_over_https_and_no_script(app: Flask, sqlite_store: Store) -> None:
    user = centre.account(sqlite_store, "viewer")
    users.set_password(sqlite_store, user, PASSWORD, "test", datetime.now(UTC))
    answer = send(app.test_client(), "/sign-in", "/sign-in", name="viewer", password=PASSWORD)
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if "session" in c)
    assert cookie.startswith("__Host-pikvani-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; ")) and "Domain" not in cookie
    plain = centre.build(sqlite_store, WebConfig(secure_cookies=False)).test_client()
    answer = send(plain, "/sign-in", "/sign-in", name="viewer", password=PASSWORD)
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if "session" in c)
    assert "Secure" not in cookie and cookie.startswith("pikvani-session=")


@pytest.mark.parametrize(
    "how", ["none", "wrong", "of another browser", "of another session", "from another site", "old"]
)
def test_given_a_form_that_is_not_ours_then_nothing_happens(
    app: Flask, sqlite_store: Store, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(app, sqlite_store, "admin")
    token, headers = form_token(client), {}
    if how == "none":
        token = ""
    elif how == "wrong":
        token = token[:-4] + "aaaa"
    elif how == "of another browser":
        token = form_token(client_of(app, sqlite_store, "admin"))
    elif how == "of another session":
        client.set_cookie(centre.SESSION, cookie_of(sqlite_store, "admin"))
    elif how == "from another site":
        headers = {"Sec-Fetch-Site": "cross-site"}
    else:
        monkeypatch.setattr("pikvani_server.admin.csrf._AGE_S", -1)
    data = {"csrf": token, "name": "mallory", "role": "admin"}
    assert client.post("/users", data=data, headers=headers).status_code == 400
    assert users.find(sqlite_store, "mallory") is None


def test_given_an_admin_then_people_and_programs_are_let_in_and_shut_out(app: Flask, sqlite_store: Store) -> None:
    client = client_of(app, sqlite_store, "admin")
    told = send(client, "/users", name="ravi", role="technician").text
    link = re.search(r"<code>http://localhost(/welcome/[^<]+)</code>", told)
    assert link and app.test_client().get(link[1]).status_code == 200
    ravi = client_of(app, sqlite_store, "technician", "ravi")
    assert ravi.get("/work").status_code == 200
    send(client, "/users/ravi", do="role", role="viewer")
    assert ravi.get("/work").status_code == 302, "a new role ends old sessions"
    ravi = client_of(app, sqlite_store, None, None)
    ravi.set_cookie(centre.SESSION, cookie_of(sqlite_store, "viewer", "ravi"))
    send(client, "/users/ravi", do="disable")
    assert ravi.get("/").status_code == 302
    assert send(client, "/users/admin", do="disable").status_code == 302
    assert "last admin" in centre.said(client)
    secret = re.search(
        r"<code>(pikvani_[^<]+)</code>", send(client, "/users/tokens/add", name="x", role="viewer", days=3).text
    )
    headers = {"Authorization": f"Bearer {secret[1] if secret else ''}"}
    assert app.test_client().get("/api/v1/fleet", headers=headers).status_code == 200
    send(client, "/users/tokens/revoke", number=1)
    assert app.test_client().get("/api/v1/fleet", headers=headers).status_code == 401
    actions = {row["action"] for row in audit.entries(sqlite_store) if row["actor"] == "admin"}
    assert {"user.add", "user.invite", "user.role", "user.disable", "token.add", "token.revoke"} <= actions
    assert audit.verify(sqlite_store).sound


def test_given_ones_own_account_then_the_password_changes_and_other_places_are_signed_out(
    app: Flask, sqlite_store: Store
) -> None:
    user = centre.account(sqlite_store, "viewer")
    users.set_password(sqlite_store, user, PASSWORD, "test", datetime.now(UTC))
    here, there = client_of(app, sqlite_store, "viewer"), client_of(app, sqlite_store, "viewer")
    new = PASSWORD + " new"
    send(here, "/account/password", old="wrong", password=new, again=new)
    assert "wrong" in centre.said(here) and there.get("/").status_code == 200
    send(here, "/account/password", old=PASSWORD, password=new, again=new)
    assert here.get("/").status_code == 200 and there.get("/").status_code == 302
    there = client_of(app, sqlite_store, "viewer")
    send(here, "/account/sign-out-everywhere")
    assert here.get("/").status_code == 302 and there.get("/").status_code == 302


def test_given_nobody_yet_then_the_sign_in_page_says_how_to_begin(app: Flask) -> None:
    assert "pikvani-server users add" in app.test_client().get("/sign-in").text


def test_given_a_huge_form_then_it_is_refused(app: Flask, sqlite_store: Store) -> None:
    client = client_of(app, sqlite_store, "admin")
    assert client.post("/users", data={"name": "x" * 200_000}).status_code == 413


def test_the_menu_shows_what_opens(app: Flask, sqlite_store: Store) -> None:
    for role in ROLES:
        client = client_of(app, sqlite_store, role)
        nav = re.search(r'<nav id="nav".*?</nav>', client.get("/").text, re.S)
        assert nav
        links = re.findall(r'href="([^"]+)"', nav[0])
        assert len(links) >= 6 and all(client.get(link).status_code == 200 for link in links)
