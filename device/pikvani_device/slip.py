"""A slip of paper as a picture: lines of Marathi, Hindi or English, shaped as they should be, in black dots.

OpenCV's own text takes Devanagari apart (it writes विराम signs where letters join). HarfBuzz, which shapes the text of
browsers too, says which glyphs stand where; OpenCV fills their outlines.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import uharfbuzz as hb
from numpy.typing import NDArray

from pikvani_device.errors import DeviceError

FONTS = (
    "/usr/share/fonts/truetype/noto/NotoSansDevanagari-Regular.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
)
"""Debian's `fonts-noto-core`; the second for letters the first does not have."""
MARGIN = 8
_SUB, _SHIFT = 2, 8
"""Dots are found on a grid twice as fine, with outlines at 1/256 of a dot of it."""
_CURVE_STEPS = 6

Outline = list[NDArray[np.float64]]


@dataclass(frozen=True)
class Line:
    """A paragraph of the slip.

    Attributes:
        text: words; wrapped where the paper ends.
        size: dots from the top of one line to the top of the next.
        gap: dots left free above.
    """

    text: str
    size: int = 34
    gap: int = 6


@dataclass(frozen=True)
class Glyph:
    """A glyph of a word.

    Attributes:
        font: number of the font it is from.
        id: its number there.
        x: where it stands, in ems from the word's begin.
        y: its rise over the base line, in ems.
    """

    font: int
    id: int
    x: float
    y: float


class Lettering:
    """Fonts, and how words look in them.

    Args:
        fonts: files; a letter is taken from the first that has it.

    Raises:
        DeviceError: one cannot be read.
    """

    def __init__(self, fonts: Sequence[str] = FONTS) -> None:
        self._fonts: list[hb.Font] = []
        for name in fonts:
            try:
                self._fonts.append(hb.Font(hb.Face(hb.Blob(Path(name).read_bytes()))))
            except OSError as error:
                raise DeviceError(
                    f"{name}: the font cannot be read ({error.strerror}); install fonts-noto-core"
                ) from None
        self._outline = functools.lru_cache(maxsize=2_000)(self._draw)

    def shaped(self, word: str) -> tuple[list[Glyph], float]:
        """The glyphs of a word and its width in ems."""
        glyphs: list[Glyph] = []
        x = 0.0
        for number, run in self._runs(word):
            font = self._fonts[number]
            buffer = hb.Buffer()
            buffer.add_str(run)
            buffer.guess_segment_properties()
            hb.shape(font, buffer)
            em = font.face.upem
            for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
                glyphs.append(Glyph(number, info.codepoint, x + place.x_offset / em, place.y_offset / em))
                x += place.x_advance / em
        return glyphs, x

    def outline(self, glyph: Glyph) -> Outline:
        """The contours of a glyph in ems, y up."""
        return self._outline(glyph.font, glyph.id)

    def _runs(self, word: str) -> list[tuple[int, str]]:
        runs: list[tuple[int, str]] = []
        for char in word:
            has = [n for n, font in enumerate(self._fonts) if font.get_nominal_glyph(ord(char)) is not None]
            # Joiners and digits inside a word stay with the letters they stand among.
            number = runs[-1][0] if runs and runs[-1][0] in has else (has[0] if has else 0)
            if runs and runs[-1][0] == number:
                runs[-1] = (number, runs[-1][1] + char)
            else:
                runs.append((number, char))
        return runs

    def _draw(self, font: int, glyph: int) -> Outline:
        contours: Outline = []
        points: list[tuple[float, float]] = []

        def move(x: float, y: float, _: object) -> None:
            points[:] = [(x, y)]

        def line(x: float, y: float, _: object) -> None:
            points.append((x, y))

        def curve(*args: object) -> None:
            corners = np.array(args[:-1], dtype=np.float64).reshape(-1, 2)
            points.extend(tuple(point) for point in _bezier(np.array([points[-1], *corners])))

        def close(_: object) -> None:
            contours.append(np.array(points) / self._fonts[font].face.upem)

        pen = hb.DrawFuncs()
        pen.set_move_to_func(move)
        pen.set_line_to_func(line)
        pen.set_quadratic_to_func(curve)
        pen.set_cubic_to_func(curve)
        pen.set_close_path_func(close)
        self._fonts[font].draw_glyph(glyph, pen, None)
        return contours


def _bezier(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points on a curve of second or third degree, its begin left out (de Casteljau)."""
    t = np.linspace(0, 1, _CURVE_STEPS + 1)[1:, None, None]
    level = np.broadcast_to(corners, (_CURVE_STEPS, *corners.shape))
    while level.shape[1] > 1:
        level = level[:, :-1] * (1 - t) + level[:, 1:] * t
    return level[:, 0]


def draw(lines: Sequence[Line], width: int, lettering: Lettering) -> NDArray[np.bool_]:
    """The slip, True for black.

    Args:
        lines: from top to bottom.
        width: dots.
        lettering: its letters.
    """
    wrapped = [
        (row, line.size, line.gap if first == 0 else 0)
        for line in lines
        for first, row in enumerate(_wrap(line.text, (width - 2 * MARGIN) / _em(line.size), lettering))
    ]
    height = sum(size + gap for _, size, gap in wrapped) + 2 * MARGIN
    fine = np.zeros((height * _SUB, width * _SUB), np.int16)
    top = MARGIN
    for words, size, gap in wrapped:
        top += gap
        x = float(MARGIN)
        for glyphs, advance in words:
            for glyph in glyphs:
                _ink(
                    fine,
                    lettering.outline(glyph),
                    x + glyph.x * _em(size),
                    top + 0.74 * size - glyph.y * _em(size),
                    size,
                )
            x += (advance + _SPACE_EM) * _em(size)
        top += size
    share = cv2.resize((fine != 0).astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    dots: NDArray[np.bool_] = share >= 0.5
    return dots


_SPACE_EM = 0.26
Words = list[tuple[list[Glyph], float]]


def _em(size: int) -> float:
    """Dots of an em in a line of this size: Devanagari needs room above and below."""
    return size * 0.68


def _wrap(text: str, most: float, lettering: Lettering) -> list[Words]:
    rows: list[Words] = [[]]
    used = 0.0
    for word in text.split():
        for glyphs, advance in _pieces(word, most, lettering):
            if rows[-1] and used + _SPACE_EM + advance > most:
                rows.append([])
                used = 0.0
            used += advance + (_SPACE_EM if rows[-1] else 0)
            rows[-1].append((glyphs, advance))
    return rows


def _pieces(word: str, most: float, lettering: Lettering) -> Words:
    """A word, or its pieces where it is longer than a line."""
    glyphs, advance = lettering.shaped(word)
    if advance <= most or len(word) < 2:
        return [(glyphs, advance)]
    middle = len(word) // 2
    return _pieces(word[:middle], most, lettering) + _pieces(word[middle:], most, lettering)


def _ink(fine: NDArray[np.int16], outline: Outline, x: float, y: float, size: int) -> None:
    """Fill a glyph by the non-zero rule: contours that turn one way add, the others take away."""
    scale = _em(size) * _SUB
    placed = [contour * (scale, -scale) + (x * _SUB, y * _SUB) for contour in outline if len(contour) > 2]
    if not placed:
        return
    every = np.concatenate(placed)
    left, top = np.maximum(np.floor(every.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.ceil(every.max(axis=0)).astype(int) + 2
    piece = fine[top:bottom, left:right]
    if not piece.size:
        return
    for contour in placed:
        mask = np.zeros(piece.shape, np.uint8)
        points = np.round((contour - (left, top)) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(mask, [points], 1, cv2.LINE_8, _SHIFT)
        x_, y_ = contour[:, 0], contour[:, 1]
        turn = np.sign(float(np.dot(x_, np.roll(y_, -1)) - np.dot(y_, np.roll(x_, -1))))
        piece += (mask * turn).astype(np.int16)
