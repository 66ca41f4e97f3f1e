"""Gives devices the pieces of the signed repository they ask for, over MQTT. Keeps no state: any number may run.

What is served is public to devices; what it is worth, they judge by its signatures. A device gets what it asked for and
nothing more, so a slow link is never filled; one that asks for too much is not answered for a while.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pikvani_contract import topics
from pikvani_contract.errors import ContractError
from pikvani_contract.messages import SCHEMA, Ask, Blocks, Piece
from pikvani_contract.wire import pack, unpack
from pikvani_server.ingest.rate_limit import RateLimit
from pikvani_server.link import BrokerAddress, Link

log = logging.getLogger(__name__)

SHARE = "blocks"
"""Name of the shared subscription: the broker gives each ask to one of its members."""
BLOCK_BYTES = 4_096
"""In one message: a cut of the link wastes half of it on average."""
_AREAS = ("metadata", "targets")
_WINDOW = 200
_MAX_PATH = 400


class RepositoryFiles:
    """The two folders of a repository that devices read.

    Args:
        folder: holds `metadata/` and `targets/`; whatever else lies there is not served.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, offset: int, length: int) -> tuple[int, bytes]:
        """Size of a file and a piece of it; `(-1, b"")` where there is none that may be served."""
        area, _, name = path.partition("/")
        if area not in _AREAS or not name or "\0" in path or len(path) > _MAX_PATH:
            return -1, b""
        root = (self._folder / area).resolve()
        try:
            file = (root / name).resolve()
            if not file.is_relative_to(root) or not file.is_file() or any(p.startswith(".") for p in file.parts[-2:]):
                return -1, b""
            handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                size = os.fstat(handle).st_size
                data = bytearray()
                # A file is replaced whole, never changed: one handle sees one version.
                length = min(length, size - offset)
                while len(data) < length and (more := os.pread(handle, length - len(data), offset + len(data))):
                    data += more
                return size, bytes(data)
            finally:
                os.close(handle)
        except (OSError, OverflowError, RuntimeError, ValueError) as error:
            log.warning("%s cannot be served: %s", path[:120], error)
            return -1, b""


def answers(files: RepositoryFiles, ask: Ask) -> Iterator[Blocks]:
    """The answer to an ask: small pieces together, long ones a block at a time."""
    small: list[Piece] = []
    for number, want in enumerate(ask.wants):
        size, data = files.read(want.path, want.offset, want.length)
        if len(data) <= BLOCK_BYTES:
            small.append(Piece(number, size, want.offset, data))
            continue
        for start in range(0, len(data), BLOCK_BYTES):
            piece = Piece(number, size, want.offset + start, data[start : start + BLOCK_BYTES])
            yield Blocks(SCHEMA, ask.number, [piece])
    if small:
        yield Blocks(SCHEMA, ask.number, small)


class BlockService:
    """Answers asks on a shared subscription. Runs in the thread that calls `run`.

    Args:
        folder: of the repository.
        address: the broker.
        name: of this host's services; two processes must differ.
        rate_bytes_s: what one device may ask for, in bytes a second; 0 for no limit.
        burst_bytes: what it may ask for at once after a silence.
    """

    def __init__(
        self, folder: Path, address: BrokerAddress, name: str, rate_bytes_s: int = 0, burst_bytes: int = 4_000_000
    ) -> None:
        self._files = RepositoryFiles(folder)
        self._limit = RateLimit(rate_bytes_s, burst_bytes)
        self._stopping = threading.Event()
        self.beat: Callable[[], None] = lambda: None
        """Called at every turn."""
        self.served_bytes = 0
        """Bytes of files handed to the broker."""
        self.throttled = 0
        """Asks that were not answered because their device asks for too much."""
        # A clean session: who asked while nobody served asks again.
        self.link = Link(address, f"pikvani-blocks-{name}", [topics.every_device(topics.UP_ASK, SHARE)], _WINDOW, 0)

    def run(self) -> None:
        """Serve until `stop`."""
        self.link.start()
        try:
            while not self._stopping.is_set():
                self.beat()
                delivery = self.link.take(0.5)
                if delivery is None:
                    continue
                self._serve(delivery.topic, delivery.payload)
                self.link.acknowledge(delivery)
        finally:
            self.link.stop()

    def stop(self) -> None:
        """Ask `run` to end; safe from a signal handler or another thread."""
        self._stopping.set()

    def _serve(self, topic: str, payload: bytes) -> None:
        try:
            device_id = topics.device_of(topic)
            ask = unpack(payload, Ask)
        except ContractError as error:
            log.warning("an ask on %s is passed over: %s", topic[:120], error)
            return
        if not self._limit.allows(device_id, sum(want.length for want in ask.wants), time.monotonic()):
            self.throttled += 1
            return
        to = topics.device(device_id, topics.DOWN_BLOCK)
        for blocks in answers(self._files, ask):
            self.served_bytes += sum(len(piece.data) for piece in blocks.pieces)
            self.link.publish(to, pack(blocks), once=True)
