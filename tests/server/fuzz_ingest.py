"""Throws malformed, oversize, old, new and hostile payloads at ingest, a valid batch behind each few.

    python -m tests.server.fuzz_ingest [--examples 100000]

Every payload goes through what the worker does with it (read, settle, commit to SQLite). It must never raise, the
valid batch behind must be committed, and every payload that is not taken must lie in the dead letters.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import msgspec
import sqlalchemy as sa
import zstandard
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.support.peers import NOW_MS, batch, record

from pikvani_contract import topics
from pikvani_contract.messages import BODIES, SCHEMA
from pikvani_contract.wire import MAX_PAYLOAD_BYTES, pack
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived, Refused, read_batch
from pikvani_server.store import Store, open_store, schema

DEVICE = "village-1"
TOPIC = topics.device(DEVICE, topics.UP_BATCH)
VALID_OUTBOX = b"validone"

_ints = st.integers(-(2**63), 2**64 - 1)
_texts = st.text(max_size=80) | st.sampled_from(["\0", "a\0b", "\udcff".encode("utf-8", "replace").decode(), "x" * 65])
_leaves = st.none() | st.booleans() | _ints | st.floats() | _texts | st.binary(max_size=80)
_trees = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=6) | st.dictionaries(_texts, inner, max_size=3), max_leaves=20
)
_sequences = st.integers(1, 60) | st.integers(1, 2**63 - 1) | st.just(2**63 - 1)
_mono = st.integers(0, 10**10) | st.integers(0, 2**63 - 1)
_offset = st.integers(0, 2 * 10**12) | st.integers(-(2**63 - 1), 2**63 - 1)


@st.composite
def _records(draw: st.DrawFn) -> list[object]:
    """A record on the wire: mostly in shape, with any body."""
    body = draw(_trees)
    if draw(st.booleans()):
        kind = draw(st.sampled_from(sorted(BODIES)))
        size = len(msgspec.structs.fields(BODIES[kind]))
        body = draw(st.lists(_leaves, min_size=size, max_size=size + 1))
    else:
        kind = draw(st.sampled_from(sorted(BODIES)) | _texts)
    return [draw(_sequences), draw(_mono), draw(_offset), draw(st.integers(0, 2)), kind, body]


@st.composite
def _shaped(draw: st.DrawFn) -> bytes:
    """A batch whose envelope is right, or nearly."""
    message: list[object] = [
        draw(st.sampled_from([SCHEMA, SCHEMA, SCHEMA + 1, 999, 0])),
        draw(st.binary(min_size=8, max_size=8) | st.just(b"hostile!") | st.binary(max_size=9)),
        draw(st.integers(0, 15)),
        draw(_sequences),
        draw(_mono),
        draw(_mono),
        draw(_offset),
        draw(st.integers(0, 2)),
        draw(st.lists(_records(), max_size=5)),
        *draw(st.lists(_leaves, max_size=2)),
    ]
    return b"\0" + msgspec.msgpack.encode(message)


@st.composite
def _torn(draw: st.DrawFn) -> bytes:
    """A valid batch with bytes changed, cut or doubled."""
    payload = bytearray(pack(batch(*map(record, range(1, draw(st.integers(2, 5)))), outbox=b"tornbtch")))
    for _ in range(draw(st.integers(1, 4))):
        payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    return bytes(
        payload[: draw(st.integers(0, len(payload)))] if draw(st.booleans()) else payload * draw(st.integers(1, 2))
    )


@st.composite
def _bombs(draw: st.DrawFn) -> bytes:
    """Small things that become large, and large things."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return b"\1" + zstandard.compress(bytes(draw(st.integers(1, 8 * 2**20))))
    if kind == 1:
        return b"\0" + b"\x91" * draw(st.integers(1, 100_000))
    if kind == 2:
        return b"\0" + draw(
            st.sampled_from([b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff"])
        )
    if kind == 3:
        return bytes([draw(st.integers(0, 255))]) * (MAX_PAYLOAD_BYTES + draw(st.integers(-1, 1)))
    return b"\1" + draw(st.binary(max_size=100))


HOSTILE = st.binary(max_size=300) | _trees.map(lambda tree: b"\0" + _encode(tree)) | _shaped() | _torn() | _bombs()
TOPICS = (
    st.just(TOPIC) | st.just(TOPIC) | st.sampled_from(["", "pikvani/v1/d//up/batch", "a/b", "pikvani/v1/d/A#/up/batch"])
)


def _encode(tree: object) -> bytes:
    try:
        return msgspec.msgpack.encode(tree)
    except (OverflowError, UnicodeEncodeError):
        return b"\xc1"


class Ingest:
    """What the worker does, without a broker."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.sent = 0
        self.valid = 0
        self.refused: set[bytes] = set()
        self.buried = 0

    def throw(self, hostile: list[tuple[str, bytes]]) -> None:
        """One group: hostile payloads and a valid batch behind them."""
        group = [read_batch(topic, payload, NOW_MS) for topic, payload in hostile]
        self.sent += len(group)
        self.refused.update(item.dead_letter[0] for item in group if isinstance(item, Refused))
        self.valid += 1
        group.append(Arrived(DEVICE, NOW_MS, batch(record(self.valid), outbox=VALID_OUTBOX)))
        committed = commit_group(self.store, group, NOW_MS)
        answers = {receipt.outbox: receipt for _, receipt in committed.answers}
        assert answers[VALID_OUTBOX].upto == self.valid, "the valid batch behind was lost"
        self.buried += committed.counts.dead_letters

    def check(self) -> None:
        """Everything that was not taken is in the dead letters, and the valid ones are all there."""
        with self.store._engine.connect() as connection:  # type: ignore[attr-defined]
            digests = set(connection.scalars(sa.select(schema.dead_letters.c.digest)))
            times = connection.scalar(sa.select(sa.func.sum(schema.dead_letters.c.times))) or 0
            valid = connection.scalar(sa.select(sa.func.count()).where(schema.cases.c.outbox == VALID_OUTBOX))
        assert self.refused <= digests, f"{len(self.refused - digests)} payloads are not in the dead letters"
        assert times == self.buried, f"{times} dead letters for {self.buried} counted"
        assert valid == self.valid, f"{valid} of {self.valid} valid cases"


def fuzz(examples: int, folder: Path, seed: int | None = None) -> Ingest:
    """Throw `examples` payloads, at least."""
    store = open_store(f"sqlite:///{folder / 'fuzz.sqlite3'}")
    store.migrate()
    ingest = Ingest(store)
    per_group = 20

    @settings(
        max_examples=max(1, examples // per_group),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=seed is None,
    )
    @given(hostile=st.lists(st.tuples(TOPICS, HOSTILE), min_size=per_group, max_size=per_group))
    def throw(hostile: list[tuple[str, bytes]]) -> None:
        ingest.throw(hostile)

    throw()
    rng = random.Random(seed or 0)
    # What is not generated by structure: valid batches with random bits turned, until the number is reached.
    whole = pack(batch(*map(record, range(1, 30)), outbox=b"bitflips"))
    while ingest.sent < examples:
        group = []
        for _ in range(per_group):
            torn = bytearray(whole)
            for _ in range(rng.randint(1, 5)):
                torn[rng.randrange(len(torn))] ^= 1 << rng.randrange(8)
            group.append((TOPIC, bytes(torn)))
        ingest.throw(group)
    ingest.check()
    store.close()
    return ingest


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=100_000)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pikvani-fuzz-") as folder:
        ingest = fuzz(arguments.examples, Path(folder))
    print(
        f"{ingest.sent} payloads thrown, {ingest.buried} dead letters written, {ingest.valid} valid batches behind "
        f"them all committed, {time.monotonic() - began:.0f} s"
    )


if __name__ == "__main__":
    main()
