"""What a technician types on a device: as the appliance's user, with the device's configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def typed(tmp_path: Path):
    """Types a command as somebody; what was started in the end."""
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "path").mkdir()
    shutil.copy2(ROOT / "systemd/device/by-hand", tmp_path / "by-hand")

    def program(path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    for name in ("pikvani-device", "pikvani-provision"):
        (tmp_path / "path" / name).symlink_to(tmp_path / "by-hand")
        program(tmp_path / "venv/bin" / name, f'echo "{name} $* config=${{PIKVANI_DEVICE_CONFIG:-none}}"')
    program(tmp_path / "path/sudo", 'echo "sudo $*"')
    program(tmp_path / "path/setpriv", 'echo "setpriv $1 $2 $3"; shift 3; exec "$@"')
    program(tmp_path / "path/getent", "printf 'pikvani:x:1:\\nvideo:x:2:\\n'; exit 2")

    def run(who: str, *words: str) -> list[str]:
        program(tmp_path / "path/id", f"echo {who}")
        environment = {"PATH": f"{tmp_path}/path:{os.defpath}", "PIKVANI_VENV": str(tmp_path / "venv")}
        done = subprocess.run(
            [tmp_path / "path" / words[0], *words[1:]], env=environment, capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.replace(str(tmp_path / "path") + "/", "").splitlines()

    return run


def test_given_the_technician_then_it_is_asked_for_again_through_sudo(typed) -> None:
    assert typed("pi", "pikvani-device", "enrol", "status") == ["sudo -- pikvani-device enrol status"]


def test_given_root_then_the_appliance_runs_as_its_own_user_in_the_groups_of_its_things(typed) -> None:
    assert typed("root", "pikvani-device", "status", "two words") == [
        "setpriv --reuid=pikvani --regid=pikvani --groups=pikvani,video",
        "pikvani-device status two words config=/etc/pikvani/device.toml",
    ]


def test_given_root_then_the_field_test_may_write_its_report_where_the_technician_stands(typed) -> None:
    assert typed("root", "pikvani-provision", "check") == ["pikvani-provision check config=/etc/pikvani/device.toml"]


@pytest.mark.parametrize("service", ["pikvani", "pikvani-wifi"])
def test_given_a_service_then_nobody_is_asked_for_a_password(typed, service: str) -> None:
    assert typed(service, "pikvani-device", "try", "model") == ["pikvani-device try model config=none"]
