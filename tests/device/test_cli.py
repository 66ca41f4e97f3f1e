"""The command line as a process: exact JSON lines, one clear line for everything that is wrong, never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pikvani_device.drawn_leaves import write_drawn_leaves

KEYS = {
    *("photo", "decision", "reason", "crop", "condition", "confidence", "probabilities", "latency_ms"),
    *("model_version", "runtime"),
}


def run(*arguments: object, stdout: object = subprocess.PIPE, env: dict[str, str] | None = None):
    done = subprocess.run(
        [sys.executable, "-m", "pikvani_device.cli", *map(str, arguments)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def diagnose(sample_package: Path):
    return lambda *a, **k: run("diagnose", "--model", sample_package, "--runtime", "fake", *a, **k)


def one_line(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    return lines[0]


def test_given_each_and_jsonl_then_every_photo_is_one_line_and_a_bad_one_does_not_stop_the_run(
    diagnose, tmp_path: Path
) -> None:
    photos = write_drawn_leaves(tmp_path / "photos", 3)
    text = tmp_path / "text.jpg"
    text.write_text("not a photo")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos[0].read_bytes()[:5000])
    empty = tmp_path / "empty.png"
    empty.touch()
    given = [photos[0], text, cut, empty, tmp_path / "absent.jpg", *photos[1:]]
    done = diagnose("--each", "--jsonl", *given)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [line["photo"] for line in lines] == [str(path) for path in given]
    for line in (lines[0], *lines[5:]):
        assert set(line) == KEYS
        assert line["condition"] in line["probabilities"]
        assert line["decision"] in ("answer", "more", "refuse")
        assert line["model_version"] == "sample@1.2.3"
    for line in lines[1:5]:
        assert set(line) == KEYS | {"error"}
        assert (line["decision"], line["reason"], line["condition"]) == ("refuse", "unreadable", None)


def test_given_a_directory_then_its_photos_are_taken_in_name_order(diagnose, tmp_path: Path) -> None:
    photos = write_drawn_leaves(tmp_path / "photos", 2)
    (tmp_path / "photos" / "notes.txt").write_text("x")
    done = diagnose("--each", "--jsonl", tmp_path / "photos")
    assert [json.loads(line)["photo"] for line in done.stdout.splitlines()] == [str(p) for p in photos]


def test_given_several_photos_without_each_then_they_are_one_case(diagnose, tmp_path: Path) -> None:
    done = diagnose("--jsonl", "--crop", "cotton", *write_drawn_leaves(tmp_path / "photos", 3))
    assert len(done.stdout.splitlines()) == 1
    assert json.loads(done.stdout)["crop"] == "cotton"


def test_given_record_then_the_case_is_kept_and_waits_for_the_centre(
    diagnose, drawn_leaf: Path, tmp_path: Path
) -> None:
    config = tmp_path / "device.toml"
    config.write_text(
        f'[device]\ndata_dir = "{tmp_path / "data"}"\n'
        f'[model]\ndir = "{tmp_path / "package"}"\n[runtime]\nadapter = "fake"\n'
    )
    env = {"PIKVANI_DEVICE_CONFIG": str(config)}
    line = json.loads(diagnose("--record", "--jsonl", drawn_leaf, env=env).stdout)
    assert line["case_id"]
    kept = list((tmp_path / "data" / "photos").iterdir())
    assert len(kept) == 1
    status = json.loads(run("status", "--json", env=env).stdout)
    assert sum(lane["records"] for lane in status["lanes"]) == 1
    assert status["model"] == "sample@1.2.3"
    assert "sample@1.2.3" in run("status", env=env).stdout


def test_given_no_record_then_nothing_is_written(diagnose, drawn_leaf: Path, tmp_path: Path) -> None:
    config = tmp_path / "device.toml"
    config.write_text(f'[device]\ndata_dir = "{tmp_path / "data"}"\n')
    assert diagnose(drawn_leaf, env={"PIKVANI_DEVICE_CONFIG": str(config)}).returncode == 0
    assert not (tmp_path / "data").exists()


def test_given_an_unreadable_photo_without_each_then_one_line_and_exit_2(diagnose, tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("not a photo")
    done = diagnose(text)
    assert done.returncode == 2
    assert "text.jpg" in one_line(done.stderr)


def test_given_an_unknown_crop_then_the_known_ones_are_named(diagnose, drawn_leaf: Path) -> None:
    done = diagnose("--crop", "banana", drawn_leaf)
    assert done.returncode == 2
    assert "cotton, maize" in one_line(done.stderr)


def test_given_too_many_photos_in_one_case_then_it_says_so(diagnose, drawn_leaf: Path) -> None:
    done = diagnose(*[drawn_leaf] * 7)
    assert done.returncode == 2
    assert "1 to 6" in one_line(done.stderr)


def test_given_a_missing_model_then_one_line_and_exit_2(drawn_leaf: Path, tmp_path: Path) -> None:
    done = run("diagnose", "--model", tmp_path / "nowhere", drawn_leaf)
    assert done.returncode == 2
    assert "nowhere" in one_line(done.stderr)


def test_given_a_package_that_does_not_fit_then_one_line_and_exit_2(drawn_leaf: Path, write_package) -> None:
    changed = write_package()
    (changed / "model.onnx").write_bytes(b"other network")
    contradicting = write_package(labels=("cotton/healthy", "none/background"))
    newer = write_package(requires={"runtimes": {}, "app": "99.0.0"})
    torn = write_package()
    (torn / "manifest.json").write_text("{")
    for package, told in ((changed, "hash"), (contradicting, "labels"), (newer, "99.0.0"), (torn, "manifest")):
        done = run("diagnose", "--runtime", "fake", "--model", package, drawn_leaf)
        assert done.returncode == 2
        assert told in one_line(done.stderr)


def test_given_a_model_file_that_is_no_network_then_one_line_and_exit_2(
    diagnose, drawn_leaf: Path, sample_package
) -> None:
    for runtime in ("onnx", "tflite"):
        done = run("diagnose", "--runtime", runtime, "--model", sample_package, drawn_leaf)
        assert done.returncode == 2
        assert one_line(done.stderr)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_given_a_full_disk_behind_stdout_then_one_line_and_exit_2(diagnose, drawn_leaf: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = diagnose("--each", "--jsonl", drawn_leaf, stdout=full)
    assert done.returncode == 2
    assert "disk is full" in one_line(done.stderr)


def test_given_a_data_directory_that_cannot_be_made_then_record_says_so(
    diagnose, drawn_leaf: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    config = tmp_path / "device.toml"
    config.write_text(f'[device]\ndata_dir = "{tmp_path / "file" / "data"}"\n')
    done = diagnose("--record", drawn_leaf, env={"PIKVANI_DEVICE_CONFIG": str(config)})
    assert done.returncode == 2
    assert str(tmp_path / "file") in one_line(done.stderr)


def test_given_a_configuration_mistake_then_check_names_it(tmp_path: Path) -> None:
    config = tmp_path / "device.toml"
    config.write_text("[runtime]\nthread = 2\n")
    done = run("--config", config, "config", "check")
    assert done.returncode == 2
    assert "'threads'" in one_line(done.stderr)
    assert "[runtime]" in run("config", "show").stdout


def imported(*arguments: object) -> str:
    command = [sys.executable, "-X", "importtime", "-m", "pikvani_device.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr


def test_given_a_command_then_it_imports_only_what_it_needs(drawn_leaf: Path, sample_package: Path) -> None:
    """A farmer waits for the start, and memory is short: each library costs both."""
    told = imported("diagnose", "--model", sample_package, "--runtime", "fake", drawn_leaf)
    for name in ("flask", "paho.mqtt", "sqlite3", "onnxruntime", "pikvani_device.store"):
        assert f" {name}\n" not in told, name
    assert " cv2\n" not in imported("config", "show")
