"""What the centre tells systemd: up when it answers, alive while its loops turn."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest


def heard(ear: socket.socket, words: str, within_s: float = 60) -> bool:
    until = time.monotonic() + within_s
    ear.settimeout(1)
    while time.monotonic() < until:
        try:
            if words in ear.recv(4096).decode():
                return True
        except TimeoutError:
            pass
    return False


@pytest.mark.parametrize("command", [["run", "--embedded", "--port", "0"], ["work"]], ids=["run", "work"])
def test_given_a_part_of_the_centre_under_systemd_then_it_is_up_alive_and_gone_in_order(
    tmp_path: Path, command: list[str]
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(tmp_path / "notify"))
        process = subprocess.Popen(
            [sys.executable, "-m", "pikvani_server.cli", *command, "--data-dir", str(tmp_path / "centre")],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "2000000"},
        )
        try:
            assert heard(ear, "READY=1")
            assert heard(ear, "WATCHDOG=1") and heard(ear, "WATCHDOG=1")
            process.send_signal(signal.SIGTERM)
            assert heard(ear, "STOPPING=1")
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
