"""Who is asking just now: one visit a browser, held in memory only, gone when it ends or is forgotten.

Nothing of a visit is written anywhere; what is kept of a case is the store's business.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pikvani_device.diagnosis.result import Diagnosis

Channel = Literal["kiosk", "lan"]

TIMEOUT_S: dict[Channel, float] = {"kiosk": 90.0, "lan": 900.0}
"""A visit nobody touched for so long is over."""
MAX_VISITS = 32
"""Visits at once; the one not touched for longest gives way, a phone before the kiosk."""
MAX_PHOTO_BYTES = 32 * 2**20
"""What the photographs of all visits may take together."""
MAX_NOTE_BYTES = 60 * 16_000 * 2
"""A minute of speech, as `voice.notes.pcm_of` gives it."""


@dataclass(frozen=True)
class Shot:
    """One photograph of a visit, re-encoded: nothing of the sender's file is in it."""

    jpeg: bytes


@dataclass(frozen=True)
class Given:
    """An answer a visit was given.

    Attributes:
        diagnosis: what was said.
        best: index of the photograph to show.
        heat: map over that photograph, or None.
        kept: whether the case was recorded.
        case_id: its name, empty where it was not.
    """

    diagnosis: Diagnosis
    best: int
    heat: NDArray[np.float32] | None
    kept: bool
    case_id: str = ""


@dataclass
class Visit:
    """One person's way through the pages.

    Attributes:
        id: random, in a cookie.
        channel: the kiosk's own screen, or a browser on the village network.
        locale: the language picked.
        seen_s: monotonic time of the last touch.
        crop: picked crop, None for "I do not know".
        asked: whether the crop has been asked.
        returning: the crop is that of the last case: the answer follows the first good photograph.
        shots: photographs taken so far.
        symptoms: pictures touched.
        given: the answer, once there is one.
        told: id of a sentence the next page says once.
        misses: notes not understood in a row.
        heard: what was heard and waits to be confirmed: slot and values.
        helpful: what was said to "was this helpful".
        notes: what was said about this leaf, as `voice.notes.pcm_of` gives it; gone with the visit.
        who: who was asked to allow something: `self`, `parent` or `child`.
        digits: of a code, as far as they were touched.
        subject: the case whose data this visit looks at.
    """

    id: str
    channel: Channel
    locale: str
    seen_s: float
    crop: str | None = None
    asked: bool = False
    returning: bool = False
    shots: list[Shot] = field(default_factory=list)
    symptoms: frozenset[str] = frozenset()
    given: Given | None = None
    told: str = ""
    misses: int = 0
    heard: tuple[str, tuple[str, ...], str] | None = None
    helpful: str = ""
    notes: list[bytes] = field(default_factory=list)
    who: str = ""
    digits: str = ""
    subject: str = ""

    def next_leaf(self) -> None:
        """Forget the leaf, keep language and crop."""
        self.shots.clear()
        self.notes.clear()
        self.who, self.subject = "", ""
        self.symptoms, self.given, self.helpful, self.heard, self.told = frozenset(), None, "", None, ""

    def add_note(self, pcm: bytes) -> None:
        """Remember what was said, while all of it is no longer than one note may be."""
        if sum(map(len, self.notes)) + len(pcm) <= MAX_NOTE_BYTES:
            self.notes.append(pcm)

    def tell_once(self) -> str:
        """The sentence to say now, once; empty for none."""
        said, self.told = self.told, ""
        return said

    @property
    def photo_bytes(self) -> int:
        """What its photographs take."""
        return sum(len(shot.jpeg) for shot in self.shots)


class Visits:
    """The visits of one device. Safe to share between threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[str, Visit] = {}

    def begin(self, channel: Channel, locale: str) -> Visit:
        """A new visit; room is made for it."""
        visit = Visit(secrets.token_urlsafe(18), channel, locale, self._clock())
        with self._lock:
            self._sweep()
            while len(self._open) >= MAX_VISITS:
                self._drop_oldest()
            self._open[visit.id] = visit
        return visit

    def find(self, visit_id: str) -> Visit | None:
        """The visit of a cookie, touched now; None where it is over."""
        with self._lock:
            self._sweep()
            visit = self._open.get(visit_id)
            if visit is not None:
                visit.seen_s = self._clock()
            return visit

    def end(self, visit_id: str) -> None:
        """Forget a visit at once."""
        with self._lock:
            self._open.pop(visit_id, None)

    def add_shot(self, visit: Visit, jpeg: bytes) -> None:
        """Give a visit a photograph; others not touched for longest give way where memory is short."""
        with self._lock:
            visit.shots.append(Shot(jpeg))
            while len(self._open) > 1 and sum(v.photo_bytes for v in self._open.values()) > MAX_PHOTO_BYTES:
                self._drop_oldest(but=visit)

    def __len__(self) -> int:
        with self._lock:
            self._sweep()
            return len(self._open)

    def _sweep(self) -> None:
        now_s = self._clock()
        for visit in list(self._open.values()):
            if now_s - visit.seen_s > TIMEOUT_S[visit.channel]:
                del self._open[visit.id]

    def _drop_oldest(self, but: Visit | None = None) -> None:
        doomed = min(
            (visit for visit in self._open.values() if visit is not but),
            key=lambda visit: (visit.channel == "kiosk", visit.seen_s),
        )
        del self._open[doomed.id]
