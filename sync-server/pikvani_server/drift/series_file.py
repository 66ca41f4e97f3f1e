"""Reads one column of numbers from a file a person gives. Says in one line what is wrong with it; guesses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pikvani_server.errors import ServerError

MOST_ROWS = 1_000_000
MOST_LINE_BYTES = 200
"""Longer than any number a person or a program writes."""


class SeriesError(ServerError):
    """The file is not a series of numbers."""


def read_series(path: Path) -> NDArray[np.float64]:
    """Read a series: one column, one row a step, an optional header in the first line, an empty cell is missing.

    Empty lines at the end are no steps; `nan` and `NA` in any case are missing too.

    Returns:
        `[rows]` with NaN for missing, at least one of them a number.

    Raises:
        SeriesError: Unreadable, empty, not a number, not finite, more than one column, or more than `MOST_ROWS` rows.
    """
    values: list[float] = []
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(iter(lambda: stream.readline(MOST_LINE_BYTES + 1), b""), start=1):
                if len(raw) > MOST_LINE_BYTES:
                    raise SeriesError(f"{path}: line {number} is longer than {MOST_LINE_BYTES} bytes: give one column")
                value = _number(raw.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace"))
                if value is None:
                    if number == 1:
                        continue
                    raise SeriesError(f"{path}: line {number} is not a number: give one column of numbers")
                values.append(value)
                # Empty lines at the end are cut below, so they may stand above the limit for a while.
                if len(values) > MOST_ROWS + 1:
                    raise SeriesError(f"{path} has more than {MOST_ROWS} rows: give a shorter series")
    except OSError as error:
        raise SeriesError(f"cannot read {path}: {error.strerror}; check the name and its rights") from error
    series = np.array(values, dtype=np.float64)
    present = np.flatnonzero(~np.isnan(series))
    if not len(present):
        raise SeriesError(f"{path} holds no number: give one column, one row a step")
    series = series[: present[-1] + 1]
    if len(series) > MOST_ROWS:
        raise SeriesError(f"{path} has more than {MOST_ROWS} rows: give a shorter series")
    return series


def _number(line: str) -> float | None:
    """The number of a line, NaN for a missing one, None for no number."""
    cell = line.strip().strip('"').strip()
    if not cell or cell.lower() in ("nan", "na"):
        return float("nan")
    # float() also takes 1_000 and words for infinity; neither is what a column of measurements holds.
    if "_" in cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
