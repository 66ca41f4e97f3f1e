"""What is told of a season as it goes: chapters, what was promised in them, whether it held, and pictures."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.season.telling import Chapter, Promise, page_of


class Story:
    """Collects as the season goes; a chapter that breaks is told, and the next one begins all the same."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.chapters: list[Chapter] = []
        self._began_s = time.monotonic()
        self._figures: list[tuple[str, str]] = []

    @property
    def held(self) -> bool:
        """Whether nothing broke and every promise held, and there was at least one in every chapter."""
        return bool(self.chapters) and all(
            c.promises and not c.broke and all(p.held for p in c.promises) for c in self.chapters
        )

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_s

    @contextmanager
    def chapter(self, title: str, about: str = "") -> Iterator[Chapter]:
        """A chapter, timed."""
        now = Chapter(title, about)
        self.chapters.append(now)
        self._say(f"--- {title}")
        began_s = time.monotonic()
        try:
            yield now
        except Exception:
            now.broke = traceback.format_exc(limit=6)
            self._say(now.broke)
        now.seconds = time.monotonic() - began_s

    def tell(self, text: str) -> None:
        """One sentence of what happens."""
        self.chapters[-1].told.append(text)
        self._say(text)

    def promise(self, text: str, held: bool, evidence: object = "") -> None:
        """One thing that was promised, and whether it held."""
        self.chapters[-1].promises.append(Promise(text, bool(held), str(evidence)))
        self._say(f"{'held  ' if held else 'BROKEN'}  {text}" + (f" ({evidence})" if evidence != "" else ""))

    def picture(self, caption: str, png: bytes, wide: bool = False) -> None:
        """A screenshot; `wide` where it fills the page."""
        self.chapters[-1].pictures.append((caption, png, wide))

    def figure(self, name: str, value: object) -> None:
        """A number for the head of the page, such as how many farmers asked."""
        self._figures.append((name, str(value)))

    def write(self, path: Path, about: str) -> None:
        """The whole story as one page that needs no network."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page_of(self.title, about, self._total(), self.held, self._figures, self.chapters), "utf-8")

    def _total(self) -> str:
        promises = [p for c in self.chapters for p in c.promises]
        kept, broke = sum(p.held for p in promises), sum(bool(c.broke) for c in self.chapters)
        ended = "Everything held." if self.held else f"{len(promises) - kept} broken promises, {broke} broken chapters."
        return f"{ended} {kept} of {len(promises)} promises held."

    def _say(self, text: str) -> None:
        print(f"[season {time.monotonic() - self._began_s:6.0f} s] {text}", file=sys.stderr, flush=True)
