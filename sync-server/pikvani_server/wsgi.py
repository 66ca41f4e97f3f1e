"""The pages alone, for any WSGI server and any number of its workers: `gunicorn 'pikvani_server.wsgi:create()'`.

They keep nothing in memory that another worker would need. Ingest, device status and the standing work run elsewhere:
`pikvani-server run` (with `web.port` of its own), `ingest` and `work`.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from flask import Flask
from prometheus_client import CollectorRegistry

from pikvani_server.app import build_pages, migrated_store
from pikvani_server.config import load_config

ENVIRONMENT = "PIKVANI_SERVER_CONFIG"


def create() -> Flask:
    """The application, configured by the TOML file that `PIKVANI_SERVER_CONFIG` names.

    Raises:
        ServerError: the file or the database cannot be used.
    """
    named = os.environ.get(ENVIRONMENT)
    config = load_config(Path(named) if named else None)
    store = migrated_store(config, threading.Event())
    # These workers have no broker; the parts that do answer for it themselves.
    return build_pages(config, store, CollectorRegistry(), lambda: True)
