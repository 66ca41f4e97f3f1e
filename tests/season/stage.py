"""Where a season takes place, and the order of its chapters."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from tests.season.people import Farmer
from tests.season.places import State, Village, until
from tests.season.story import Story
from tests.support.postgres import Postgres

KISAN_CALL_CENTRE = "1800-180-1551"


class Season:
    """A centre, its villages, and what becomes of them.

    Args:
        folder: everything lies below it.
        story: where it is told.
        database: PostgreSQL, or None for SQLite.
        leaves: photographs of cotton leaves.
        seed: of chance.
        short: fewer of everything.

    Attributes:
        codes: with which farmers can take back what they allowed at the second village.
    """

    def __init__(
        self, folder: Path, story: Story, database: Postgres | None, leaves: list[Path], seed: int, short: bool
    ) -> None:
        self.folder, self.story, self.database, self.leaves = folder, story, database, leaves
        self.rng, self.seed, self.short = random.Random(seed), seed, short
        self.state: State | None = None
        self.villages: list[Village] = []
        self.codes: list[str] = []
        self._pages_asked: dict[str, int] = {}

    def run(self, chapters: list[tuple[str, Chapter]]) -> None:
        """Its birth, then all chapters. Without the birth there is nothing to go on with."""
        with self.story.chapter("Birth: a centre, cards, three devices, no internet"):
            self._birth()
        if self.state is None or len(self.villages) < 3:
            return
        for title, happens in chapters:
            with self.story.chapter(title):
                happens(self)

    def close(self) -> None:
        """Stop every process."""
        for village in self.villages:
            village.stop()
        if self.state:
            self.state.stop()

    @property
    def centre(self) -> State:
        """The centre, once it is born."""
        assert self.state is not None
        return self.state

    @property
    def config(self) -> tuple[object, object]:
        """The words by which commands of the centre find its configuration."""
        return "--config", self.centre.config

    def _birth(self) -> None:
        self.state = State(self.folder / "state", self.database)
        for number, (name, https) in enumerate((("wadgaon", False), ("pimpri", True), ("khed", True)), start=1):
            village = Village(name, self.state, number, self.leaves, https)
            village.link.cut()
            self.villages.append(village)
        ids = {village.id for village in self.villages}
        self.story.promise("each device has a name of its own from its card", len(ids) == 3, ", ".join(sorted(ids)))

    def visit(self, village: Village, locale: str, crop: str = "cotton") -> str:
        """Somebody asks at a kiosk's pages; the answer's page."""
        self.asked(village)
        return Farmer(village.base, locale).asks(crop, "spots")

    def asked(self, village: Village) -> None:
        """Count a case that was asked on pages, whose name nobody was told."""
        self._pages_asked[village.id] = self._pages_asked.get(village.id, 0) + 1

    def expected(self, village: Village) -> int:
        """How many cases of a village the centre should come to have."""
        return len(village.told) + self._pages_asked.get(village.id, 0)

    def agrees(self, village: Village) -> bool:
        """Whether the centre comes to have exactly those."""
        return until(lambda: len(self.centre.cases(village.id)) == self.expected(village), 60)

    def some(self, count: int) -> list[Path]:
        """Photographs by chance."""
        return self.rng.sample(self.leaves, count)


Chapter: TypeAlias = Callable[[Season], None]


def provision(*words: object) -> str:
    """One `pikvani-provision` command; what it said."""
    command = [sys.executable, "-m", "pikvani_provision.cli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr
