"""The Flask application: devices, cases, dead letters, `/healthz`, `/metrics`, `/api/v1`. Reads only.

There is no script on any page and nothing from another host; the content security policy says so too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, abort, jsonify, render_template, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from pikvani_contract import topics
from pikvani_contract.errors import ContractError
from pikvani_server.admin import words
from pikvani_server.errors import StoreAwayError
from pikvani_server.store import Store

MAX_API_ROWS = 10_000

_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(
    store: Store,
    registry: CollectorRegistry,
    broker_ready: Callable[[], bool],
    page_rows: int = 50,
    refresh_s: int = 10,
) -> Flask:
    """Build the application.

    Args:
        store: what is shown.
        registry: what `/metrics` says.
        broker_ready: whether the broker answers, for `/healthz`.
        page_rows: rows a table shows.
        refresh_s: seconds between two loads of a page.
    """
    app = Flask(__name__)
    app.jinja_env.filters.update(ago=words.ago, percent=words.percent, size=words.size)
    app.jinja_env.globals.update(refresh_s=refresh_s)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @app.errorhandler(StoreAwayError)
    def away(error: StoreAwayError) -> tuple[str, int]:
        return render_template("away.html", now=datetime.now(UTC), detail=str(error)), 503

    @app.get("/")
    def overview() -> str:
        return render_template(
            "overview.html",
            now=datetime.now(UTC),
            devices=store.devices(page_rows),
            cases=store.cases(page_rows),
            totals=store.totals(),
        )

    @app.get("/dead-letters")
    def dead_letters() -> str:
        return render_template(
            "dead_letters.html", now=datetime.now(UTC), letters=store.dead_letters(page_rows), totals=store.totals()
        )

    @app.get("/healthz")
    def healthz() -> tuple[Response, int]:
        state = {"database": True, "broker": broker_ready()}
        try:
            store.ping()
        except StoreAwayError:
            state["database"] = False
        well = all(state.values())
        return jsonify(status="ok" if well else "unwell", **state), 200 if well else 503

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    @app.get("/api/v1/cases")
    def api_cases() -> Response:
        found = store.cases(_limit(100), _device())
        return jsonify(counts=asdict(store.totals()), cases=[_plain(row) for row in found])

    @app.get("/api/v1/devices")
    def api_devices() -> Response:
        return jsonify(devices=[_plain(row) for row in store.devices(_limit(100))])

    @app.get("/api/v1/dead-letters")
    def api_dead_letters() -> Response:
        found = store.dead_letters(_limit(100), _device())
        return jsonify(dead_letters=[_plain(row) for row in found])

    return app


def _limit(default: int) -> int:
    limit = request.args.get("limit", default, type=int)
    if not 1 <= limit <= MAX_API_ROWS:
        abort(400, f"limit must be from 1 to {MAX_API_ROWS}")
    return limit


def _device() -> str | None:
    device_id = request.args.get("device")
    if device_id is None:
        return None
    try:
        return topics.check_device_id(device_id)
    except ContractError as error:
        abort(400, str(error))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON: times as ISO 8601, bytes as hexadecimal."""
    return {
        name: value.isoformat(timespec="milliseconds")
        if isinstance(value, datetime)
        else bytes(value).hex()
        if isinstance(value, (bytes, memoryview))
        else value
        for name, value in row.items()
    }
