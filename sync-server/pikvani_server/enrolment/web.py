"""Where a device without a certificate asks, over HTTPS: one address, one question. Nobody signs in here.

It is a listener of its own, on a port of its own: the pages of the centre stay where only people at the centre reach
them, and what strangers can reach does nothing but this.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask, Response, request
from gunicorn.app.base import BaseApplication
from werkzeug.exceptions import HTTPException

from pikvani_contract.enrolment import MAX_BYTES, pack
from pikvani_contract.health import Health
from pikvani_contract.service import Service
from pikvani_server.enrolment.desk import Desk
from pikvani_server.errors import ServerError, StoreAwayError
from pikvani_server.ingest.rate_limit import RateLimit

log = logging.getLogger(__name__)

PATH = "/v1/enrol"
_ALIVE_S = 30.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
_RATE_BYTES_S, _BURST_BYTES = 500.0, 100_000.0
"""One address: about twenty requests a minute for long, sixty at once; a technician brings a batch at a time."""


def create_app(desk: Desk) -> Flask:
    """The application: `POST /v1/enrol` takes a packed request and gives a packed answer.

    Returns:
        A Flask application. 200 granted, 403 refused (with the answer), 413 too long, 429 too often, 503 later.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES
    limit, lock = RateLimit(_RATE_BYTES_S, _BURST_BYTES), threading.Lock()

    @app.post(PATH)
    def enrol() -> Response:
        payload = request.get_data(cache=False)
        with lock:
            allowed = limit.allows(request.remote_addr or "", len(payload), time.monotonic())
        if not allowed:
            return Response("too many requests from this address; try again in a minute\n", 429, {"Retry-After": "60"})
        answer = desk.ask(payload, "https")
        return Response(pack(answer), 403 if answer.reason else 200, mimetype="application/octet-stream")

    @app.get("/livez")
    def livez() -> str:
        return "ok\n"

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return Response(f"{error.code} {error.name}\n", error.code or 500, mimetype="text/plain")

    @app.errorhandler(ServerError)
    def away(error: ServerError) -> Response:
        waits = {"Retry-After": "60"} if isinstance(error, StoreAwayError) else {}
        return Response("the centre cannot answer now; try again later\n", 503, waits)

    return app


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn with TLS, in this process and its workers.

    Args:
        make: builds the application, once in each worker.
        bind: host:port.
        cert_file: PEM with the chain; empty for plain HTTP behind a proxy of one's own.
        key_file: PEM.
        workers: processes.
    """

    def __init__(self, make: Callable[[], Flask], bind: str, cert_file: str, key_file: str, workers: int = 2) -> None:
        self._make = make
        self._options: dict[str, Any] = {
            "bind": bind,
            "workers": workers,
            "worker_class": "gthread",
            "threads": 4,
            "timeout": 30,
            "keepalive": 2,
            "limit_request_line": 1_024,
            "limit_request_fields": 40,
            "accesslog": None,
            "control_socket_disable": True,
        }
        if cert_file:
            self._options |= {"certfile": cert_file, "keyfile": key_file}
        self._options["when_ready"] = partial(_watched, cert_file)
        super().__init__()

    def load_config(self) -> None:
        """Hand the options to gunicorn."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application, in a worker."""
        return self._make()


def _watched(cert_file: str, arbiter: Any) -> None:
    """Tell systemd that the listener is up, and feed its watchdog while a worker answers over the listener itself."""
    health = Health()
    health.expect("enrolment", _ALIVE_S)
    host, port = arbiter.LISTENERS[0].getsockname()[:2]
    context = ssl.create_default_context(cafile=cert_file or None)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # our own certificate is what we look for, whoever signed it
    context.check_hostname = False
    url = f"http{'s' if cert_file else ''}://{_LOOPBACK.get(host, host)}:{port}/livez"

    def probe() -> None:
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(url, timeout=10) as answer:
                answer.read(16)
        except OSError as error:
            log.warning("the listener does not answer itself: %s", error)
            return
        health.beat("enrolment")

    Service(health).ready(probe)
