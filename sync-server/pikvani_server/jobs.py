"""Work for any number of processes: a queue in the database, and one leader that puts the periodic work into it.

PostgreSQL does the hard part: rows are claimed with `SKIP LOCKED`, the leader holds an advisory lock that dies with its
connection. On SQLite there is one machine: writing is one at a time, and the leader holds a lock on a file.
A job whose process died is claimed again when its lease is over, so a job must bear being run twice.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pikvani_server.store import Store
from pikvani_server.store.schema_learning import jobs

LEASE = timedelta(minutes=15)
MOST_ATTEMPTS = 5
_BACKOFF = timedelta(seconds=30)
_MAX_ERROR_CHARS = 400


@dataclass(frozen=True)
class Job:
    """A claimed job.

    Attributes:
        id: its number.
        kind: what to do.
        subject: with what; one waiting job of a kind and subject at most.
        payload: what else it needs.
        attempt: 1 for the first time.
    """

    id: int
    kind: str
    subject: str
    payload: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1


class Jobs:
    """The queue, as one worker sees it. Methods raise `StoreAwayError` when the database is away.

    Args:
        store: migrated.
        worker: names this process in the table; host and process id if left out.
    """

    def __init__(self, store: Store, worker: str = "") -> None:
        self._store = store
        self.worker = worker or f"{socket.gethostname()}:{os.getpid()}"

    def put(self, kind: str, now: datetime, subject: str = "", payload: dict[str, Any] | None = None) -> bool:
        """Queue a job for `now` or later; False if one of this kind and subject waits already."""
        values = {"kind": kind, "subject": subject, "payload": json.dumps(payload or {}), "run_at": now}
        with self._store.writing("queueing work") as connection:
            insert = self._store.insert(jobs).values(**values).on_conflict_do_nothing().returning(jobs.c.id)
            return connection.execute(insert).first() is not None

    def claim(self, now: datetime, kinds: tuple[str, ...]) -> Job | None:
        """Take the job that is due longest, for `LEASE`; None if there is none. No two workers get the same one."""
        due = sa.or_(
            sa.and_(jobs.c.state == "waiting", jobs.c.run_at <= now),
            sa.and_(jobs.c.state == "claimed", jobs.c.claimed_until < now),
        )
        query = sa.select(jobs).where(due, jobs.c.kind.in_(kinds)).order_by(jobs.c.run_at, jobs.c.id).limit(1)
        with self._store.writing("claiming work") as connection:
            row = connection.execute(query.with_for_update(skip_locked=True)).mappings().first()
            if row is None:
                return None
            attempt = row["attempts"] + 1
            taken = {"state": "claimed", "claimed_by": self.worker, "claimed_until": now + LEASE, "attempts": attempt}
            connection.execute(sa.update(jobs).where(jobs.c.id == row["id"]).values(**taken))
        return Job(row["id"], row["kind"], row["subject"], json.loads(row["payload"]), attempt)

    def renew(self, job: Job, now: datetime) -> bool:
        """Ask for another lease; False if the job was given to another worker meanwhile: stop then."""
        with self._store.writing("renewing work") as connection:
            done = connection.execute(self._mine(job).values(claimed_until=now + LEASE))
            return bool(done.rowcount)

    def finish(self, job: Job, now: datetime) -> None:
        """It is done."""
        with self._store.writing("finishing work") as connection:
            connection.execute(self._mine(job).values(state="done", finished_at=now, error=""))

    def fail(self, job: Job, error: str, now: datetime) -> None:
        """It failed: it waits for its next attempt, longer each time, or is given up after `MOST_ATTEMPTS`."""
        told = {"error": error[:_MAX_ERROR_CHARS], "claimed_by": "", "claimed_until": None}
        with self._store.writing("giving work back") as connection:
            twin = sa.select(jobs.c.id).where(
                jobs.c.kind == job.kind, jobs.c.subject == job.subject, jobs.c.state == "waiting"
            )
            # The same work was queued again meanwhile: that one is its next attempt.
            if job.attempt >= MOST_ATTEMPTS or connection.execute(twin).first():
                connection.execute(self._mine(job).values(state="failed", finished_at=now, **told))
                return
            again = now + _BACKOFF * 2 ** (job.attempt - 1)
            connection.execute(self._mine(job).values(state="waiting", run_at=again, **told))

    def counts(self) -> dict[tuple[str, str], int]:
        """Jobs by kind and state."""
        query = sa.select(jobs.c.kind, jobs.c.state, sa.func.count().label("count")).group_by(jobs.c.kind, jobs.c.state)
        return {(row["kind"], row["state"]): row["count"] for row in self._store.read("counting work", query)}

    def latest(self, limit: int = 50) -> list[dict[str, Any]]:
        """Jobs for a page, the newest first."""
        return self._store.read("listing work", sa.select(jobs).order_by(jobs.c.id.desc()).limit(limit))

    def prune(self, now: datetime, keep: timedelta = timedelta(days=30)) -> int:
        """Delete jobs that ended longer ago; returns how many."""
        ended = sa.and_(jobs.c.state.in_(("done", "failed")), jobs.c.finished_at < now - keep)
        with self._store.writing("pruning work") as connection:
            return int(connection.execute(sa.delete(jobs).where(ended)).rowcount)

    def _mine(self, job: Job) -> sa.Update:
        held = (jobs.c.id == job.id, jobs.c.state == "claimed", jobs.c.claimed_by == self.worker)
        return sa.update(jobs).where(*held, jobs.c.attempts == job.attempt)
