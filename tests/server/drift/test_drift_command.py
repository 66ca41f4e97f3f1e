"""`pikvani-server drift detect`: alarms one a line, and an error in one line that names the line of the file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_server.drift.series_file import SeriesError, read_series


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pikvani_server.cli", "drift", "detect", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def shifted(tmp_path: Path) -> Path:
    values = np.random.default_rng(7).normal(size=120) + 6.0 * (np.arange(120) >= 70)
    file = tmp_path / "series.csv"
    file.write_text("sales\n" + "".join("\n" if i == 30 else f"{v:.4f}\n" for i, v in enumerate(values)))
    return file


def test_the_index_counts_rows_from_zero_without_the_header(shifted: Path) -> None:
    done = run(str(shifted))
    assert (done.returncode, done.stdout, done.stderr) == (0, "70\n", "")


def test_jsonl_is_one_object_an_alarm(shifted: Path) -> None:
    (line,) = run("--jsonl", str(shifted)).stdout.splitlines()
    alarm = json.loads(line)
    assert (alarm["index"], alarm["direction"]) == (70, "up")
    assert alarm["score"] > 4


def test_a_bad_file_is_one_line_on_stderr(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("1\n2\nthree\n")
    done = run(str(file))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == f"pikvani-server: {file}: line 3 is not a number: give one column of numbers\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no number"),
        ("name\n", "holds no number"),
        ("\n\n\n", "holds no number"),
        ("1\n2,3\n", "line 2 is not a number"),
        ("1\n1_000\n", "line 2 is not a number"),
        ("1\ninf\n", "line 2 is not a number"),
        ("1\n1e999\n", "line 2 is not a number"),
        ("1\n" + "9" * 500 + "\n", "line 2 is longer than 200 bytes"),
        ("1\n" * 1_000_001, "more than 1000000 rows"),
    ],
    ids=["empty", "header", "blank", "columns", "underscore", "infinite", "overflow", "long", "rows"],
)
def test_what_is_no_series_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "series.csv"
    file.write_text(text)
    with pytest.raises(SeriesError, match=says):
        read_series(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeriesError, match="No such file"):
        read_series(tmp_path / "absent.csv")


def test_quotes_a_byte_order_mark_and_empty_cells_are_read(tmp_path: Path) -> None:
    file = tmp_path / "series.csv"
    file.write_bytes(b'\xef\xbb\xbf1.5\r\n"2"\r\n\r\nNA\r\n-3e2\r\n\r\n')
    np.testing.assert_array_equal(read_series(file), [1.5, 2, np.nan, np.nan, -300])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_series_or_a_refusal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("bytes") / "series.csv"
    file.write_bytes(data)
    try:
        assert len(read_series(file)) > 0
    except SeriesError as error:
        assert "\n" not in str(error)
