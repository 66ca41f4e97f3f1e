"""Where a season takes place, and the order of its chapters."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

from tests.season.alone import only_loopback
from tests.season.beside import LightFleet
from tests.season.people import Agronomist, Farmer
from tests.season.places import FARTHER, NEIGHBOURS, State, until
from tests.season.story import Story
from tests.season.village import Village
from tests.support import browser
from tests.support.postgres import Postgres

BIRTH = (
    "In the district town somebody sets up the centre. A technician writes a card for each of three villages, Wadgaon, "
    "Pimpri and Khed, and switches the devices on. There is no internet, on any day of this season."
)
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
        connected: why this machine could not be cut off from the internet, empty where it was.

    Attributes:
        codes: of cases at the second village that people named, each with what takes back what its farmer allowed.
        people: agronomists at the centre.
        fleet: the light devices, once they live.
        candidate: what the centre's pipeline built, if it did.
        exported: labels that went to training last.
    """

    def __init__(
        self,
        folder: Path,
        story: Story,
        database: Postgres | None,
        leaves: list[Path],
        seed: int,
        short: bool,
        connected: str,
    ) -> None:
        self.folder, self.story, self.database, self.leaves = folder, story, database, leaves
        self.rng, self.seed, self.short = random.Random(seed), seed, short
        self._connected = connected
        self.state: State | None = None
        self.villages: list[Village] = []
        self.codes: dict[str, str] = {}
        self.people: list[Agronomist] = []
        self.fleet: LightFleet | None = None
        self.candidate: Path | None = None
        self.exported = 0
        self._open = ExitStack()
        self._chromium: Any = None
        self._pages_asked: dict[str, int] = {}

    def run(self, chapters: list[tuple[str, str, Chapter]]) -> None:
        """Its birth, then all chapters. Without the birth there is nothing to go on with."""
        with self.story.chapter("A centre, cards, three devices, and no internet", BIRTH):
            self._birth()
        if self.state is None or len(self.villages) < 3:
            return
        for title, about, happens in chapters:
            with self.story.chapter(title, about):
                happens(self)

    def close(self) -> None:
        """Stop every process."""
        self._open.close()
        if self.fleet:
            self.fleet.stop()
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
    def districts(self) -> list[str]:
        """Where the light devices stand."""
        return list(NEIGHBOURS if self.short else NEIGHBOURS + FARTHER)

    @property
    def config(self) -> tuple[object, object]:
        """The words by which commands of the centre find its configuration."""
        return "--config", self.centre.config

    def _birth(self) -> None:
        if self._connected:
            self.story.tell(self._connected)
        else:
            self.story.promise("nothing here can reach the internet, all season long", only_loopback(), "loopback only")
        self.state = State(self.folder / "state", self.database, self.districts)
        for number, (name, https) in enumerate((("wadgaon", False), ("pimpri", True), ("khed", True)), start=1):
            village = Village(name, self.state, number, self.leaves, https)
            village.link.cut()
            self.villages.append(village)
        ids = {village.id for village in self.villages}
        self.story.promise("each device has a name of its own from its card", len(ids) == 3, ", ".join(sorted(ids)))

    def hundreds_more(self) -> None:
        """From now on the light devices live beside everything else."""
        self.fleet = LightFleet(self.folder / "light", self.centre, self.districts, self.seed, self.short)

    @property
    def window(self) -> Any:
        """A real browser, the same for the whole season; only where there is one."""
        if self._chromium is None:
            self._chromium = self._open.enter_context(browser.chromium())
        return self._chromium

    def shows(self, person: Agronomist, path: str, caption: str) -> None:
        """A picture of a page of the centre as somebody sees it who is signed in."""
        if browser.MISSING:
            return
        context = self.window.new_context(viewport={"width": 1180, "height": 760})
        context.add_cookies(
            [{"name": c.name, "value": c.value, "url": self.centre.web} for c in person.cookies if c.value]
        )
        page = context.new_page()
        page.goto(self.centre.web + path, wait_until="load", timeout=browser.TIMEOUT_MS)
        self.story.picture(caption, page.screenshot(), wide=True)
        context.close()

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
