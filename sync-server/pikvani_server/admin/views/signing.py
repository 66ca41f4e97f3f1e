"""Signing in and out, the first password, language and theme."""

from __future__ import annotations

import math

from flask import Blueprint, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from pikvani_server.accounts import codes, sessions, users
from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.signing_in import sign_in as try_sign_in
from pikvani_server.accounts.signing_in import stage_of
from pikvani_server.admin import cookies
from pikvani_server.admin.catalogue import LOCALES, t
from pikvani_server.admin.centre import centre, now, store, visitor

blueprint = Blueprint("signing", __name__)


@blueprint.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> ResponseReturnValue:
    """Name and password."""
    if (who := visitor()) and who.stage == "full":
        return redirect(inside(request.args.get("next")))
    wanted = inside(request.values.get("next"))
    if request.method == "GET":
        return _form(wanted)
    form = request.form
    outcome = try_sign_in(
        store(), form.get("name", ""), form.get("password", ""), address(), agent(), now(), centre().web.code_roles
    )
    if outcome.wait:
        minutes = max(1, math.ceil(outcome.wait.total_seconds() / 60))
        page = _form(wanted, t("Too many tries. Wait {minutes} minutes.", minutes=minutes))
        return page, 429, {"Retry-After": str(int(outcome.wait.total_seconds()))}
    if not outcome.cookie:
        return _form(wanted, t("Name or password is wrong.")), 401
    target = {"code": url_for("signing.code", next=wanted), "enrol": url_for("account.codes")}
    answer = redirect(target.get(outcome.stage, wanted))
    cookies.set_session(answer, outcome.cookie)
    return answer


@blueprint.route("/sign-in/code", methods=["GET", "POST"])
def code() -> ResponseReturnValue:
    """The second factor."""
    who, wanted = visitor(), inside(request.values.get("next"))
    assert who is not None
    if request.method == "GET":
        return render_template("code.html", bare=True, next=wanted, problem="")
    if not codes.accept(store(), who.user, request.form.get("code", ""), now()):
        problem = t("This code is wrong, was used already, or was tried too often.")
        return render_template("code.html", bare=True, next=wanted, problem=problem), 401
    answer = redirect(wanted)
    renew(answer, who)
    return answer


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session."""
    who = visitor()
    assert who is not None
    sessions.end(store(), who, now())
    cookies.say(t("You are signed out."))
    answer = redirect(url_for("signing.sign_in"))
    cookies.drop_session(answer)
    return answer


@blueprint.route("/welcome/<secret>", methods=["GET", "POST"])
def welcome(secret: str) -> ResponseReturnValue:
    """The one-time link: choose a password."""
    user = users.invited(store(), secret, now())
    if user is None:
        abort(404, "link")
    if request.method == "GET":
        return render_template("welcome.html", bare=True, user=user, problem="")
    password = request.form.get("password", "")
    try:
        if password != request.form.get("again", ""):
            raise AccountError(t("The two passwords differ."))
        users.set_password(store(), user, password, user["name"], now())
    except AccountError as error:
        return render_template("welcome.html", bare=True, user=user, problem=str(error)), 400
    stage = stage_of(user, centre().web.code_roles)
    answer = redirect(url_for({"code": "signing.code", "enrol": "account.codes"}.get(stage, "overview.page")))
    cookies.set_session(answer, sessions.start(store(), user, stage, address(), agent(), now()))
    return answer


@blueprint.post("/preferences")
def preferences() -> ResponseReturnValue:
    """Language and theme, kept in this browser."""
    language, theme = cookies.preferences()
    language, theme = request.form.get("language", language), request.form.get("theme", theme)
    if language not in LOCALES or theme not in cookies.THEMES:
        abort(400)
    answer = redirect(inside(request.form.get("next")))
    cookies.set_preferences(answer, language, theme)
    return answer


def renew(answer: Response, who: sessions.Visitor) -> None:
    """A full session in place of the one that was waiting: a new cookie, so that an old one is worth nothing."""
    cookie = sessions.start(store(), users.named(store(), who.name), "full", address(), agent(), now())
    sessions.drop(store(), who)
    cookies.set_session(answer, cookie)


def inside(path: str | None) -> str:
    """A path of these pages; the first page for anything else, so that no link leads away from here."""
    if not path or not path.startswith("/") or path.startswith(("//", "/\\")) or any(ord(c) < 33 for c in path):
        return url_for("overview.page")
    return path[:2_000]


def address() -> str:
    """Whence."""
    return request.remote_addr or ""


def agent() -> str:
    """With what."""
    return request.headers.get("User-Agent", "")


def _form(wanted: str, problem: str = "") -> str:
    here = centre().sign_in
    first = not users.any_usable(store())
    return render_template(
        "sign_in.html",
        bare=True,
        next=wanted,
        problem=problem,
        first=first,
        elsewhere=here.title if here.issuer else "",
    )
