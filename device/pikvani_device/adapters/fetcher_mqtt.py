"""Reads the centre's repository over the one MQTT connection: asks for pieces, waits, and asks again for what is lost.

The device decides how much is on its way (the window), so the link is never filled behind its back. Asks and answers
are sent at most once: what a cut loses is asked for again from the first byte that is missing, so no byte comes twice.
"""

from __future__ import annotations

import itertools
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from pikvani_contract import topics
from pikvani_contract.errors import WireError
from pikvani_contract.messages import SCHEMA, Ask, Blocks, Piece, Want
from pikvani_contract.wire import pack, unpack
from pikvani_device.ports import Broker

log = logging.getLogger(__name__)

_ALONGSIDE = re.compile(r"metadata/[0-9]+\.root\.json")
_TIMESTAMP = "metadata/timestamp.json"
"""Asked for together with the next root: a check with nothing new is one question and one answer."""
_AHEAD_S = 60.0
_TURN_S = 0.2


@dataclass(frozen=True)
class MqttFetcherSettings:
    """How the link is used.

    Attributes:
        window_bytes: asked for and not here yet, at most.
        ask_bytes: in one ask.
        answer_s: without a byte for so long, what is missing is asked for again; doubled each time.
        patience_s: without a byte for so long, a fetch gives up; what came stays.
        yield_s: waits at most so long for what is more important.
    """

    window_bytes: int = 32_768
    ask_bytes: int = 16_384
    answer_s: float = 30.0
    patience_s: float = 900.0
    yield_s: float = 60.0


@dataclass
class _Transfer:
    """One file on its way.

    Attributes:
        got: where the next byte belongs that was not handed over.
        asked: all before it was asked for.
        size: of the whole file, once known.
        pieces: what came and was not handed over, by offset.
        heard_s: when it last got further.
        waiting_s: since when an answer is waited for.
    """

    got: int
    asked: int
    heard_s: float
    waiting_s: float
    size: int | None = None
    pieces: dict[int, bytes] = field(default_factory=dict)


class MqttFetcher:
    """A `Fetcher` over a `Broker`. Its `arrived` must be called with what comes on the device's block topic.

    Args:
        broker: started by whoever owns the connection.
        device_id: whose topics to use.
        allows: whether the data budget allows so many bytes now.
        busy: whether something more important is on the link.
        settings: how the link is used.
    """

    def __init__(
        self,
        broker: Broker,
        device_id: str,
        allows: Callable[[int], bool] = lambda size: True,
        busy: Callable[[], bool] = lambda: False,
        settings: MqttFetcherSettings | None = None,
    ) -> None:
        self._broker, self._allows, self._busy = broker, allows, busy
        self._settings = settings or MqttFetcherSettings()
        self._topic = topics.device(device_id, topics.UP_ASK)
        # Answers to asks of a process before this one must not be taken for ours.
        self._numbers = itertools.count(random.getrandbits(31))
        self._changed = threading.Condition(threading.RLock())
        self._transfers: dict[int, tuple[_Transfer, int]] = {}
        self._ahead: tuple[float, Piece] | None = None
        self.received_bytes = 0
        """Bytes of files that arrived, wanted or not."""

    def arrived(self, payload: bytes) -> None:
        """Take an answer from the wire; called from the connection's thread."""
        try:
            blocks = unpack(payload, Blocks)
        except WireError as error:
            log.warning("blocks passed over: %s", error)
            return
        with self._changed:
            for piece in blocks.pieces:
                self.received_bytes += len(piece.data)
                self._take(blocks.number, piece)
            self._changed.notify_all()

    def _take(self, number: int, piece: Piece) -> None:
        transfer, want = self._transfers.get(number, (None, 0))
        if transfer is None:
            return  # of a fetch that has ended
        if piece.want != want:
            if piece.offset == 0 and len(piece.data) == piece.size:
                self._ahead = (time.monotonic(), piece)
            return
        transfer.waiting_s = time.monotonic()
        transfer.size = piece.size
        # Nothing beyond what was asked for, and of pieces that overlap no more than a window: who sends more only fills
        # our memory. What is needed next is always taken.
        held = sum(map(len, transfer.pieces.values()))
        fits = piece.offset == transfer.got or held + len(piece.data) <= self._settings.window_bytes
        if piece.data and fits and transfer.got <= piece.offset <= transfer.asked - len(piece.data):
            transfer.pieces[piece.offset] = piece.data
            transfer.heard_s = transfer.waiting_s  # an answer without a byte gets us no further

    def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """Give the bytes of a file from `offset` on; waits through broken links.

        Raises:
            FileNotFoundError: the centre says it has no such file.
            OSError: no byte came for `patience_s`, the budget is spent, or the file changed meanwhile.
        """
        if path == _TIMESTAMP and not offset and (data := self._taken_ahead()) is not None:
            yield data
            return
        transfer = _Transfer(offset, offset, time.monotonic(), time.monotonic())
        numbers: list[int] = []
        try:
            yield from self._pieces(path, transfer, numbers)
        finally:
            with self._changed:
                for number in numbers:
                    self._transfers.pop(number, None)

    def _taken_ahead(self) -> bytes | None:
        with self._changed:
            ahead, self._ahead = self._ahead, None
        return ahead[1].data if ahead is not None and time.monotonic() - ahead[0] < _AHEAD_S else None

    def _pieces(self, path: str, transfer: _Transfer, numbers: list[int]) -> Generator[bytes, None, None]:
        settings = self._settings
        link, answer_s = -1, settings.answer_s
        size = None
        while True:
            with self._changed:
                data = transfer.pieces.pop(transfer.got, b"")
                transfer.got += len(data)
                for passed in [offset for offset in transfer.pieces if offset < transfer.got]:
                    del transfer.pieces[passed]
                if transfer.size is not None and size is not None and transfer.size != size:
                    raise OSError(f"{path}: changed at the centre while it was fetched")
                size = transfer.size
            if data:
                answer_s = settings.answer_s
                yield data
            if size == -1:
                raise FileNotFoundError(f"the centre has no {path}")
            if size is not None and transfer.got >= size:
                return
            now_s = time.monotonic()
            if now_s - transfer.heard_s > settings.patience_s:
                raise TimeoutError(f"{path}: nothing came over the link for {settings.patience_s:.0f} s")
            if self._broker.connected and self._broker.connections != link:
                link = self._broker.connections
                self._forget_asked(transfer)
            elif transfer.asked > transfer.got and now_s - transfer.waiting_s > answer_s:
                answer_s *= 2
                self._forget_asked(transfer)
            if not data and not self._ask(path, transfer, size, numbers):
                with self._changed:
                    if not transfer.pieces.get(transfer.got):
                        self._changed.wait(_TURN_S)

    def _forget_asked(self, transfer: _Transfer) -> None:
        """What was on its way is lost; what came stays."""
        with self._changed:
            held = transfer.got
            while held in transfer.pieces:
                held += len(transfer.pieces[held])
            transfer.asked = held

    def _ask(self, path: str, transfer: _Transfer, size: int | None, numbers: list[int]) -> bool:
        """Ask for the next piece, if the window has room, the link is there and the budget allows it."""
        settings = self._settings
        first = size is None
        if first and transfer.asked > transfer.got:
            return False  # how long it is comes with the first answer
        on_the_way = transfer.asked - transfer.got
        length = min(settings.ask_bytes, settings.window_bytes - on_the_way)
        if not first:
            length = min(length, (size or 0) - transfer.asked)
        # Half-empty asks would cost as much as full ones.
        if length <= 0 or (not first and length < settings.ask_bytes and transfer.asked + length < (size or 0)):
            return False
        if not self._broker.connected:
            return False
        if not self._allows(length if not first else 1):
            raise OSError(f"{path}: the month's data budget for updates is spent; what came is kept")
        self._give_way()
        wants = [Want(path, transfer.asked, length)]
        if _ALONGSIDE.fullmatch(path):
            wants.append(Want(_TIMESTAMP, 0, settings.ask_bytes))
        number = next(self._numbers)
        with self._changed:
            self._transfers[number] = (transfer, 0)
            numbers.append(number)
            transfer.asked += length
            transfer.waiting_s = time.monotonic() if on_the_way == 0 else transfer.waiting_s
        if not self._broker.publish(self._topic, pack(Ask(SCHEMA, number, wants)), once=True):
            with self._changed:
                transfer.asked -= length
            return False
        return True

    def _give_way(self) -> None:
        end_s = time.monotonic() + self._settings.yield_s
        while self._busy() and time.monotonic() < end_s:
            time.sleep(_TURN_S)
