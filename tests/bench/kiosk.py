"""Measures the kiosk in a real Chromium: robots that want an answer, and the time from photograph to answer.

    scripts/bench kiosk [--runs 200] [--photographs 60] [--seed 1] [--json]

Robots: by touch alone with the sound off; by pictures and sound alone; by voice with 40% of the recognitions replaced
by errors. Times: the shipped model, one thread, while three phones send photographs of twelve megapixels without a
pause; from the touch of the shutter to the answer on the screen.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
from playwright.sync_api import Browser, sync_playwright
from tests.browser.conftest import FLAGS, find_chromium
from tests.browser.robot import ROBOTS, Wish
from tests.browser.stage import KIOSK, Stage

from pikvani_device.drawn_leaves import draw_leaf
from pikvani_device.web.catalogue import LOCALES

VOICED = ("mr-IN", "hi-IN")


def robots(browser: Browser, name: str, runs: int, seed: int) -> dict[str, Any]:
    """One kind of robot, `runs` times, at both sizes of the kiosk in turn."""
    rng = random.Random(seed)
    found, acts, failed = 0, [], []
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        stage.sound(name == "picture")
        try:
            for number in range(runs):
                width, height = ((800, 480), (1024, 600))[number % 2]
                context = browser.new_context(viewport={"width": width, "height": height}, has_touch=True)
                wish = Wish.of(rng, VOICED if name == "voice" else tuple(LOCALES))
                robot = ROBOTS[name](context.new_page(), stage, f"http://{KIOSK}:{stage.port}", wish, rng)
                try:
                    done = robot.run()
                except Exception as error:  # a robot that is stuck has failed, and the next one goes on
                    done = False
                    robot.seen.append(f"{type(error).__name__}: {str(error)[:200]}")
                found += done
                acts.append(robot.acts)
                if not done:
                    failed.append(robot.seen[-6:])
                context.close()
                if (number + 1) % 20 == 0:
                    print(f"{name}: {found} of {number + 1}", file=sys.stderr, flush=True)
        finally:
            stage.close()
    return {"runs": runs, "found": found, "share": found / runs, "acts": statistics.median(acts), "failed": failed[:5]}


class Phone(threading.Thread):
    """Sends six large photographs, asks, and begins again, until told to stop."""

    def __init__(self, port: int, photo: bytes, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._port, self._photo, self._told = port, photo, stop
        self.answers = self.busy = 0
        self._cookie = ""

    def run(self) -> None:
        while not self._told.is_set():
            try:
                self._ask("GET", "/language/hi-IN")
                self._ask("POST", "/crop", b"crop=cotton", "application/x-www-form-urlencoded")
                self._send()
                told = self._ask("POST", "/symptoms", b"", "application/x-www-form-urlencoded")
                self.answers += told == "/answer"
                self.busy += told != "/answer"
            except OSError:
                self.busy += 1

    def _send(self) -> None:
        mark = "photo-of-a-leaf"
        part = f'--{mark}\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n\r\n'.encode()
        body = b"".join(part + self._photo + b"\r\n" for _ in range(6)) + f"--{mark}--\r\n".encode()
        self._ask("POST", "/photos", body, f"multipart/form-data; boundary={mark}")

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> str:
        connection = http.client.HTTPConnection(KIOSK, self._port, timeout=120)
        headers = {"Host": f"pikvani.local:{self._port}", "Cookie": self._cookie}
        if kind:
            headers["Content-Type"] = kind
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        if cookie := answer.getheader("Set-Cookie"):
            self._cookie = cookie.partition(";")[0]
        connection.close()
        return answer.getheader("Location") or ""


@contextmanager
def appliance(folder: Path):
    """`pikvani-device run` with the shipped model, drawn leaves and no link."""
    config = folder / "device.toml"
    config.write_text(
        f'[device]\ndata_dir = "{folder / "data"}"\n[camera]\nadapter = "drawn"\n'
        "[web]\nport = 0\n[sync]\nenabled = false\n"
    )
    command = [sys.executable, "-m", "pikvani_device.cli", "--config", str(config), "run"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        ready = process.stdout.readline()
        yield int(re.search(r":(\d+)\"", ready)[1])  # type: ignore[index]
    finally:
        process.terminate()
        process.wait(30)


def times(browser: Browser, photographs: int, phones: int) -> dict[str, Any]:
    """Shutter to answer, and the first page, in milliseconds."""
    large = cv2.resize(cv2.cvtColor(draw_leaf(4), cv2.COLOR_RGB2BGR), (4000, 3000), interpolation=cv2.INTER_CUBIC)
    photo = cv2.imencode(".jpg", large, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    took, first = [], []
    with tempfile.TemporaryDirectory() as folder, appliance(Path(folder)) as port:
        base, stop = f"http://{KIOSK}:{port}", threading.Event()
        senders = [Phone(port, photo, stop) for _ in range(phones)]
        context = browser.new_context(viewport={"width": 800, "height": 480}, has_touch=True)
        page = context.new_page()
        page.goto(base + "/language/mr-IN")
        page.locator('[data-pick="crop:cotton"]').tap()
        page.locator('[data-pick="shoot"]').tap()
        page.locator('[data-pick="next"]').tap()
        page.locator('[data-pick="next"]').tap()
        page.wait_for_url("**/answer")
        for sender in senders:
            sender.start()
        time.sleep(1.0 if phones else 0.0)
        for _ in range(photographs):
            page.goto(base + "/end")
            first.append(page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive"))
            page.locator(".language").first.tap()
            page.locator('[name="returning"]').tap()
            page.locator('[data-pick="shoot"]').wait_for()
            page.wait_for_timeout(300)
            began_s = time.perf_counter()
            page.locator('[data-pick="shoot"]').tap(no_wait_after=True)
            page.wait_for_url("**/answer")
            page.locator(".verdict h1").wait_for()
            took.append((time.perf_counter() - began_s) * 1_000)
        stop.set()
        for sender in senders:
            sender.join(120)
        context.close()
    return {
        "photographs": photographs,
        "phones": phones,
        "photo_mb": round(len(photo) / 1e6, 2),
        "answer_ms": _spread(took),
        "first_page_interactive_ms": _spread(first),
        "phones_answered": sum(sender.answers for sender in senders),
        "phones_told_busy": sum(sender.busy for sender in senders),
    }


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(ordered[len(ordered) // 2], 1),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 1),
        "worst": round(ordered[-1], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench kiosk", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=200, help="of each robot")
    parser.add_argument("--robot", choices=[*ROBOTS, "none"], help="only this one")
    parser.add_argument("--photographs", type=int, default=60, help="timed at the kiosk; 0 for none")
    parser.add_argument("--phones", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    path = find_chromium()
    if path is None:
        sys.exit("scripts/bench kiosk: no Chromium here: apt-get install chromium, or name one in PIKVANI_CHROMIUM")
    found: dict[str, Any] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        if given.photographs:
            found["times"] = times(browser, given.photographs, given.phones)
            print(json.dumps(found["times"]), file=sys.stderr)
        for name in ROBOTS:
            if given.runs and given.robot in (None, name):
                found[name] = robots(browser, name, given.runs, given.seed)
                print(name, json.dumps(found[name]), file=sys.stderr)
        browser.close()
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
