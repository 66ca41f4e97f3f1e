"""Charts as SVG drawn here: no script, no style attribute, colours by class. Words stand beside the drawing as HTML, so
they keep their size at any width; the numbers stand in a table behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

_WIDTH, _HEIGHT = 1000.0, 240.0


@dataclass(frozen=True)
class Series:
    """One colour of a chart; `tone` is a class of the style sheet."""

    name: str
    values: Sequence[float | None]
    tone: str


@dataclass(frozen=True)
class Chart:
    """A drawing with what is needed to read it.

    Attributes:
        title: what it shows.
        drawing: the SVG.
        ticks: words at the left, from top to bottom.
        labels: words below, from left to right.
        series: its colours; also the columns of the table behind.
        rows: names of the table's rows.
    """

    title: str
    drawing: Markup
    ticks: Sequence[str]
    labels: Sequence[str]
    series: Sequence[Series]
    rows: Sequence[str]
    unit: str = "number"


def stacked(title: str, names: Sequence[str], series: Sequence[Series], ticks: int = 2) -> Chart:
    """Bars, one a name, the series on top of each other."""
    totals = [sum(s.values[i] or 0 for s in series) for i in range(len(names))]
    top = nice(max(totals, default=0))
    step = _WIDTH / max(1, len(names))
    parts = []
    for i, name in enumerate(names):
        y = _HEIGHT
        words = ", ".join(f"{s.name} {s.values[i] or 0:g}" for s in series)
        bars = []
        for s in series:
            height = (s.values[i] or 0) / top * _HEIGHT
            y -= height
            bars.append(_rect(i * step + step * 0.1, y, step * 0.8, height, s.tone))
        parts.append(Markup("<g><title>{}: {}</title>{}</g>").format(name, words, Markup("").join(bars)))
    levels = [top * (ticks - i) / ticks for i in range(ticks + 1)]
    return Chart(title, _svg(title, parts, ticks), [f"{v:g}" for v in levels], _ends(names), series, names)


def lines(
    title: str,
    names: Sequence[str],
    series: Sequence[Series],
    top: float | None = None,
    unit: str = "number",
    limit: float | None = None,
) -> Chart:
    """Lines over names; a missing value leaves a gap; `limit` is a dashed line that matters."""
    known = [v for s in series for v in s.values if v is not None]
    high = top or nice(max([*known, limit or 0.0], default=0.0))
    step = _WIDTH / max(1, len(names) - 1) if len(names) > 1 else 0.0
    parts = []
    if limit is not None:
        y = _HEIGHT * (1 - limit / high)
        parts.append(Markup('<line x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}" class="limit"/>').format(_WIDTH, y, y))
    for s in series:
        for run in _runs(s.values):
            points = [(i * step, _HEIGHT * (1 - min(1.0, max(0.0, s.values[i] or 0.0) / high))) for i in run]
            if len(points) == 1:
                points = [(points[0][0] - 4, points[0][1]), (points[0][0] + 4, points[0][1])]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(Markup('<polyline points="{}" class="line {}"/>').format(path, s.tone))
    levels = [high, high / 2, 0.0]
    ticks = [f"{v:.0%}" if unit == "percent" else f"{v:g}" for v in levels]
    return Chart(title, _svg(title, parts, 2), ticks, _ends(names), series, names, unit)


def pair(title: str, names: Sequence[str], before: Series, now: Series) -> Chart:
    """Two histograms as shares of their sums, side by side."""
    both = []
    for s in (before, now):
        total = sum(v or 0 for v in s.values) or 1
        both.append(Series(s.name, [(v or 0) / total for v in s.values], s.tone))
    top = nice(max((v or 0 for s in both for v in s.values), default=0))
    step = _WIDTH / max(1, len(names))
    parts = []
    for i, name in enumerate(names):
        bars = [
            _rect(
                i * step + step * (0.08 + 0.42 * k),
                _HEIGHT * (1 - (s.values[i] or 0) / top),
                step * 0.42,
                _HEIGHT * (s.values[i] or 0) / top,
                s.tone,
            )
            for k, s in enumerate(both)
        ]
        words = ", ".join(f"{s.name} {s.values[i] or 0:.1%}" for s in both)
        parts.append(Markup("<g><title>{}: {}</title>{}</g>").format(name, words, Markup("").join(bars)))
    ticks = [f"{top:.0%}", f"{top / 2:.0%}", "0%"]
    return Chart(title, _svg(title, parts, 2), ticks, _ends(names), both, names, "percent")


def interval(value: float, low: float, high: float, limit: float, span: tuple[float, float], tone: str) -> Markup:
    """A value with its interval beside a limit, on a fixed span; for a cell of a table, whose words tell the same."""

    def x(v: float) -> float:
        return 100 * (min(max(v, span[0]), span[1]) - span[0]) / (span[1] - span[0])

    return Markup(
        '<svg class="interval" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<line x1="{:.1f}" x2="{:.1f}" y1="0" y2="10" class="limit"/>'
        '<rect x="{:.1f}" y="4" width="{:.1f}" height="2" class="{}"/>'
        '<rect x="{:.1f}" y="1" width="1.6" height="8" class="{}"/></svg>'
    ).format(x(limit), x(limit), x(low), max(0.4, x(high) - x(low)), tone, x(value) - 0.8, tone)


def meter(share: float, tone: str = "c1") -> Markup:
    """A small bar of a share, for a cell whose words tell the same."""
    width = 100 * min(1.0, max(0.0, share))
    return Markup(
        '<svg class="meter" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100" height="10" class="ground"/><rect width="{:.1f}" height="10" class="{}"/></svg>'
    ).format(width, tone)


def spark(values: Sequence[float], tone: str = "c1") -> Markup:
    """Small bars without words."""
    top = max([*values, 1e-9])
    step = 100 / max(1, len(values))
    bars = [_rect(i * step, 20 - 20 * v / top, step * 0.8, 20 * v / top, tone) for i, v in enumerate(values)]
    return Markup(
        '<svg class="spark" viewBox="0 0 100 20" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(bars))


_NOTHING = 1e-300
"""Below it a power of ten has no digits left."""


def nice(value: float) -> float:
    """The next of 1, 2, 4, 5, 10 times a power of ten at or above a value; 1 for nothing."""
    if value < _NOTHING:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(power * m for m in (1, 2, 4, 5, 10) if power * m >= value * (1 - 1e-9))


def _runs(values: Sequence[float | None]) -> list[list[int]]:
    runs: list[list[int]] = [[]]
    for i, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(i)
    return [run for run in runs if run]


def _ends(names: Sequence[str]) -> list[str]:
    """Names to stand below at equal distances: as many as come within a twenty-fifth of the width of their places."""
    last = len(names) - 1
    if last < 4:
        return list(names)
    for gaps in (4, 3, 5, 2):
        places = [last * i / gaps for i in range(gaps + 1)]
        if all(abs(round(place) - place) <= last / 25 for place in places):
            return [names[round(place)] for place in places]
    return [names[0], names[-1]]


def _rect(x: float, y: float, width: float, height: float, tone: str) -> Markup:
    return Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" class="{}"/>').format(
        x, y, width, max(0.0, height), tone
    )


def _svg(title: str, parts: Sequence[Markup], ticks: int) -> Markup:
    grid = [
        Markup('<line x1="0" x2="{}" y1="{:.1f}" y2="{:.1f}" class="grid"/>').format(_WIDTH, y, y)
        for y in (_HEIGHT * i / ticks for i in range(ticks + 1))
    ]
    return Markup(
        '<svg viewBox="0 0 {:.0f} {:.0f}" preserveAspectRatio="none" role="img" aria-label="{}">{}{}</svg>'
    ).format(_WIDTH, _HEIGHT, title, Markup("").join(grid), Markup("").join(parts))
