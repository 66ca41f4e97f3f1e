"""`pikvani-server drift`: the detector on a file, for a person or a script. Parses and prints; no database."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from pikvani_server.drift.detector import detect
from pikvani_server.drift.series_file import read_series


@click.group()
def drift() -> None:
    """Change of regime in a series, without a database."""


@drift.command("detect")
@click.option("--jsonl", is_flag=True, help="One JSON object an alarm: index, score, direction.")
@click.argument("file", type=click.Path(path_type=Path))
def detect_command(jsonl: bool, file: Path) -> None:
    """Print the alarms of FILE: the first row of each new regime, from 0, a header not counted.

    FILE has one column, one row a step, an optional header; an empty cell is a missing step. The whole series is
    looked at, with one frozen setting for all series.
    """
    for alarm in detect(read_series(file)):
        if jsonl:
            shown = {"index": alarm.index, "score": round(alarm.score, 3), "direction": alarm.direction}
            click.echo(msgspec.json.encode(shown).decode())
        else:
            click.echo(alarm.index)
