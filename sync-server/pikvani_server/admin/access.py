"""Who may reach which route: one table. A route that is not in it is refused to everybody, and the application does not
even start with one."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from flask import Flask, abort, g, jsonify, redirect, request, url_for
from flask.typing import ResponseReturnValue

from pikvani_server.accounts import sessions, tokens
from pikvani_server.accounts.roles import Ability, may
from pikvani_server.accounts.sessions import Stage
from pikvani_server.admin import cookies
from pikvani_server.admin.centre import centre, now, store


@dataclass(frozen=True)
class Rule:
    """What a route asks of who comes.

    Attributes:
        ability: needed; None for none.
        stages: of the session; empty where no session is needed.
        programs: whether a token does as well as a session.
    """

    ability: Ability | None = None
    stages: tuple[Stage, ...] = ("full",)
    programs: bool = False


ANYBODY = Rule(stages=())
SIGNED_IN = Rule()


def _api(ability: Ability) -> Rule:
    return Rule(ability, programs=True)


RULES: dict[str, Rule] = {
    "static": ANYBODY,
    "health.healthz": ANYBODY,
    "health.metrics": ANYBODY,
    "signing.sign_in": ANYBODY,
    "signing.welcome": ANYBODY,
    "signing.preferences": ANYBODY,
    "elsewhere.leave": ANYBODY,
    "elsewhere.back": ANYBODY,
    "signing.code": Rule(stages=("code",)),
    "signing.sign_out": Rule(stages=("full", "code", "enrol")),
    "account.codes": Rule(stages=("full", "enrol")),
    "account.page": SIGNED_IN,
    "account.password": SIGNED_IN,
    "account.sign_out_everywhere": SIGNED_IN,
    "overview.page": Rule("see"),
    "fleet.page": Rule("see"),
    "fleet.device": Rule("see"),
    "fleet.place": Rule("tend"),
    "cases.page": Rule("see"),
    "drift.page": Rule("see"),
    "drift.alarm": Rule("see"),
    "drift.acknowledge": Rule("judge"),
    "drift.model": Rule("see"),
    "fairness.page": Rule("see"),
    "proposals.page": Rule("see"),
    "proposals.decide": Rule("judge"),
    "rollouts.page": Rule("see"),
    "rollouts.one": Rule("see"),
    "rollouts.act": Rule("roll_out"),
    "enrolment.page": Rule("tend"),
    "enrolment.act": Rule("tend"),
    "enrolment.batch": Rule("tend"),
    "review.page": Rule("label"),
    "review.give": Rule("label"),
    "review.photo": Rule("label"),
    "review.disputed": Rule("label"),
    "review.results": Rule("see"),
    "review.voice": Rule("label"),
    "privacy.page": Rule("erase"),
    "privacy.erase": Rule("erase"),
    "dead_letters.page": Rule("tend"),
    "work.page": Rule("tend"),
    "audit.page": Rule("govern"),
    "people.page": Rule("govern"),
    "people.add": Rule("govern"),
    "people.change": Rule("govern"),
    "people.add_token": Rule("govern"),
    "people.revoke_token": Rule("govern"),
    "api.description": ANYBODY,
    "api.cases": _api("see"),
    "api.case_counts": _api("see"),
    "api.fleet": _api("see"),
    "api.devices": _api("see"),
    "api.device": _api("see"),
    "api.drift_alarms": _api("see"),
    "api.drift_alarm": _api("see"),
    "api.acknowledge": _api("judge"),
    "api.fairness": _api("see"),
    "api.proposals": _api("see"),
    "api.review": _api("see"),
    "api.dead_letters": _api("tend"),
    "api.audit": _api("govern"),
}
"""By endpoint."""


def protect(app: Flask) -> None:
    """Guard every request of the application.

    Raises:
        RuntimeError: a route has no rule, or a rule no route.
    """
    routes = {rule.endpoint for rule in app.url_map.iter_rules()}
    if unlike := routes ^ set(RULES):
        raise RuntimeError(f"routes and access rules differ: {', '.join(sorted(unlike))}")
    app.before_request(_guard)


def _guard() -> ResponseReturnValue | None:
    endpoint = request.endpoint
    if endpoint is None:
        return None  # there is no such page, or it does not take this method: nothing to guard
    rule = RULES.get(endpoint)
    if rule is None:
        abort(403)
    if endpoint in ("static", "health.healthz"):
        return None
    if endpoint.startswith("api.") and rule.programs:
        return _guard_api(rule)
    _find_visitor()
    if not rule.stages:
        return None
    who = g.visitor
    if who is None:
        return _sign_in_first()
    if who.stage not in rule.stages:
        return redirect(url_for({"code": "signing.code", "enrol": "account.codes"}.get(who.stage, "overview.page")))
    if rule.ability and not may(who.role, rule.ability):
        abort(403)
    return None


def _find_visitor() -> None:
    cookie = cookies.session()
    g.visitor = sessions.find(store(), cookie, now()) if cookie else None


def _guard_api(rule: Rule) -> ResponseReturnValue | None:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    role = ""
    if kind:
        g.program = tokens.find(store(), secret.strip(), now()) if kind.casefold() == "bearer" else None
        role = g.program.role if g.program else ""
    else:
        _find_visitor()
        # A page may read with its session; what changes something needs a token, which no other site can send.
        if g.visitor and g.visitor.stage == "full" and request.method in ("GET", "HEAD"):
            role = g.visitor.role
    if not role:
        answer = jsonify(error="give a token: `Authorization: Bearer ...`; an admin makes one under Users")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="pikvani"'
        return answer, 401
    if rule.ability and not may(role, rule.ability):
        return jsonify(error=f"the role {role} may not do this"), 403
    return None


def metrics_allowed() -> bool:
    """Whether this request may read `/metrics`."""
    if centre().web.open_metrics:
        return True
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return kind.casefold() == "bearer" and tokens.find(store(), secret.strip(), now()) is not None


def _sign_in_first() -> ResponseReturnValue:
    if request.method not in ("GET", "HEAD"):
        abort(401)
    if request.headers.get("X-Live"):
        abort(401)  # a page that brings itself up to date: it reloads and is then sent to sign in
    wanted = request.full_path.rstrip("?")
    return redirect(url_for("signing.sign_in") + ("?next=" + quote(wanted) if wanted != "/" else ""))
