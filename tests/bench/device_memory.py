"""Measures the memory of the whole appliance: pages, link, updates, leaf model, ears and voice, all having worked.

    python -m tests.bench.device_memory

The browser of the kiosk is not counted; it is Debian's. RSS counts a shared page in every process, PSS shares it out.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
import wave
from http.cookiejar import CookieJar
from pathlib import Path

import numpy as np
import psutil

from pikvani_device.drawn_leaves import drawn_jpeg

LIMIT_MB = 350


class Browser:
    """Just enough of one to walk the road."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
        )

    def get(self, path: str) -> bytes:
        try:
            with self._opener.open(self._base + path, timeout=120) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            return error.read()

    def post(self, path: str, files: list[tuple[str, str, bytes]] = (), **fields: str) -> bytes:  # type: ignore[assignment]
        mark = uuid.uuid4().hex
        form = 'Content-Disposition: form-data; name="{}"'
        parts = [f"--{mark}\r\n{form.format(k)}\r\n\r\n{v}\r\n".encode() for k, v in fields.items()]
        for field, name, data in files:
            head = f'--{mark}\r\n{form.format(field)}; filename="{name}"\r\n\r\n'
            parts.append(head.encode() + data + b"\r\n")
        body = b"".join(parts) + f"--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        with self._opener.open(urllib.request.Request(self._base + path, body, headers), timeout=180) as answer:
            return answer.read()


def tone() -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        wave_form = np.sin(np.arange(32_000) * 0.15) * np.linspace(0, 0.6, 32_000)
        file.writeframes((wave_form * 32_000).astype("<i2").tobytes())
    return out.getvalue()


def measure(base: str, pid: int) -> dict[str, object]:
    """Make every part work, then count."""
    browser = Browser(base)
    for locale in ("mr-IN", "hi-IN"):
        browser.get(f"/language/{locale}")
        browser.post("/voice", [("note", "n.wav", tone())], at="crop")
        browser.post("/crop", crop="cotton")
        browser.get("/camera/frame.jpg")
        browser.post("/camera/shoot")
        browser.post("/photos", [("photos", f"{n}.jpg", drawn_jpeg(n)) for n in range(1, 6)])
        browser.post("/voice", [("note", "n.wav", tone())], at="symptoms")
        browser.post("/symptoms", symptom="spots")
        browser.get("/answer/leaf.jpg")
        browser.get("/answer/qr.svg")
        browser.get(f"/speech/{locale}/crop_ask+camera_ask+symptoms_ask")
    time.sleep(2)
    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    rows = []
    for one in family:
        info = one.memory_full_info()
        name = " ".join(one.cmdline()[1:4]) or one.name()
        rows.append({"process": name, "rss_mb": round(info.rss / 2**20, 1), "pss_mb": round(info.pss / 2**20, 1)})
    return {
        "rss_mb": round(sum(row["rss_mb"] for row in rows), 1),
        "pss_mb": round(sum(row["pss_mb"] for row in rows), 1),
        "limit_mb": LIMIT_MB,
        "processes": rows,
    }


def main() -> None:
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "device.toml"
        config.write_text(
            f'[device]\ndata_dir = "{folder}/data"\n[camera]\nadapter = "drawn"\n[web]\nport = 0\n'
            f'[sync]\nport = 9\n[update]\nsource = "directory"\ndirectory = "{folder}"\n'
        )
        command = [sys.executable, "-m", "pikvani_device.cli", "--config", str(config), "run"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r'"web": "([^"]+)"', process.stdout.readline())
            assert found is not None, "the device did not start"
            measured = measure(found[1], process.pid)
        finally:
            process.terminate()
            process.wait(30)
    print(json.dumps(measured))
    if float(str(measured["rss_mb"])) > LIMIT_MB:
        sys.exit(f"the whole device takes {measured['rss_mb']} MB, over {LIMIT_MB}")


if __name__ == "__main__":
    main()
