"""When a farmer begins and ends speaking: frames of a microphone in, a level for the meter and an end out. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME = 320
"""Samples of one frame, 20 ms."""
Heard = Literal["waiting", "speaking", "ended", "nobody", "full"]


@dataclass
class Endpointer:
    """Listens to frames of 20 ms until somebody has spoken and stopped.

    The background's level is followed as the quietest fifth of the last two seconds; speech is what stands `rise_db`
    above it for 60 ms, its end `quiet_s` without.

    Attributes:
        rise_db: over the background.
        quiet_s: of silence that end a note.
        patience_s: without any speech, after which nobody is there.
        longest_s: of a note.
    """

    rise_db: float = 9.0
    quiet_s: float = 0.9
    patience_s: float = 7.0
    longest_s: float = 60.0
    state: Heard = "waiting"
    level: float = 0.0
    """Of the last frame for a meter: 0 at -60 dB and below, 1 at full scale."""
    _levels_db: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    _frames: int = 0
    _loud: int = 0
    _quiet: int = 0

    def feed(self, frame: NDArray[np.float32]) -> Heard:
        """Take one frame of `FRAME` samples, -1 to 1; says how things stand. After an end nothing changes any more."""
        if self.state in ("ended", "nobody", "full"):
            return self.state
        level_db = 10 * float(np.log10(np.mean(np.square(frame, dtype=np.float64)) + 1e-9))
        self.level = min(1.0, max(0.0, 1 + level_db / 60))
        self._levels_db.append(level_db)
        self._frames += 1
        floor = float(np.quantile(list(self._levels_db), 0.2)) if len(self._levels_db) >= 10 else -50.0
        loud = level_db > max(min(floor, -20.0) + self.rise_db, -55.0)
        self._loud = self._loud + 1 if loud else 0
        self._quiet = 0 if loud else self._quiet + 1
        if self.state == "waiting" and self._loud >= 3:
            self.state = "speaking"
        elif self.state == "speaking" and self._quiet * FRAME >= self.quiet_s * RATE_HZ:
            self.state = "ended"
        elif self.state == "waiting" and self._frames * FRAME >= self.patience_s * RATE_HZ:
            self.state = "nobody"
        elif self._frames * FRAME >= self.longest_s * RATE_HZ:
            self.state = "full"
        return self.state
