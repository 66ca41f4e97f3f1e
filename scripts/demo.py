"""The whole road on one machine: embedded broker, the centre on SQLite, one device, and the photographs given.

Everything runs as real processes through their public commands. Called by `scripts/demo`, which sets up first.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

BIN = Path(sys.executable).parent
RECEIPT_WAIT_S = 120


def say(text: str) -> None:
    print(f"[demo] {text}", file=sys.stderr, flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(command: list[str], log: Path) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """Start a process and wait for its `ready {json}` line."""
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    patience = threading.Timer(60, process.kill)
    patience.start()
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("ready "):
            patience.cancel()
            # Whatever it prints later must not fill the pipe.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process, json.loads(line.removeprefix("ready "))
    sys.exit(f"{' '.join(command[:2])} did not start:\n{log.read_text()[-2000:]}")


def get(url: str, token: str) -> dict:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def administer(*words: str) -> str:
    """What `pikvani-server` says to a command."""
    return subprocess.check_output([str(BIN / "pikvani-server"), *words], text=True).strip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="*", type=Path, help="photographs of leaves; without any, drawn leaves")
    parser.add_argument("--once", action="store_true", help="stop when every case is at the centre")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    for photo in options.photos:
        if not photo.is_file():
            parser.error(f"{photo} is not a file: give photographs, or none for drawn leaves")
    processes: list[subprocess.Popen[str]] = []
    with tempfile.TemporaryDirectory(prefix="pikvani-demo-", ignore_cleanup_errors=True) as folder:
        try:
            return run(options, Path(folder), processes)
        except KeyboardInterrupt:
            return 0
        finally:
            for process in reversed(processes):
                process.send_signal(signal.SIGTERM)
            for process in processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def run(options: argparse.Namespace, folder: Path, processes: list[subprocess.Popen[str]]) -> int:
    photos: list[Path] = options.photos
    if not photos:
        from pikvani_device.drawn_leaves import write_drawn_leaves

        say("no photographs given: drawing leaves (drawn, not photographed; expect refusals)")
        photos = write_drawn_leaves(folder / "drawn", 4)

    say("starting the centre with its embedded broker (loopback only)")
    server, centre = start(
        [
            str(BIN / "pikvani-server"),
            "run",
            "--embedded",
            "--data-dir",
            str(folder / "centre"),
            "--port",
            "0",
        ],
        folder / "centre.log",
    )
    processes.append(server)
    broker_host, broker_port = centre["broker"].rsplit(":", 1)

    say("starting a device")
    config = folder / "device.toml"
    config.write_text(
        f'[device]\nid = "demo-device"\ndata_dir = "{folder / "device"}"\n'
        f'[web]\nport = {free_port()}\n[camera]\nadapter = "drawn"\n'
        f'[sync]\nhost = "{broker_host}"\nport = {broker_port}\nmax_batch_age_s = 0.5\nreceipt_timeout_s = 5\n'
    )
    device_command = str(BIN / "pikvani-device")
    os.environ["PIKVANI_DEVICE_CONFIG"] = str(config)
    device, pages = start([device_command, "run"], folder / "device.log")
    processes.append(device)

    say(f"diagnosing {len(photos)} {'photographs' if options.photos else 'drawn leaves'}")
    diagnosing = subprocess.Popen(
        [device_command, "diagnose", "--each", "--jsonl", "--record", *map(str, photos)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert diagnosing.stdout is not None
    cases = [json.loads(line) for line in diagnosing.stdout]
    if diagnosing.wait() != 0:
        sys.exit("diagnosing failed; its words stand above")
    sent = sum(1 for case in cases if case.get("case_id"))

    say("waiting for the centre's receipts")
    accounts = ["--data-dir", str(folder / "centre")]
    token = administer("tokens", "add", "demo", *accounts)
    outcome = wait_for_receipts(centre["web"], token, device_command, sent)
    for case in cases:
        place = "at the centre" if case.get("case_id") and outcome["lost"] == 0 else "not sent"
        drawn = "" if options.photos else " (drawn)"
        answer = case["condition"] if case["decision"] == "answer" else f"{case['decision']}: {case['reason']}"
        confidence = f"{case['confidence']:.2f}" if case["confidence"] is not None else "-"
        print(f"{Path(case['photo']).name}{drawn}: {answer}, {confidence}, {case['latency_ms']:.0f} ms, {place}")
    print(f"device pages: {pages['web']}")
    print(f"centre pages: {centre['web']}")
    if not options.once:
        print(administer("users", "add", "demo", "--role", "agronomist", "--address", centre["web"], *accounts))
    if not options.once:
        say("running until Ctrl-C")
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    if options.json:
        print(json.dumps({"cases": cases, **outcome}, ensure_ascii=False))
    return 0 if outcome["lost"] == 0 and outcome["duplicates"] == 0 else 1


def wait_for_receipts(centre: str, token: str, device_command: str, sent: int) -> dict[str, int]:
    """Wait until the device's outbox is empty, then count what the centre holds."""
    deadline = time.monotonic() + RECEIPT_WAIT_S
    while time.monotonic() < deadline:
        status = json.loads(subprocess.check_output([device_command, "status", "--json"], text=True))
        if not any(lane["records"] for lane in status["lanes"]):
            break
        time.sleep(0.3)
    stored = get(f"{centre}/api/v1/cases?device=demo-device&limit=10000", token)["cases"]
    distinct = {(row["outbox"], row["seq"]) for row in stored}
    return {
        "sent": sent,
        "committed": len(distinct),
        "lost": max(0, sent - len(distinct)),
        "duplicates": len(stored) - len(distinct),
    }


if __name__ == "__main__":
    sys.exit(main())
