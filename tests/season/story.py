"""What is told of a season: chapters, what was promised in them, whether it held, and pictures, as one HTML page."""

from __future__ import annotations

import base64
import html
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Promise:
    """One thing that was promised. `evidence` is what was seen, in figures where there are any."""

    text: str
    held: bool
    evidence: str


@dataclass
class Chapter:
    """One part of the season."""

    title: str
    promises: list[Promise] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    seconds: float = 0.0
    broke: str = ""


class Story:
    """Collects as the season goes; a chapter that breaks is told, and the next one begins all the same."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.chapters: list[Chapter] = []
        self._began_s = time.monotonic()

    @property
    def held(self) -> bool:
        """Whether nothing broke and every promise held, and there was at least one in every chapter."""
        return bool(self.chapters) and all(
            c.promises and not c.broke and all(p.held for p in c.promises) for c in self.chapters
        )

    @contextmanager
    def chapter(self, title: str) -> Iterator[Chapter]:
        """A chapter, timed."""
        now = Chapter(title)
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

    def picture(self, caption: str, png: bytes) -> None:
        """A screenshot."""
        self.chapters[-1].pictures.append((caption, png))

    def write(self, path: Path, about: str) -> None:
        """The whole story as one page that needs no network."""
        path.parent.mkdir(parents=True, exist_ok=True)
        parts = [_HEAD.format(title=html.escape(self.title), about=html.escape(about), total=self._total())]
        parts += [_of(chapter) for chapter in self.chapters]
        path.write_text("\n".join(parts) + "\n</main></html>\n", "utf-8")

    def _total(self) -> str:
        promises = [p for c in self.chapters for p in c.promises]
        kept, broke = sum(p.held for p in promises), sum(bool(c.broke) for c in self.chapters)
        ended = "Everything held." if self.held else f"{len(promises) - kept} broken promises, {broke} broken chapters."
        return f"{kept} of {len(promises)} promises held in {time.monotonic() - self._began_s:.0f} s. {ended}"

    def _say(self, text: str) -> None:
        print(f"[season {time.monotonic() - self._began_s:6.0f} s] {text}", file=sys.stderr, flush=True)


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 17px/1.5 system-ui, sans-serif; margin: 0; background: #fbfaf5; color: #1d2a1c; }}
main {{ max-width: 56rem; margin: auto; padding: 1rem; }}
li.held::marker {{ content: "✔ "; color: #1b6b2c; }} li.broken::marker {{ content: "✘ "; color: #a3131a; }}
li.broken {{ color: #a3131a; font-weight: 600; }} small {{ color: #55604f; }}
img {{ max-width: 48%; border: 1px solid #c9c9b8; border-radius: 6px; margin: 4px; vertical-align: top; }}
pre {{ background: #f3e3e3; padding: .6rem; overflow-x: auto; font-size: 13px; }}
</style>
<main><h1>{title}</h1><p>{about}</p><p><strong>{total}</strong></p>"""


def _of(chapter: Chapter) -> str:
    rows = "".join(
        f'<li class="{"held" if p.held else "broken"}">{html.escape(p.text)} '
        f"<small>{html.escape(p.evidence)}</small></li>"
        for p in chapter.promises
    )
    told = "".join(f"<p>{html.escape(text)}</p>" for text in chapter.told)
    pictures = "".join(
        f'<img alt="{html.escape(caption)}" title="{html.escape(caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        for caption, png in chapter.pictures
    )
    broke = f"<pre>{html.escape(chapter.broke)}</pre>" if chapter.broke else ""
    title = f"<h2>{html.escape(chapter.title)} <small>{chapter.seconds:.0f} s</small></h2>"
    return f"{title}{told}<ul>{rows}</ul>{pictures}{broke}"
