"""Users and tokens: an admin lets people and programs in and shuts them out."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, redirect, request, url_for
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from pikvani_server.accounts import sessions, tokens, users
from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.roles import ROLES
from pikvani_server.admin import cookies, words
from pikvani_server.admin.catalogue import t
from pikvani_server.admin.centre import actor, centre, now, store
from pikvani_server.admin.tables import Column, Table
from pikvani_server.admin.tables import page as shown
from pikvani_server.store.port import Found

blueprint = Blueprint("people", __name__, url_prefix="/users")


@blueprint.get("")
def page() -> ResponseReturnValue:
    """Who may sign in, and which programs may ask."""
    return shown("people.html", _tables(), users=users.listed(store()), roles=ROLES, secret="", secret_of="")


@blueprint.post("")
def add() -> ResponseReturnValue:
    """A new account; its one-time link is shown here and never again."""
    try:
        user = users.add(store(), request.form.get("name", ""), request.form.get("role", ""), actor(), now())
        secret = users.invite(store(), user, actor(), now())
    except AccountError as error:
        cookies.say(str(error), "bad")
        return redirect(url_for("people.page"))
    return _told(_link(secret), user["name"])


@blueprint.post("/<name>")
def change(name: str) -> ResponseReturnValue:
    """Reset, shut, open, give another role, sign out."""
    what = request.form.get("do", "")
    try:
        user = users.named(store(), name)
        if what == "reset":
            return _told(_link(users.invite(store(), user, actor(), now())), user["name"])
        acts: dict[str, Callable[[], object]] = {
            "disable": lambda: users.set_disabled(store(), user, True, actor(), now()),
            "enable": lambda: users.set_disabled(store(), user, False, actor(), now()),
            "role": lambda: users.set_role(store(), user, request.form.get("role", ""), actor(), now()),
            "codes": lambda: users.forget_codes(store(), user, actor(), now()),
            "sign_out": lambda: sessions.end_all(store(), user, actor(), now()),
        }
        if what not in acts:
            raise AccountError(t("That did not work."))
        acts[what]()
    except AccountError as error:
        cookies.say(str(error), "bad")
    else:
        cookies.say(t("Done: {name}.", name=user["name"]))
    return redirect(url_for("people.page"))


@blueprint.post("/tokens/add")
def add_token() -> ResponseReturnValue:
    """A token for a program; shown here and never again."""
    form = request.form
    try:
        days = int(form.get("days", "365"))
        secret = tokens.add(store(), form.get("name", ""), form.get("role", ""), days, actor(), now())
    except (AccountError, ValueError) as error:
        cookies.say(str(error), "bad")
        return redirect(url_for("people.page"))
    return _told(secret, form.get("name", ""))


@blueprint.post("/tokens/revoke")
def revoke_token() -> ResponseReturnValue:
    """End a token."""
    try:
        tokens.revoke(store(), int(request.form.get("number", "0")), actor(), now())
    except (AccountError, ValueError, OverflowError) as error:
        cookies.say(str(error), "bad")
    else:
        cookies.say(t("The token has ended."))
    return redirect(url_for("people.page"))


def _told(secret: str, of: str) -> ResponseReturnValue:
    return shown("people.html", _tables(), users=users.listed(store()), roles=ROLES, secret=secret, secret_of=of)


def _link(secret: str) -> str:
    path = url_for("signing.welcome", secret=secret)
    base = centre().web.address
    return base.rstrip("/") + path if base else request.host_url.rstrip("/") + path


def _tables() -> list[Table]:
    def state(row: Found) -> Markup:
        shut, usable = row["disabled"], row["has_password"] or row["oidc_subject"]
        text = t("shut") if shut else t("open") if usable else t("invited")
        return Markup('<span class="tag {}">{}</span>').format(
            "refuse" if shut else "answer" if usable else "more", text
        )

    def end(row: Found) -> Markup | str:
        return t("ended") if row["revoked_at"] or row["expires_at"] <= now() else words.since(row["expires_at"])

    return [
        Table(
            "users",
            t("Users"),
            [
                Column("name", t("Name"), lambda r: r["name"], heads=True),
                Column("role", t("Role"), lambda r: r["role"], lambda r: words.label("role", r["role"])),
                Column("state", t("State"), lambda r: "shut" if r["disabled"] else "open", state),
                Column("codes", t("Second factor"), lambda r: r["totp_confirmed"],
                       lambda r: t("yes") if r["totp_confirmed"] else t("no")),
                Column("sessions", t("Sessions"), lambda r: r["open_sessions"], numeric=True),
                Column("signed_in_at", t("Last signed in"), lambda r: r["signed_in_at"],
                       lambda r: words.since(r["signed_in_at"])),
            ],
            users.listed(store()),
        ),
        Table(
            "tokens",
            t("Tokens for programs"),
            [
                Column("number", t("Number"), lambda r: r["id"], numeric=True),
                Column("name", t("For"), lambda r: r["name"], heads=True),
                Column("role", t("Role"), lambda r: r["role"], lambda r: words.label("role", r["role"])),
                Column("made_by", t("Made by"), lambda r: r["created_by"]),
                Column("ends", t("Ends"), lambda r: r["expires_at"], end),
                Column("used", t("Last used"), lambda r: r["used_at"], lambda r: words.since(r["used_at"])),
            ],
            tokens.listed(store()),
            t("None yet."),
        ),
    ]  # fmt: skip
