"""The light devices, as the season sees them: a process that lives beside everything else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.season.places import LEAVES, State


class LightFleet:
    """The light devices, living beside everything else.

    Args:
        folder: where their cards and identities lie; made here.
        state: their centre.
        districts: where they stand.
        seed: of their farmers.
        short: fewer of them, and fewer days.
    """

    def __init__(self, folder: Path, state: State, districts: Sequence[str], seed: int, short: bool) -> None:
        self.folder = folder
        self.folder.mkdir()
        self.each, self.days, cases_a_day, pictured = (6, 42, 12, 14) if short else (13, 120, 8, 48)
        self.last = datetime.now(UTC).date() - timedelta(days=1)
        centre = state.centre
        words: list[object] = ["--centre", centre.config, "--folder", self.folder, "--trust", centre.trust]
        words += ["--ca", centre.folder / "ca" / "root.pem", "--enrol-port", centre.enrol_port]
        words += ["--device-port", centre.device_port, "--districts", *districts, "--each", self.each]
        words += ["--days", self.days, "--cases-a-day", cases_a_day, "--last", self.last, "--pictured-days", pictured]
        words += ["--photographs", LEAVES, "--seed", seed]
        self._said, self._erred = self.folder / "said", self.folder / "erred"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.season.light_fleet", *map(str, words)],
            stdout=self._said.open("w"),
            stderr=self._erred.open("w"),
            env=centre.environment,
        )

    def lived(self) -> dict[str, Any]:
        """Wait for their last day; what they say of themselves."""
        self._process.wait(2_400)
        said = self._said.read_text().splitlines()
        if not said:
            raise RuntimeError(self._erred.read_text()[-1_500:])
        told: dict[str, Any] = json.loads(said[-1])
        return told

    def truth(self) -> dict[tuple[str, str, str], str]:
        """What each case with a picture really was, by device, outbox and number: what a person sees in the leaf."""
        rows = [json.loads(line) for line in (self.folder / "truth.jsonl").read_text().splitlines()]
        return {(row["device"], row["outbox"], str(row["seq"])): row["truth"] for row in rows}

    def stop(self) -> None:
        """Whatever they do."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
