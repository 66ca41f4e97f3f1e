"""One season in three villages, the short form: everything together, through public interfaces, on real processes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import mosquitto


@pytest.mark.needs_mosquitto
@pytest.mark.timeout(1_060)
def test_given_a_short_season_then_every_promise_of_every_chapter_held(tmp_path: Path, leaf_photos: Path) -> None:
    if mosquitto.MISSING:
        pytest.skip(mosquitto.MISSING)
    report = tmp_path / "season.html"
    command = [sys.executable, "-m", "tests.season", "--short", "--seed", "1", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_000, cwd=Path(__file__).parents[2])
    told = [line for line in done.stderr.splitlines() if line.startswith("[season")]
    assert done.returncode == 0, "\n".join(line for line in told if "held  " not in line) or done.stderr[-4_000:]
    page = report.read_text("utf-8")
    held = re.search(r"(\d+) of (\d+) promises held", page)
    assert held and held[1] == held[2] and int(held[1]) >= 90
    assert "Everything held." in page and "<img" in page
