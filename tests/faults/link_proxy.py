"""A TCP proxy that makes a village link out of loopback: slow, late, stalling, cut, and counted.

It runs in a thread of the test. What it does to whom is drawn from a seed, so that a failing run can be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What the link is like. The default only counts.

    Attributes:
        bits_per_s: throughput of one connection in one direction, 0 for no limit.
        latency_s: one way.
        stall_share: probability that a chunk is followed by a stall.
        stall_s: how long such a stall is.
        reset_share: probability that a chunk ends the connection instead of passing.
    """

    bits_per_s: int = 0
    latency_s: float = 0.0
    stall_share: float = 0.0
    stall_s: float = 1.0
    reset_share: float = 0.0


TWO_G = Shape(bits_per_s=64_000, latency_s=0.6, stall_share=0.28, stall_s=0.5, reset_share=0.02)


class LinkProxy:
    """Listens on a free loopback port and passes everything to `target`.

    Args:
        target: `(host, port)` behind it.
        shape: what the link is like.
        seed: of stalls and resets.
    """

    def __init__(self, target: tuple[str, int], shape: Shape | None = None, seed: int = 0) -> None:
        self.target, self.shape = target, shape or Shape()
        self.port = 0
        self.up_bytes = 0
        self.down_bytes = 0
        self.resets = 0
        self.linked = True
        self._rng = random.Random(seed)
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link-proxy", daemon=True)
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("link proxy did not start listening within 10 s")

    def cut(self) -> None:
        """End every connection and take no new ones until `mend`."""
        self.linked = False
        self._loop.call_soon_threadsafe(self._drop_all)

    def mend(self) -> None:
        """Take connections again."""
        self.linked = True

    def close(self) -> None:
        """Stop listening and drop everything."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._accept, "127.0.0.1", 0, limit=2**20))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        with contextlib.suppress(Exception):
            self._loop.run_forever()
        self._drop_all()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        with contextlib.suppress(Exception):
            self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def _drop_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.linked:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._pass(reader, far_writer, up=True), self._pass(far_reader, writer, up=False))
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for end in (writer, far_writer):
                self._writers.discard(end)
                end.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: bool) -> None:
        shape = self.shape
        chunk_bytes = 65_536 if not shape.bits_per_s else max(256, shape.bits_per_s // 80)
        while data := await reader.read(chunk_bytes):
            if shape.reset_share and self._rng.random() < shape.reset_share:
                self.resets += 1
                raise ConnectionResetError("the link was cut")
            if shape.latency_s:
                await asyncio.sleep(shape.latency_s)
            if shape.bits_per_s:
                await asyncio.sleep(len(data) * 8 / shape.bits_per_s)
            if shape.stall_share and self._rng.random() < shape.stall_share:
                await asyncio.sleep(shape.stall_s)
            writer.write(data)
            await writer.drain()
            if up:
                self.up_bytes += len(data)
            else:
                self.down_bytes += len(data)
        # One side said goodbye: the other must hear it, or half-open connections pile up.
        raise ConnectionResetError("closed")
