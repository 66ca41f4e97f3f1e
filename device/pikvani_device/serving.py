"""Runs the appliance's long-lived parts in one process: pages on threads of waitress, the link on one of its own.

Under systemd it says when it is up, and feeds the watchdog while every loop lives: the pages answer a question over
their own socket, the link and the updates turn, no diagnosis hangs, and a camera that worked has not begun to hang.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from pikvani_contract.service import Service
from pikvani_device.app import Device
from pikvani_device.app.alarms import Alarms
from pikvani_device.app.announce import announce
from pikvani_device.app.instruments import keep_reading
from pikvani_device.app.parts import engines
from pikvani_device.errors import DeviceError

if TYPE_CHECKING:
    from pikvani_contract.packages import AnyPackage
    from pikvani_device.sync.publisher import Publisher
    from pikvani_device.update.engine import Engine

log = logging.getLogger(__name__)

_HOUSE_INTERVAL_S = 3_600.0
_ALARMS_INTERVAL_S = 300.0
_WATCH_INTERVAL_S = 60.0
_ORDERED_INTERVAL_S = 900.0
"""Between two tries of what the centre ordered; the link may have broken."""
_ALIVE_S = {"web": 30.0, "sync": 60.0, "enrol": 300.0, "update": 7_200.0}
"""How long each loop may be silent. An update may fetch megabytes over 2G between two turns."""
_PROBE_TIMEOUT_S = 10.0
_LINK_WAIT_S = 1.0


def serve(
    device: Device,
    web: bool,
    sync: bool,
    say: Callable[[str], None],
    update: bool = False,
    enrol: bool = False,
) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        device: what to run; the caller closes it.
        web: serve the pages.
        sync: drain the outbox to the centre, if the configuration lets it.
        update: look for signed updates and watch new models, if a source is configured.
        enrol: become known to the centre and stay so, if the configuration lets it.
        say: told `ready {json}` when everything is up: the device's id, its page and its broker.

    Raises:
        DeviceError: the address is taken, the model does not load, or the link's files do not fit.
    """
    stop = threading.Event()
    server = _web_server(device) if web else None

    def told(*_: object) -> None:
        stop.set()
        if server:
            # The loop of waitress ends on it and lets answers in the making be finished.
            raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)
    link = None
    if sync and device.config.sync.enabled:
        device.health.expect("sync", _ALIVE_S["sync"])
        publisher = _first_publisher(device)
        link = threading.Thread(target=_stay_linked, args=(device, publisher, stop), name="sync")
        link.start()
    if enrol and device.config.enrolment.dir:
        from pikvani_device.app.enrolment import keep_enrolled

        room, beat = device.enrolment, partial(device.health.beat, "enrol")
        device.health.expect("enrol", _ALIVE_S["enrol"])
        threading.Thread(target=keep_enrolled, args=(room, stop, beat), name="enrol", daemon=True).start()
    if update and device.config.update.source != "none":
        device.health.expect("update", _ALIVE_S["update"])
        threading.Thread(target=_keep_updated, args=(device, stop), name="update", daemon=True).start()
    threading.Thread(target=_keep_house, args=(device, stop), name="house", daemon=True).start()
    if web:
        # One process holds the lines, that of the kiosk: it prints, and knows the soil of a case.
        reading = (device.instruments, stop)
        threading.Thread(target=keep_reading, args=reading, name="instruments", daemon=True).start()
        threading.Thread(target=_keep_watch, args=(Alarms(device), stop), name="alarms", daemon=True).start()
    ready: dict[str, str] = {"device": device.config.device.id}
    if server:
        ready["web"] = f"http://{device.config.web.host}:{server.effective_port}"
        device.health.expect("web", _ALIVE_S["web"])
        announcer = announce(device.config, int(server.effective_port))
    if link:
        ready["broker"] = f"{device.config.sync.host}:{device.config.sync.port}"
    service = Service(device.health)
    with suppress(SystemExit):
        service.ready(partial(_probe, device, int(server.effective_port)) if server else None)
        say(f"ready {json.dumps(ready)}")
        if server:
            server.run()
        else:
            stop.wait()
    service.stopping()
    if server:
        if announcer:
            announcer.close()
        server.close()
    if link:
        link.join()


def _web_server(device: Device) -> Any:
    from waitress import create_server

    from pikvani_device.web import create_app

    settings = device.config.web
    device.pipeline.runtime  # noqa: B018 - a model that does not load must be known before the page is promised
    try:
        return create_server(
            create_app(device),
            host=settings.host,
            port=settings.port,
            threads=settings.threads,
            max_request_body_size=65 * 2**20,
            connection_limit=60,
            ident="pikvani",
        )
    except OSError as error:
        raise DeviceError(
            f"cannot listen on {settings.host}:{settings.port} ({error.strerror}); change web.host or web.port"
        ) from None


def _probe(device: Device, port: int) -> None:
    """Ask the pages over their own socket: the loop must take the question, and a thread be free to answer it."""
    host = device.config.web.host
    address = "127.0.0.1" if host in ("0.0.0.0", "") else "[::1]" if host == "::" else host  # noqa: S104
    # Through no proxy: it is this very process that is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{address}:{port}/livez", timeout=_PROBE_TIMEOUT_S) as answer:
            answer.read(64)
    except OSError as error:
        log.warning("the pages do not answer: %s", error)
        return
    device.health.beat("web")


def _first_publisher(device: Device) -> Publisher | None:
    """The link to begin with: what is wrong with it ends the start, unless an identity is yet to come."""
    return None if device.config.enrolment.dir else device.build_publisher()


def _stay_linked(device: Device, publisher: Publisher | None, stop: threading.Event) -> None:
    """Drain the outbox with the identity there is; wait while there is none, begin anew when it is another."""
    if publisher is not None:
        _drain(publisher, stop)
        return
    identity, said = device.enrolment.identity, ""
    while not stop.is_set():
        device.health.beat("sync")
        # Read before the files are: one that comes in between is seen as another.
        used, over = identity.folder.generation, threading.Event()
        if not identity.enrolled:
            stop.wait(_LINK_WAIT_S)
            continue
        try:
            publisher = device.build_publisher()
        except DeviceError as error:
            if str(error) != said:
                log.warning("no link for now: %s", error)
            said = str(error)
            stop.wait(_LINK_WAIT_S)
            continue
        worker = threading.Thread(target=_drain, args=(publisher, over), name="link")
        worker.start()
        while worker.is_alive() and not stop.wait(_LINK_WAIT_S) and identity.folder.generation == used:
            pass
        over.set()
        worker.join()


def _drain(publisher: Publisher, stop: threading.Event) -> None:
    try:
        publisher.run(stop)
    except Exception:
        # Without its link the appliance still answers; systemd restarts a process, not a thread.
        log.exception("the link to the centre stopped")
        os.kill(os.getpid(), signal.SIGTERM)


def _keep_updated(device: Device, stop: threading.Event) -> None:
    """Look every few hours, watch what is new every minute; a source that fails is asked again, later."""
    looked_s: dict[str, float] = {}
    births: dict[str, AnyPackage] = {}
    while True:
        device.health.beat("update")
        try:
            for name, engine in engines(device, births=births).items():
                device.health.beat("update")
                looked_s[name] = _keep_one_updated(device, name, engine, looked_s.get(name, -math.inf))
        except DeviceError as error:
            log.warning("no update for now: %s", error)
        except Exception:
            log.exception("an update stopped; what answers goes on")
        if stop.wait(_WATCH_INTERVAL_S):
            return


def _keep_one_updated(device: Device, name: str, engine: Engine, looked_s: float) -> float:
    """One turn of one package's updates; when it was last looked for."""
    try:
        engine.recover()
        orders = engine.state.order
        engine.obey()
        engine.watch()
        due_s = _ORDERED_INTERVAL_S if engine.ordered else device.config.update.check_hours * 3_600
        if engine.state.order == orders and time.monotonic() - looked_s <= due_s:
            return looked_s
        looked_s = time.monotonic()
        state = engine.run()
        log.info("update of %s: %s %s %s", name, state.phase, state.version, state.reason)
    except DeviceError as error:
        log.warning("no update of %s for now: %s", name, error)
    except Exception:
        # The packages after this one have their turn all the same.
        log.exception("the update of %s stopped; what answers goes on", name)
    return looked_s


def _keep_house(device: Device, stop: threading.Event) -> None:
    while True:
        try:
            # First: what is forgotten cannot be counted any more.
            device.say_sketches()
            device.forget_old()
        except DeviceError as error:
            log.warning("old cases and the day's sketch stay for now: %s", error)
        if stop.wait(_HOUSE_INTERVAL_S):
            return


def _keep_watch(alarms: Alarms, stop: threading.Event) -> None:
    while not stop.wait(_ALARMS_INTERVAL_S):
        try:
            if codes := alarms.watch():
                log.warning("alarms for the centre: %s", ", ".join(codes))
        except DeviceError as error:
            log.warning("alarms cannot be kept: %s", error)
