"""The composition root: builds the centre out of its parts and runs it until told to stop."""

from __future__ import annotations

import gc
import json
import logging
import multiprocessing
import multiprocessing.context
import multiprocessing.synchronize
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from flask import Flask
from prometheus_client import CollectorRegistry, start_http_server
from waitress.server import create_server

from pikvani_contract.health import Health
from pikvani_contract.service import Service
from pikvani_server.admin import create_app
from pikvani_server.background import Background, WorkSettings
from pikvani_server.broker.embedded import WARNING, EmbeddedBroker
from pikvani_server.config import Config
from pikvani_server.enrolment.building import build_listener
from pikvani_server.enrolment.listener import IdentityListener
from pikvani_server.errors import ServerError, StoreAwayError
from pikvani_server.fleet.collector import FleetCollector
from pikvani_server.fleet.listener import StatusListener
from pikvani_server.ingest.metrics import IngestMetrics
from pikvani_server.ingest.worker import IngestSettings, IngestWorker
from pikvani_server.link import BrokerAddress
from pikvani_server.privacy import ledger
from pikvani_server.rollout.blocks import BlockService
from pikvani_server.rollout.service import RolloutService
from pikvani_server.store import Store, open_store

log = logging.getLogger(__name__)

Part = IngestWorker | StatusListener | IdentityListener | Background | BlockService | RolloutService
"""What runs in a thread of its own until it is stopped."""

_Event = threading.Event | multiprocessing.synchronize.Event
_HOUR_S = 3_600.0
_WEB_THREADS = 4
_RESTART_DELAY_S = 2.0
_COLLECT_AFTER = 50_000
"""Objects made before a worker looks for circles: a group is some ten thousand, and none of them is in a circle."""
_ALIVE_S = {
    "IngestWorker": 60.0,
    "StatusListener": 60.0,
    "IdentityListener": 60.0,
    "Background": 6 * _HOUR_S,
    "BlockService": 60.0,
    "RolloutService": 600.0,
    "main": 30.0,
}
"""How long each loop may be silent before systemd is no longer told that all is well; a job may build a model."""


def broker_address(config: Config) -> BrokerAddress:
    """The broker a configuration names."""
    broker = config.broker
    return BrokerAddress(broker.host, broker.port, broker.ca_file, broker.cert_file, broker.key_file)


def ingest_settings(config: Config) -> IngestSettings:
    """The part of a configuration a worker needs."""
    ingest = config.ingest
    return IngestSettings(
        name=ingest.name,
        group_records=ingest.group_records,
        group_wait_ms=ingest.group_wait_ms,
        window_messages=ingest.window_messages,
        session_expiry_s=ingest.session_expiry_s,
        rate_bytes_s=ingest.rate_bytes_s,
        burst_bytes=ingest.burst_bytes,
    )


def migrated_store(config: Config, stopping: threading.Event) -> Store:
    """Open and migrate the database, waiting for one that is away."""
    store = open_store(config.database_url)
    while True:
        try:
            store.migrate()
            if again := ledger.replay(store, config.ledger_file):
                log.warning("%d erasures that this database did not know are done again: was it restored?", again)
            return store
        except StoreAwayError as error:
            log.warning("%s", error)
            if stopping.wait(_RESTART_DELAY_S):
                raise


def run_centre(config: Config, say: Callable[[str], None]) -> None:
    """Broker if wanted, one ingest worker, status listener and pages in one process, until SIGTERM or SIGINT.

    Args:
        config: what to run.
        say: prints a line; the last one before waiting is `ready {json}`.

    Raises:
        ServerError: something could not be started.
    """
    stopping = stop_on_signal()
    with ExitStack() as closing:
        address = broker_address(config)
        if config.broker.embedded:
            embedded = EmbeddedBroker(Path(config.data_dir), config.broker.port)
            embedded.start()
            closing.callback(embedded.stop)
            address = BrokerAddress(embedded.host, embedded.port)
            say(WARNING)
        store = migrated_store(config, stopping)
        closing.callback(store.close)
        registry = CollectorRegistry()
        worker = IngestWorker(store, address, ingest_settings(config), 0, IngestMetrics(registry))
        listener = StatusListener(store, address, config.ingest.name)
        pages = build_pages(
            config, store, registry, lambda: worker.link.ready.is_set() and listener.link.ready.is_set()
        )
        try:
            web = create_server(pages, host=config.web.host, port=config.web.port, threads=_WEB_THREADS)
        except OSError as error:
            raise ServerError(
                f"the pages cannot listen on {config.web.host}:{config.web.port}: {error.strerror}; "
                "choose another port with --port, 0 for a free one"
            ) from error
        closing.callback(web.close)
        threading.Thread(target=web.run, name="web", daemon=True).start()
        parts: list[Part] = [worker, listener]
        if config.enrolment.authorities_dir:
            parts.append(build_listener(config, store, address))
        if config.updates.serve:
            parts += update_parts(config, store, address)
        if config.learning.work:
            parts.append(Background(store, work_settings(config)))
        health = Health()
        service = Service(health)
        threads = [_start(part, closing, health) for part in parts]
        _wait_ready([worker.link.ready, listener.link.ready], stopping)
        if not stopping.is_set():
            ready = {
                "web": f"http://{config.web.host}:{web.effective_port}",
                "broker": f"{address.host}:{address.port}",
            }
            health.expect("main", _ALIVE_S["main"])
            service.ready()
            say(f"ready {json.dumps(ready)}")
        closing.callback(service.stopping)
        pruned_s = time.monotonic()
        while not stopping.wait(1.0):
            health.beat("main")
            if not all(thread.is_alive() for thread in threads):
                raise ServerError("a part of the centre ended by itself, see the log; start it again")
            if time.monotonic() - pruned_s > _HOUR_S:
                pruned_s = time.monotonic()
                _keep_house(store, config)


def build_pages(config: Config, store: Store, registry: CollectorRegistry, broker_ready: Callable[[], bool]) -> Flask:
    """The pages over a store; `registry` is what `/metrics` says beside the state of the fleet."""
    FleetCollector(store, registry)
    return create_app(store, registry, broker_ready, config.web, config.sign_in)


def _start(part: Part, closing: ExitStack, health: Health) -> threading.Thread:
    """Run a part in a thread of its own; it is stopped and waited for when `closing` unwinds."""
    _watch(part, health)
    thread = threading.Thread(target=part.run, name=type(part).__name__)
    thread.start()
    closing.callback(thread.join)
    closing.callback(part.stop)
    return thread


def _watch(part: Part, health: Health) -> None:
    """From now on `health` expects signs of life of this part."""
    name = type(part).__name__
    health.expect(name, _ALIVE_S[name])
    part.beat = lambda: health.beat(name)


def work_settings(config: Config) -> WorkSettings:
    """The part of a configuration the standing work needs."""
    learning = config.learning
    intervals = {"review": learning.review_interval_s, "drift": learning.drift_interval_s}
    intervals |= {"counts": learning.counts_interval_s, "erase": config.privacy.erase_interval_s}
    return WorkSettings(
        intervals | {"propose": learning.propose_interval_s, "house": int(_HOUR_S)},
        learning.pipeline,
        config.candidates_dir,
        config.database.dead_letter_days,
        config.ledger_file,
        config.privacy.thumbnail_days,
        config.privacy.voice_days,
    )


def run_work(config: Config, say: Callable[[str], None]) -> None:
    """The standing work alone, until SIGTERM or SIGINT."""
    stopping = stop_on_signal()
    store = migrated_store(config, stopping)
    background = Background(store, work_settings(config))
    health = Health()
    service = Service(health)
    _watch(background, health)
    thread = threading.Thread(target=background.run, name="work")
    thread.start()
    service.ready()
    say(f"ready {json.dumps({'work': os.getpid()})}")
    while not stopping.wait(0.5) and thread.is_alive():
        pass
    service.stopping()
    background.stop()
    thread.join()
    store.close()


def update_parts(config: Config, store: Store, address: BrokerAddress) -> list[BlockService | RolloutService]:
    """What serves updates: roll-outs, and blocks where there is a repository to serve."""
    updates = config.updates
    parts: list[BlockService | RolloutService] = [RolloutService(store, address, updates.name, updates.interval_s)]
    if updates.repository:
        folder = Path(updates.repository)
        parts.append(BlockService(folder, address, updates.name, updates.rate_bytes_s, updates.burst_bytes))
    return parts


def run_updates(config: Config, say: Callable[[str], None]) -> None:
    """Blocks and roll-outs alone, until SIGTERM or SIGINT.

    Raises:
        ServerError: a part ended by itself.
    """
    stopping = stop_on_signal()
    with ExitStack() as closing:
        store = migrated_store(config, stopping)
        closing.callback(store.close)
        health = Health()
        service = Service(health)
        parts = update_parts(config, store, broker_address(config))
        threads = [_start(part, closing, health) for part in parts]
        _wait_ready([part.link.ready for part in parts], stopping)
        service.ready()
        say(f"ready {json.dumps({'updates': os.getpid()})}")
        closing.callback(service.stopping)
        while not stopping.wait(1.0):
            if not all(thread.is_alive() for thread in threads):
                raise ServerError("a part of the update service ended by itself, see the log; start it again")


def run_broker(data_dir: Path, port: int, say: Callable[[str], None]) -> None:
    """The embedded broker alone, until SIGTERM or SIGINT."""
    stopping = stop_on_signal()
    broker = EmbeddedBroker(data_dir, port)
    broker.start()
    say(WARNING)
    say(f"ready {json.dumps({'broker': f'{broker.host}:{broker.port}'})}")
    try:
        stopping.wait()
    finally:
        broker.stop()


def run_ingest(config: Config, workers: int, say: Callable[[str], None]) -> None:
    """Workers on the shared subscription, until SIGTERM or SIGINT.

    One worker is this process; of several, each is a process of its own and is started again when it dies.
    """
    stopping = stop_on_signal()
    migrated_store(config, stopping).close()
    if workers == 1:
        _work(config, 0, lambda: say(f"ready {json.dumps({'workers': [os.getpid()]})}"))
        return
    spawn = multiprocessing.get_context("spawn")

    def start(number: int) -> multiprocessing.context.SpawnProcess:
        ready = spawn.Event()
        process = spawn.Process(target=_work, args=(config, number, ready.set), name=f"ingest-{number}")
        process.start()
        readies[number] = ready
        return process

    readies: dict[int, multiprocessing.synchronize.Event] = {}
    processes = [start(number) for number in range(workers)]
    try:
        _wait_ready(list(readies.values()), stopping)
        health = Health()
        service = Service(health)
        if not stopping.is_set():
            health.expect("main", _ALIVE_S["main"])
            service.ready()
            say(f"ready {json.dumps({'workers': [process.pid for process in processes]})}")
        while not stopping.wait(1.0):
            health.beat("main")
            for number, process in enumerate(processes):
                if not process.is_alive():
                    log.warning("%s ended with %s and is started again", process.name, process.exitcode)
                    stopping.wait(_RESTART_DELAY_S)
                    processes[number] = start(number)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()


def _work(config: Config, number: int, announce: Callable[[], object]) -> None:
    """One worker, in this process. It ends when its parent does, and with an error when its thread does.

    Args:
        config: of the centre.
        number: which worker, from 0.
        announce: called once it is connected and subscribed.
    """
    stopping = stop_on_signal()
    registry = CollectorRegistry()
    if config.ingest.metrics_port:
        start_http_server(config.ingest.metrics_port + number, config.ingest.metrics_host, registry)
    store = open_store(config.database_url)
    worker = IngestWorker(store, broker_address(config), ingest_settings(config), number, IngestMetrics(registry))
    health = Health()
    # Of several workers, the process above them is the one systemd watches.
    service = Service(health, os.environ if multiprocessing.parent_process() is None else {})
    _watch(worker, health)
    gc.freeze()  # what stands here stays; and what comes with a group of results goes with it
    gc.set_threshold(_COLLECT_AFTER)
    thread = threading.Thread(target=worker.run, name="ingest")
    thread.start()
    parent = multiprocessing.parent_process()
    announced = False
    while not stopping.wait(0.2):
        if not announced and worker.link.ready.is_set():
            announced = True
            service.ready()
            announce()
        if not thread.is_alive() or (parent is not None and not parent.is_alive()):
            break
    ended_by_itself = not thread.is_alive()
    service.stopping()
    worker.stop()
    thread.join()
    store.close()
    if ended_by_itself:
        raise SystemExit(1)


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call it in the main thread."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping


def _wait_ready(events: Sequence[_Event], stopping: threading.Event) -> None:
    warned_s = time.monotonic() + 10
    while not stopping.is_set() and not all(event.is_set() for event in events):
        if time.monotonic() > warned_s:
            log.warning("still waiting for the broker: check [broker] host and port, and that it speaks MQTT 5")
            warned_s += 30
        stopping.wait(0.02)


def _keep_house(store: Store, config: Config) -> None:
    try:
        pruned = store.prune_dead_letters(config.database.dead_letter_days)
    except StoreAwayError as error:
        log.warning("%s", error)
    else:
        if pruned:
            log.info("%d old dead letters were deleted", pruned)
