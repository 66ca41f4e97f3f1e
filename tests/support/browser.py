"""A real Chromium for tests of pages: opened headless, asked by axe-core, looked at by a person through screenshots.

Screenshots go to the folder PIKVANI_SCREENSHOTS names; without it none are made.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = os.environ.get("PIKVANI_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
TIMEOUT_MS = 60_000


def _missing() -> str | None:
    if not PROGRAM:
        return "Chromium is not installed: apt-get install chromium fonts-noto-core"
    for name in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(name) is None:
            return f"{name} is not installed: pip install -r requirements/dev.txt"
    return None


MISSING = _missing()


@contextmanager
def chromium(flags: Sequence[str] = ()) -> Iterator[Any]:
    """A playwright `Browser`; `flags` come on top of the usual ones."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=[*FLAGS, *flags], timeout=TIMEOUT_MS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def served(app: Any, threads: int = 4) -> Iterator[str]:
    """A WSGI application on a free loopback port; gives its address."""
    from waitress.server import create_server

    server = create_server(app, host="127.0.0.1", port=0, threads=threads)
    port = int(server.effective_port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        # Its loop notices a closed listener at the next event.
        with socket.socket() as knock:
            knock.settimeout(1)
            knock.connect_ex(("127.0.0.1", port))


def violations(page: Any, leave_out: Sequence[str] = (), only: Sequence[str] = ()) -> list[str]:
    """What axe-core finds on a page, a line an element; `leave_out` and `only` name rules."""
    from axe_playwright_python.sync_playwright import Axe

    options: dict[str, Any] = {"resultTypes": ["violations"], "rules": {name: {"enabled": False} for name in leave_out}}
    if only:
        options["runOnly"] = {"type": "rule", "values": list(only)}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node['html'][:160]} {node.get('failureSummary', '')[:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


def screenshot(page: Any, name: str, whole: bool = True) -> None:
    """Keep a picture of the page as `name`.png where PIKVANI_SCREENSHOTS is set."""
    folder = os.environ.get("PIKVANI_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=whole)
