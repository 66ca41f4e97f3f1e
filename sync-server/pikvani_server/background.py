"""The centre's standing work: one process leads and puts it into the queue, every process takes from it.

Kinds: `counts` counts cases by day and place, `review` fills the queue of cases to name, `drift` judges new sketches
and labels, `propose` asks whether training pays, `build` runs the pipeline of one proposal, `erase` takes erasures to
their end, `house` deletes what is past its time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import sqlalchemy as sa

from pikvani_server import propose
from pikvani_server.accounts import limits, sessions
from pikvani_server.drift import computing, queries
from pikvani_server.errors import ServerError, StoreAwayError
from pikvani_server.fleet import counts
from pikvani_server.jobs import Job, Jobs
from pikvani_server.privacy import obeying
from pikvani_server.review import queue, results
from pikvani_server.store import Store
from pikvani_server.store.leading import Leadership
from pikvani_server.store.schema_learning import progress

log = logging.getLogger(__name__)

INDIA = timezone(timedelta(hours=5, minutes=30))
_POLL_S = 2.0
_SCHEDULED = "schedule."


@dataclass(frozen=True)
class WorkSettings:
    """How often, in seconds, and with what.

    Attributes:
        intervals_s: seconds between two jobs of a kind; 0 for never.
        pipeline: command that makes a candidate package; empty for none.
        candidates: where candidates are kept.
        dead_letter_days: dead letters older than this are deleted.
        ledger: file that notes erasures.
        thumbnail_days: consented thumbnails older than this are deleted.
        voice_days: consented voice notes older than this are deleted.
    """

    intervals_s: Mapping[str, int]
    pipeline: tuple[str, ...]
    candidates: Path
    dead_letter_days: int
    ledger: Path
    thumbnail_days: int = 365
    voice_days: int = 90


class Background:
    """Leads if nobody else does, and works. Runs in the thread that calls `run`.

    Args:
        store: migrated.
        settings: how often and with what.
        clock: UTC.
    """

    def __init__(
        self, store: Store, settings: WorkSettings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store, self._settings, self._clock = store, settings, clock
        self._jobs = Jobs(store)
        self._leadership = Leadership(store, "schedule")
        self._stopping = threading.Event()
        self.beat: Callable[[], object] = lambda: None
        """Called at every turn of `run`; a job in between may take hours."""
        self.seconds: dict[str, float] = {}
        """How long the last job of each kind took."""
        self._doing: dict[str, Callable[[Job], None]] = {
            "counts": self._count,
            "review": self._review,
            "drift": self._drift,
            "propose": self._propose,
            "build": self._build,
            "erase": self._erase,
            "house": self._keep_house,
        }

    def run(self) -> None:
        """Work until `stop`."""
        try:
            while not self._stopping.is_set():
                self.beat()
                try:
                    if self.turn():
                        continue
                except StoreAwayError as error:
                    log.warning("%s", error)
                self._stopping.wait(_POLL_S)
        finally:
            self._leadership.resign()

    def stop(self) -> None:
        """Ask `run` to end after the job at hand; safe from a signal handler or another thread."""
        self._stopping.set()

    def turn(self) -> bool:
        """Put in what is due, if we lead, and do one job; False if there was none."""
        now = self._clock()
        if self._leadership.held():
            self._schedule(now)
        job = self._jobs.claim(now, tuple(self._doing))
        if job is None:
            return False
        started_s = time.monotonic()
        try:
            self._doing[job.kind](job)
        except StoreAwayError:
            raise  # nothing can be written now: the lease runs out and the job is taken again
        except Exception as error:
            log.exception("%s failed", job.kind, extra={"job": job.id, "attempt": job.attempt})
            self._jobs.fail(job, f"{type(error).__name__}: {error}", self._clock())
        else:
            self._jobs.finish(job, self._clock())
        self.seconds[job.kind] = time.monotonic() - started_s
        return True

    def _schedule(self, now: datetime) -> None:
        query = sa.select(progress).where(progress.c.name.like(f"{_SCHEDULED}%"))
        last = {row["name"].removeprefix(_SCHEDULED): row["value"] for row in self._store.read("scheduling", query)}
        for kind, interval_s in self._settings.intervals_s.items():
            if not interval_s:
                continue
            if kind in last and now - datetime.fromisoformat(last[kind]) < timedelta(seconds=interval_s):
                continue
            self._jobs.put(kind, now)
            insert = self._store.insert(progress).values(name=_SCHEDULED + kind, value=now.isoformat())
            with self._store.writing("scheduling") as connection:
                connection.execute(
                    insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded.value})
                )

    # --- what a job does ----------------------------------------------------------------------------------

    def _count(self, _job: Job) -> None:
        counts.run_pass(self._store, self._clock())

    def _review(self, _job: Job) -> None:
        added = queue.fill(self._store, self._clock())
        log.info("%d cases were queued for review", added)

    def _drift(self, _job: Job) -> None:
        now = self._clock()
        today = now.astimezone(INDIA).date()
        done = computing.run_pass(self._store, today, now, results.checked_by_model(self._store))
        concept = results.concept_pass(self._store, today, now)
        log.info("drift: %d days, %d verdicts, %d from labels", done.days, done.verdicts, concept)

    def _propose(self, _job: Job) -> None:
        now = self._clock()
        for row in queries.models(self._store):
            judged, number = propose.propose(self._store, row["model"], now)
            if number is not None:
                log.warning("training anew pays for %s: %s", row["model"], "; ".join(judged.reasons))
                if self._settings.pipeline:
                    self._jobs.put("build", now, str(number))

    def _build(self, job: Job) -> None:
        if not job.subject.isdigit():
            raise ServerError(f"job {job.id} names no proposal")
        settings, now = self._settings, self._clock()
        propose.build(
            self._store,
            int(job.subject),
            settings.pipeline,
            settings.candidates,
            now,
            lambda: not self._stopping.is_set() and self._jobs.renew(job, self._clock()),
        )

    def _erase(self, _job: Job) -> None:
        settings = self._settings
        obeying.obey(self._store, settings.ledger, settings.candidates, self._clock())

    def _keep_house(self, _job: Job) -> None:
        letters = self._store.prune_dead_letters(self._settings.dead_letter_days)
        settings = self._settings
        files = obeying.drop_old_files(self._store, settings.thumbnail_days, settings.voice_days, self._clock())
        self._jobs.prune(self._clock())
        sessions.prune(self._store, self._clock())
        limits.prune(self._store, self._clock())
        if letters or files:
            log.info("%d old dead letters and %d old files of consents were deleted", letters, files)
