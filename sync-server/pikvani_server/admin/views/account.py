"""One's own account: password, second factor, sessions."""

from __future__ import annotations

import io

import segno
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.accounts import codes, passwords, sessions, users
from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.limits import PAIR, take
from pikvani_server.admin import cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import now, store, visitor
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.admin.views.signing import address, agent, renew

blueprint = Blueprint("account", __name__, url_prefix="/account")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """What one can change oneself."""
    who = visitor()
    assert who is not None
    rows = sessions.of_user(store(), who.user, now())
    table = Table(
        "sessions",
        t("Where you are signed in"),
        [
            Column("here", t("This one"), lambda r: t("yes") if bytes(r["id"]) == who.session_id else ""),
            Column("agent", t("Browser"), lambda r: r["agent"], heads=True),
            Column("address", t("Address"), lambda r: r["address"]),
            Column("since", t("Since"), lambda r: r["created_at"], lambda r: words.since(r["created_at"])),
            Column("seen", t("Last seen"), lambda r: r["seen_at"], lambda r: words.since(r["seen_at"])),
        ],
        rows,
    )
    return shown("account.html", [table])


@blueprint.post("/password")
def password() -> ResponseReturnValue:
    """Choose a new password; everybody else with this account is signed out."""
    who, form = visitor(), request.form
    assert who is not None
    wait = take(store(), {f"own:{who.name}": PAIR}, now())
    if wait or not passwords.matches(who.user["password_hash"], form.get("old", "")):
        cookies.say(t("The present password is wrong, or was tried too often."), "bad")
        return redirect(url_for("account.page"))
    try:
        if form.get("password", "") != form.get("again", ""):
            raise AccountError(t("The two passwords differ."))
        users.set_password(store(), who.user, form.get("password", ""), who.name, now())
    except AccountError as error:
        cookies.say(str(error), "bad")
        return redirect(url_for("account.page"))
    cookies.say(t("The new password holds; other sessions have ended."))
    answer = redirect(url_for("account.page"))
    cookies.set_session(answer, sessions.start(store(), who.user, "full", address(), agent(), now()))
    return answer


@blueprint.route("/codes", endpoint="codes", methods=["GET", "POST"])
def codes_page() -> ResponseReturnValue:
    """Set up the second factor."""
    who = visitor()
    assert who is not None
    secret = codes.begin(store(), who.user)
    if not secret:
        cookies.say(t("Codes are set up already. An admin can reset them."), "plain")
        return redirect(url_for("account.page"))
    problem = ""
    if request.method == "POST":
        if codes.accept(store(), who.user, request.form.get("code", ""), now()):
            cookies.say(t("Codes are set up. You need one at every sign-in from now on."))
            answer = redirect(url_for("overview.page"))
            renew(answer, who)
            return answer
        problem = t("This code is wrong, was used already, or was tried too often.")
    drawn = io.BytesIO()
    segno.make(codes.address(who.user, secret), error="m").save(
        drawn,
        kind="svg",
        xmldecl=False,
        svgns=True,
        border=4,
        scale=1,
        omitsize=True,
        svgclass="qr",
        lineclass="qr-ink",
    )
    page = render_template(
        "codes.html",
        bare=who.stage != "full",
        drawing=Markup(drawn.getvalue().decode()),  # noqa: S704 - drawn by segno out of our own text
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)),
        problem=problem,
    )
    return page, 401 if problem else 200


@blueprint.post("/sign-out-everywhere")
def sign_out_everywhere() -> ResponseReturnValue:
    """End all of one's sessions, this one too."""
    who = visitor()
    assert who is not None
    sessions.end_all(store(), who.user, who.name, now())
    cookies.say(t("You are signed out everywhere."))
    answer = redirect(url_for("signing.sign_in"))
    cookies.drop_session(answer)
    return answer
