"""Maharashtra as tiles: each district a square about where it lies. Drawn by us; no map data."""

from __future__ import annotations

from dataclasses import dataclass

_ROWS = (
    (2, "Nandurbar Dhule Jalgaon Buldhana Akola Amravati Nagpur Bhandara Gondia"),
    (1, "Palghar Nashik Aurangabad Jalna Hingoli Washim Yavatmal Wardha Chandrapur Gadchiroli"),
    (0, "Mumbai_Suburban Thane Ahmednagar Beed Parbhani Nanded"),
    (0, "Mumbai_City Raigad Pune Dharashiv Latur"),
    (1, "Ratnagiri Satara Solapur"),
    (1, "Sindhudurg Kolhapur Sangli"),
)
OTHER_NAMES = {
    "Chhatrapati Sambhajinagar": "Aurangabad",
    "Osmanabad": "Dharashiv",
    "Ahilyanagar": "Ahmednagar",
    "Mumbai": "Mumbai City",
}
"""Names given lately, or before: the tile is the same."""


@dataclass(frozen=True)
class Tile:
    """A district's place in the grid, from 0 at the north-west."""

    name: str
    row: int
    column: int


TILES = tuple(
    Tile(name.replace("_", " "), row, first + offset)
    for row, (first, names) in enumerate(_ROWS)
    for offset, name in enumerate(names.split())
)


def shade(value: float, top: float) -> int:
    """Which of five shades, 0 for nothing: equal steps of the square root, so that small ones differ too."""
    if value <= 0 or top <= 0:
        return 0
    return min(4, 1 + int(3.999 * (min(1.0, value / top) ** 0.5)))
