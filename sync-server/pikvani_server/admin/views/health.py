"""Whether the centre is well, for those who watch it."""

from __future__ import annotations

from flask import Blueprint, Response, abort, jsonify
from flask.typing import ResponseReturnValue
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from pikvani_server.admin.access import metrics_allowed
from pikvani_server.admin.centre import centre, store
from pikvani_server.errors import StoreAwayError

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 where database and broker answer, else 503."""
    state = {"database": True, "broker": centre().broker_ready()}
    try:
        store().ping()
    except StoreAwayError:
        state["database"] = False
    well = all(state.values())
    return jsonify(status="ok" if well else "unwell", **state), 200 if well else 503


@blueprint.get("/metrics")
def metrics() -> Response:
    """Prometheus text."""
    if not metrics_allowed():
        abort(401)
    return Response(generate_latest(centre().registry), content_type=CONTENT_TYPE_LATEST)
