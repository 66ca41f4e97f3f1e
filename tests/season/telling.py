"""The page a season ends with, for people who were not there: what happened, what was promised, what held."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class Promise:
    """One thing that was promised. `evidence` is what was seen, in figures where there are any."""

    text: str
    held: bool
    evidence: str


@dataclass
class Chapter:
    """One part of the season; `about` says in plain words what happens in it and what is promised."""

    title: str
    about: str = ""
    promises: list[Promise] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    pictures: list[tuple[str, bytes, bool]] = field(default_factory=list)
    seconds: float = 0.0
    broke: str = ""


def page_of(
    title: str, about: str, total: str, held: bool, figures: Sequence[tuple[str, str]], chapters: Sequence[Chapter]
) -> str:
    """One HTML page that needs no network."""
    lines = "".join(_line(number, chapter) for number, chapter in enumerate(chapters, start=1))
    facts = "".join(f"<div><b>{html.escape(value)}</b>{html.escape(name)}</div>" for name, value in figures)
    parts = [
        _HEAD.format(title=html.escape(title), tone="held" if held else "broken", total=html.escape(total)),
        f'<div class="facts">{facts}</div>' if facts else "",
        f"<h2>In one look</h2><table><thead><tr><th>What happened<th>Promises held</thead>{lines}</table>",
        *(_of(number, chapter) for number, chapter in enumerate(chapters, start=1)),
        _FOOT.format(about=html.escape(about)),
    ]
    return "\n".join(parts)


def _line(number: int, chapter: Chapter) -> str:
    kept, well = sum(p.held for p in chapter.promises), _well(chapter)
    mark = '<span class="ok">✔</span>' if well else '<span class="bad">✘</span>'
    return (
        f'<tr><td>{number}. <a href="#c{number}">{html.escape(chapter.title)}</a>'
        f"<td>{mark} {kept} of {len(chapter.promises)}"
    )


def _well(chapter: Chapter) -> bool:
    return bool(chapter.promises) and not chapter.broke and all(p.held for p in chapter.promises)


def _of(number: int, chapter: Chapter) -> str:
    rows = "".join(
        f'<li class="{"held" if p.held else "broken"}">{_sentence(p.text)}'
        + (f" <small>{html.escape(p.evidence)}</small>" if p.evidence else "")
        for p in chapter.promises
    )
    about = f'<p class="about">{html.escape(chapter.about)}</p>' if chapter.about else ""
    told = "".join(f"<p>{_sentence(text)}</p>" for text in chapter.told)
    pictures = "".join(
        f'<figure class="{"wide" if wide else "small"}"><img alt="{html.escape(caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        for caption, png, wide in chapter.pictures
    )
    pictures = f'<div class="pictures">{pictures}</div>' if pictures else ""
    broke = f"<h3>It broke here</h3><pre>{html.escape(chapter.broke)}</pre>" if chapter.broke else ""
    title = f'<h2 id="c{number}">{number}. {html.escape(chapter.title)}</h2>'
    return f"<section>{title}{about}{told}<h3>What was promised</h3><ul>{rows}</ul>{pictures}{broke}</section>"


def _sentence(text: str) -> str:
    return html.escape(text[:1].upper() + text[1:])


_HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
body {{ font: 17px/1.55 system-ui, "Noto Sans Devanagari", sans-serif; margin: 0; }}
body {{ background: #fbfaf5; color: #1d2a1c; }}
main {{ max-width: 62rem; margin: auto; padding: 1rem 1.25rem 3rem; }}
h1 {{ font-size: 2.1rem; line-height: 1.2; margin: 1.5rem 0 .5rem; }} h2 {{ margin: 0 0 .5rem; line-height: 1.25; }}
h3 {{ margin: 1rem 0 .3rem; font-size: 1rem; }}
.verdict {{ font-size: 1.35rem; font-weight: 700; padding: .8rem 1.1rem; border-radius: 10px; }}
.verdict.held {{ background: #dcefd9; color: #124d1f; }} .verdict.broken {{ background: #f8dcdc; color: #8c0f16; }}
.facts {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); }}
.facts {{ gap: .75rem; margin: 1rem 0 2rem; }}
.facts div {{ background: #fff; border: 1px solid #dedccb; border-radius: 10px; padding: .6rem .8rem; }}
.facts b {{ display: block; font-size: 1.5rem; }}
table {{ width: 100%; border-collapse: collapse; background: #fff; border: 1px solid #dedccb; }}
td, th {{ text-align: left; padding: .35rem .8rem; border-top: 1px solid #ecebdf; }}
td:last-child, th:last-child {{ white-space: nowrap; text-align: right; }} a {{ color: #145a86; }}
.ok {{ color: #1b6b2c; }} .bad {{ color: #a3131a; }}
section {{ background: #fff; border: 1px solid #dedccb; border-radius: 12px; }}
section {{ padding: 1.1rem 1.4rem; margin: 1.5rem 0; }}
.about {{ font-size: 1.08rem; margin: .2rem 0 .6rem; }}
ul {{ list-style: none; padding: 0; margin: 0; }} li {{ padding: .2rem 0 .2rem 1.7rem; text-indent: -1.7rem; }}
li.held::before {{ content: "✔"; color: #1b6b2c; display: inline-block; width: 1.7rem; text-indent: 0; }}
li.broken::before {{ content: "✘"; display: inline-block; width: 1.7rem; text-indent: 0; }}
li.broken {{ color: #a3131a; font-weight: 600; }} small {{ color: #55604f; overflow-wrap: anywhere; }}
.pictures {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem; margin-top: 1rem; }}
figure {{ margin: 0; }} figure.wide {{ grid-column: 1 / -1; }}
img {{ width: 100%; border: 1px solid #c9c9b8; border-radius: 6px; display: block; }}
figcaption {{ color: #55604f; font-size: .92rem; padding-top: .25rem; }}
pre {{ background: #f3e3e3; padding: .6rem; overflow-x: auto; font-size: 13px; }}
@media (max-width: 30rem) {{ .pictures {{ grid-template-columns: 1fr; }} }}
</style>
<main><h1>{title}</h1>
<p class="verdict {tone}">{total}</p>
<p>Pikvani is a small machine in a village. A farmer shows it a sick leaf and speaks to it; it answers in Marathi or
Hindi, without internet. This page tells of a rehearsal of one season: the real programs ran, whole devices, many
lighter ones and the centre in the district town, and everything was done to them that a season does. Each chapter says
what happened, what had been promised, and whether it held, with what was seen as proof.</p>"""

_FOOT = """<section><h2>What this rehearsal is not</h2>
<p>It ran on one computer, and weeks passed in minutes. Cameras looked at photographs of real leaves, kept aside from
what the model was taught with; voices came from a speech synthesiser. The farmers and diseases of the lighter
devices are made up; their cards, certificates, messages and receipts are real. Where the page says that a version is
built, a model that was trained before is taken from the shelf: training takes hours. Nothing here was tried by farmers
in a field.</p><p><small>{about}</small></p></section></main></html>
"""
