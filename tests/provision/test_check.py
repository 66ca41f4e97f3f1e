"""The field test over machines that are made up: files below a root, and programs that say what a board would."""

from __future__ import annotations

import json
import os
import re
import socket
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from pikvani_provision.check import CHECKS, check
from pikvani_provision.checking import board, parts, sound
from pikvani_provision.checking.around import Around, Finding
from pikvani_provision.checking.words import LOCALES, PARTS, SENTENCES, SUMMARY, VERDICTS, sentence


class Machine:
    """A root and a folder of programs, filled by the test."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "root", folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()
        self.config = folder / "device.toml"

    def file(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def program(self, name: str, script: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    @property
    def around(self) -> Around:
        return Around(self.root, f"{self.bin}:/usr/bin:/bin", self.config)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def judged(finding: Finding) -> tuple[str, str]:
    for locale in LOCALES:
        said = sentence(finding, locale)
        assert said.strip() and "{" not in said
    return finding.verdict, finding.key


@pytest.mark.parametrize(
    ("millidegrees", "verdict"),
    [("41000", "good"), ("69499", "good"), ("72500", "warn"), ("80000", "bad"), ("hot", "absent")],
)
def test_temperature(machine: Machine, millidegrees: str, verdict: str) -> None:
    machine.file("sys/class/thermal/thermal_zone0/temp", millidegrees)
    assert judged(board.temperature(machine.around))[0] == verdict


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        ("0x0", ("good", "power_good")),
        ("0x50000", ("warn", "power_was_low")),
        ("0x50005", ("bad", "power_low")),
        ("0x2", ("bad", "power_throttled")),
    ],
)
def test_power_of_a_raspberry_pi(machine: Machine, bits: str, said: tuple[str, str]) -> None:
    machine.program("vcgencmd", f"echo throttled={bits}")
    assert judged(board.power(machine.around)) == said


def test_power_of_a_board_that_does_not_measure_it(machine: Machine) -> None:
    assert judged(board.power(machine.around)) == ("absent", "power_unknown")
    machine.program("vcgencmd", "echo VCHI initialization failed; exit 255")
    assert judged(board.power(machine.around)) == ("absent", "power_unknown")


@pytest.mark.parametrize(
    ("life", "eol", "said"),
    [
        ("0x01 0x02", "0x01", ("good", "card_good")),
        ("0x08 0x01", "0x01", ("warn", "card_used")),
        ("0x0a 0x01", "0x01", ("bad", "card_worn")),
        ("0x01 0x01", "0x03", ("bad", "card_worn")),
    ],
)
def test_wear_of_emmc(machine: Machine, life: str, eol: str, said: tuple[str, str]) -> None:
    machine.file("sys/block/mmcblk0/device/life_time", life)
    machine.file("sys/block/mmcblk0/device/pre_eol_info", eol)
    assert judged(board.card_wear(machine.around)) == said


def test_age_of_an_sd_card_and_wear_of_a_disk(machine: Machine) -> None:
    assert judged(board.card_wear(machine.around)) == ("absent", "card_unknown")
    machine.file("sys/block/nvme0n1/size", "1")
    machine.program("smartctl", "echo 'Percentage Used:                    96%'")
    assert judged(board.card_wear(machine.around)) == ("bad", "card_worn")
    machine.file("sys/block/mmcblk0/device/date", f"03/{time.gmtime().tm_year - 1}")
    assert judged(board.card_wear(machine.around)) == ("good", "card_dated")
    machine.file("sys/block/mmcblk0/device/date", "03/2015")
    assert judged(board.card_wear(machine.around)) == ("warn", "card_old")


def test_memory_and_clock(machine: Machine) -> None:
    machine.file("proc/meminfo", "MemTotal:        3884356 kB\n")
    assert judged(board.memory(machine.around)) == ("good", "memory_good")
    machine.file("proc/meminfo", "MemTotal:         444356 kB\n")
    assert judged(board.memory(machine.around)) == ("bad", "memory_small")
    machine.program("timedatectl", "echo no")
    assert judged(board.clock(machine.around)) == ("warn", "clock_unsure")
    machine.program("timedatectl", "echo yes")
    assert judged(board.clock(machine.around)) == ("good", "clock_good")


def test_a_clock_before_the_software_was_made(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 12.0)
    assert judged(board.clock(machine.around)) == ("bad", "clock_wrong")


def test_data_partition(machine: Machine) -> None:
    machine.config.write_text('[device]\ndata_dir = "/var/lib/pikvani"\n[store]\nmarker = ".pikvani-data"\n')
    assert judged(board.data_space(machine.around)) == ("bad", "data_missing")
    machine.file("var/lib/pikvani/other", "")
    assert judged(board.data_space(machine.around)) == ("bad", "data_missing"), "the folder is there, the partition not"
    machine.file("var/lib/pikvani/.pikvani-data", "")
    assert board.data_space(machine.around).key in {"data_good", "data_scarce"}


TOUCH = 'I: Bus=0018 Vendor=dead\nN: Name="Goodix Capacitive"\nB: PROP=2\nB: EV=b\nB: ABS=2608000 3\n'
MOUSE = 'I: Bus=0003\nN: Name="USB Mouse"\nB: PROP=0\nB: EV=17\n'


def test_touch_screen(machine: Machine) -> None:
    machine.file("proc/bus/input/devices", f"{MOUSE}\n{MOUSE}")
    assert judged(board.touch(machine.around)) == ("absent", "touch_missing")
    machine.file("proc/bus/input/devices", f"{MOUSE}\n{TOUCH}")
    found = board.touch(machine.around)
    assert judged(found) == ("good", "touch_good") and found.values["name"] == "Goodix Capacitive"


# -- sound -------------------------------------------------------------------------------------------------------


def recording(folder: Path, samples: np.ndarray) -> Path:
    path = folder / "heard.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.RATE_HZ)
        file.writeframes(np.clip(samples, -32_000, 32_000).astype("<i2").tobytes())
    return path


def hears(machine: Machine, tmp_path: Path, samples: np.ndarray) -> Finding:
    heard = recording(tmp_path, samples)
    machine.file("proc/asound/cards", " 0 [Device]: USB-Audio - USB Audio Device")
    machine.program("aplay", "exit 0")
    machine.program("arecord", f'for last; do :; done; cp {heard} "$last"')
    return sound.loopback(machine.around)


def noise(level: float, seconds: float = 3.0) -> np.ndarray:
    return np.random.default_rng(5).normal(0, level, int(sound.RATE_HZ * seconds))


def test_given_the_tone_over_the_noise_of_a_village_then_both_work(machine: Machine, tmp_path: Path) -> None:
    room = noise(800)
    room[: 2 * sound.RATE_HZ] += sound.tone() * 0.1
    found = hears(machine, tmp_path, room)
    assert judged(found) == ("good", "sound_good") and found.values["tone_db"] >= 12


def test_given_noise_and_no_tone_then_the_speaker_was_not_heard(machine: Machine, tmp_path: Path) -> None:
    assert judged(hears(machine, tmp_path, noise(800))) == ("bad", "sound_not_heard")


def test_given_another_tone_then_it_is_not_taken_for_ours(machine: Machine, tmp_path: Path) -> None:
    at = np.arange(3 * sound.RATE_HZ) / sound.RATE_HZ
    assert judged(hears(machine, tmp_path, noise(300) + 8_000 * np.sin(2 * np.pi * 440 * at)))[0] == "bad"


def test_given_silence_then_the_microphone_is_the_one(machine: Machine, tmp_path: Path) -> None:
    assert judged(hears(machine, tmp_path, np.zeros(48_000))) == ("bad", "microphone_silent")


def test_given_no_card_no_tools_or_a_broken_half_then_it_is_named(machine: Machine, tmp_path: Path) -> None:
    assert judged(sound.loopback(machine.around)) == ("absent", "sound_missing")
    machine.file("proc/asound/cards", " 0 [Device]: USB-Audio")
    machine.program("arecord", "echo 'arecord: main:831: audio open error: No such device' >&2; exit 1")
    machine.program("aplay", "exit 0")
    found = sound.loopback(machine.around)
    assert judged(found) == ("bad", "microphone_failed") and "No such device" in sentence(found, "en-IN")
    machine.program("aplay", "echo broken >&2; exit 1")
    assert judged(sound.loopback(machine.around)) == ("bad", "speaker_failed")


# -- parts -------------------------------------------------------------------------------------------------------


def test_camera_and_model_through_the_appliances_own_program(machine: Machine) -> None:
    machine.config.write_text('[camera]\nadapter = "v4l2"\n')
    machine.program(
        "pikvani-device", """echo '{"width": 1280, "height": 960, "brightness": 103.5, "sharpness": 4.1}'"""
    )
    assert judged(parts.camera(machine.around)) == ("good", "camera_good")
    machine.program("pikvani-device", """echo '{"width": 1280, "height": 960, "brightness": 3.5, "sharpness": 0.1}'""")
    assert judged(parts.camera(machine.around)) == ("warn", "camera_dark")
    machine.program("pikvani-device", "echo 'pikvani-device: camera /dev/video0 is not there' >&2; exit 2")
    assert judged(parts.camera(machine.around)) == ("bad", "camera_failed")
    assert judged(parts.model(machine.around)) == ("bad", "model_failed")
    machine.program("pikvani-device", """echo '{"passed": true, "model": "leaf@1.0.0", "detail": "fine"}'""")
    assert judged(parts.model(machine.around)) == ("good", "model_good")
    machine.config.write_text("")
    assert judged(parts.camera(machine.around)) == ("absent", "camera_none")


@pytest.mark.parametrize(
    ("state", "percent", "said"),
    [("connected", 71, "modem_good"), ("registered", 8, "modem_weak"), ("locked", 0, "modem_locked")],
)
def test_modem(machine: Machine, state: str, percent: int, said: str) -> None:
    assert judged(parts.modem(machine.around)) == ("absent", "modem_missing")
    listed = json.dumps({"modem-list": ["/org/freedesktop/ModemManager1/Modem/0"]})
    told = json.dumps({"modem": {"generic": {"state": state, "signal-quality": {"value": str(percent)}}}})
    machine.program("mmcli", f"case $1 in -L) echo '{listed}';; *) echo '{told}';; esac")
    assert judged(parts.modem(machine.around))[1] == said


def test_services(machine: Machine) -> None:
    machine.program(
        "systemctl",
        """
case "$1 $2 $3" in
  "show "*kiosk) echo ConditionResult=no; echo ActiveState=inactive ;;
  "show "*) echo ConditionResult=yes; echo ActiveState=active ;;
  *kiosk*) echo inactive; exit 3 ;;
  *sync*) echo failed; exit 3 ;;
  *) echo active ;;
esac""",
    )
    found = parts.services(machine.around)
    assert judged(found) == ("bad", "services_down") and found.values["units"] == "pikvani-sync"
    machine.program("systemctl", "case $1 in show) echo ConditionResult=yes;; *) echo active;; esac")
    assert judged(parts.services(machine.around)) == ("good", "services_good")


def test_the_centre_that_answers_and_one_that_is_away(machine: Machine) -> None:
    with socket.socket() as ear:
        ear.bind(("127.0.0.1", 0))
        ear.listen()
        port = ear.getsockname()[1]
        machine.config.write_text(f'[sync]\nhost = "127.0.0.1"\nport = {port}\n')
        assert judged(parts.broker(machine.around)) == ("good", "centre_reached")
        machine.config.write_text(f'[sync]\nhost = "127.0.0.1"\nport = {port}\ntls_ca = "/nowhere"\n')
        assert parts.broker(machine.around).verdict in ("warn", "bad")
    machine.config.write_text(f'[sync]\nhost = "127.0.0.1"\nport = {port}\n')
    assert judged(parts.broker(machine.around)) == ("warn", "centre_away")
    machine.config.write_text("[sync]\nenabled = false\n")
    assert judged(parts.broker(machine.around)) == ("absent", "centre_none")


# -- the command -------------------------------------------------------------------------------------------------


def test_given_this_machine_then_the_report_is_json_with_a_finding_a_check(tmp_path: Path) -> None:
    config = tmp_path / "device.toml"
    config.write_text('[device]\nlocale = "mr-IN"\ndata_dir = "/nowhere/at/all"\n[sync]\nenabled = false\n')
    names = [name for name in CHECKS if name not in ("model", "sound")]
    report = tmp_path / "report.json"
    done = CliRunner().invoke(check, [*names, "--config", str(config), "--json", "--json-to", str(report)])
    told = json.loads(done.output)
    assert [line["part"] for line in told["findings"]] == names
    assert json.loads(report.read_text()) == told
    assert done.exit_code == 1 and told["passed"] is False, "the data folder is not there"
    assert re.search("[ऀ-ॿ]", told["findings"][0]["words"])


def test_given_a_voice_then_what_is_wrong_is_said(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.config.write_text('[device]\ndata_dir = "/nowhere"\nlocale = "hi-IN"\n')
    machine.program("espeak-ng", f'for last; do :; done; echo "$@" > {machine.root}/said')
    monkeypatch.setenv("PATH", f"{machine.bin}:{os.environ['PATH']}")
    done = CliRunner().invoke(check, ["data", "--say", "--config", str(machine.config)])
    assert done.exit_code == 1
    said = (machine.root / "said").read_text()
    assert said.startswith("-v hi") and "भंडारण" in said


def test_given_every_sentence_then_it_stands_in_every_language_with_the_same_places() -> None:
    for table in (SENTENCES, PARTS, VERDICTS, SUMMARY):
        for key, words in table.items():
            assert len(words) == len(LOCALES) and all(word.strip() for word in words), key
            marathi, hindi, english = (set(re.findall(r"{(\w+)}", word)) for word in words)
            assert marathi <= english | {"why", "state"} and hindi == marathi, key
            assert all(re.search("[ऀ-ॿ]", word) or word[0] == "{" for word in words[:2]), key
    assert set(PARTS) == set(CHECKS)
