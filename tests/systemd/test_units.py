"""The unit files, judged by systemd itself: nothing it does not know, nothing more allowed than needed."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "systemd").glob("*/*.service"))
PYTHON = [unit for unit in UNITS if "/opt/pikvani/venv/bin/" in unit.read_text()]
BROWSER = ROOT / "systemd" / "device" / "pikvani-kiosk.service"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed: apt-get install systemd")


def keys(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if re.match(r"[A-Z]\w+=", line):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@needs_systemd
@pytest.mark.parametrize("unit", [*PYTHON, BROWSER], ids=lambda unit: unit.name)
def test_given_a_unit_then_systemd_finds_little_left_to_take_from_it(unit: Path) -> None:
    threshold = 30 if unit == BROWSER else 15
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--no-pager", f"--threshold={threshold}", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-400:] + done.stderr


@needs_systemd
def test_given_all_units_then_systemd_finds_nothing_it_does_not_understand(tmp_path: Path) -> None:
    """The programs they start are replaced by one that is here; everything else is as shipped."""
    here = shutil.which("true")
    copies = []
    for unit in [*UNITS, *(ROOT / "systemd").glob("*/*.timer"), *(ROOT / "systemd").glob("*/*.target")]:
        copy = tmp_path / unit.name
        copy.write_text(re.sub(r"^(Exec\w+=[-+]?)\S+", rf"\g<1>{here}", unit.read_text(), flags=re.MULTILINE))
        copies.append(str(copy))
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", "--recursive-errors=no", *copies],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = [line for line in done.stderr.splitlines() if "pikvani" in line]
    assert not said and done.returncode == 0, done.stderr


@pytest.mark.parametrize("unit", PYTHON, ids=lambda unit: unit.name)
def test_given_a_part_that_runs_on_then_it_has_a_watchdog_a_limit_and_comes_back(unit: Path) -> None:
    said = keys(unit)
    assert "MemoryMax" in said and "TasksMax" in said
    assert said["StateDirectory"]
    if said["Type"] != ["oneshot"]:
        assert said["Type"] == ["notify"]
        assert said["WatchdogSec"] and said["WatchdogSignal"] == ["SIGKILL"]
        assert said["Restart"] == ["always"] and said["RestartSec"]


def test_given_that_units_refuse_to_set_priorities_then_no_code_tries() -> None:
    """A self-test that called `os.nice` failed in the unit alone, and with it every signed update."""
    device = [unit for unit in PYTHON if unit.parent.name == "device" and "pikvani-wifi" not in unit.name]
    assert all(any("@resources" in value and "~" in value for value in keys(u)["SystemCallFilter"]) for u in device)
    refused = re.compile(r"\bos\.(nice|setpriority|sched_set\w+)\(")
    called = [path for path in (ROOT / "device").rglob("*.py") if refused.search(path.read_text())]
    assert not called, f"the units' filter refuses this; give the unit Nice= instead: {called}"


def test_given_the_update_then_it_waits_for_no_other_part() -> None:
    said = keys(ROOT / "systemd" / "device" / "pikvani-update.service")
    for key in ("After", "Requires", "Wants", "BindsTo", "Requisite", "PartOf"):
        assert "pikvani-web" not in " ".join(said.get(key, []))


def test_given_an_app_that_does_not_start_then_going_back_is_tried_and_the_app_again() -> None:
    web = keys(ROOT / "systemd" / "device" / "pikvani-web.service")
    heal = keys(ROOT / "systemd" / "device" / "pikvani-heal.service")
    assert web["OnFailure"] == ["pikvani-heal.service"] and web["StartLimitBurst"]
    assert heal["ExecStart"][0].endswith("update heal")
    assert any("start pikvani-web.service" in line for line in heal["ExecStartPost"])


def test_given_the_appliance_then_its_target_wants_every_part_and_requires_none() -> None:
    target = keys(ROOT / "systemd" / "device" / "pikvani.target")
    wanted = set(" ".join(target["Wants"]).split())
    parts = {
        u.name for u in (ROOT / "systemd" / "device").glob("*.service") if "WantedBy=pikvani.target" in u.read_text()
    }
    assert wanted == parts and "Requires" not in target


def test_given_the_commands_of_the_units_then_they_exist() -> None:
    from pikvani_device.cli import cli as device
    from pikvani_provision.cli import cli as provision
    from pikvani_server.cli import cli as server

    programs = {"pikvani-device": device, "pikvani-server": server, "pikvani-provision": provision}
    for unit in PYTHON:
        for line in keys(unit)["ExecStart"]:
            program, *words = line.lstrip("-").removeprefix("/opt/pikvani/venv/bin/").split()
            command = programs[program]
            for word in words:
                if word.startswith("-"):
                    continue
                context = command.make_context(program, [], resilient_parsing=True)
                found = command.get_command(context, word)  # type: ignore[attr-defined]
                assert found is not None, f"{unit.name}: {program} has no command {word}"
                if not hasattr(found, "get_command"):
                    options = {name for option in found.params for name in option.opts}
                    assert {w for w in words if w.startswith("--")} - {"--log-json"} <= options, unit.name
                    break
                command = found


@pytest.mark.parametrize("script", sorted((ROOT / "systemd" / "device").glob("[!.]*")), ids=lambda path: path.name)
def test_given_a_script_then_the_shell_can_read_it(script: Path) -> None:
    if not script.is_file() or not script.read_bytes().startswith(b"#!"):
        return
    assert subprocess.run(["sh", "-n", str(script)], timeout=30).returncode == 0
    assert script.stat().st_mode & 0o111


@pytest.mark.parametrize("name", ["journald.conf", "watchdog.conf"])
def test_given_settings_of_systemd_then_they_are_bounded(name: str) -> None:
    parsed = configparser.ConfigParser()
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string((ROOT / "systemd" / "device" / "etc" / name).read_text())
    if name == "journald.conf":
        assert parsed["Journal"]["RuntimeMaxUse"] == "48M"
    else:
        assert parsed["Manager"]["RuntimeWatchdogSec"]
