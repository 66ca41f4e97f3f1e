"""Each attack on the device as it runs: `pikvani-device update check` as a process, from a folder and over HTTP.

Given a device that knows an honest repository and answers with 1.0.0, when somebody tries to make it answer with
anything else, then it goes on answering with 1.0.0, says why in one line, and leaves nothing outside its folder.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.device.conftest import write_sample_package
from tests.device.update.conftest import at
from tests.support.tuf_repository import TufRepository

from pikvani_contract.model.manifest import load_package
from pikvani_contract.model.packing import difference_target, package_target, packed_bytes
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.app import Device
from pikvani_device.config import load_config
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_server.repository.differences import make_difference

NOW = datetime.now(UTC).replace(microsecond=0)
PRODUCTION = {"stage": "production"}


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder; for a file named `*.endless` it never stops."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if path.with_name(path.name + ".endless").exists():
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                while True:
                    self.wfile.write(b"x" * 65_536)
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Victim:
    """A device's folder, its configuration, and a repository somebody may tamper with."""

    def __init__(self, folder: Path, source: str, made: datetime = NOW) -> None:
        self.folder = folder
        self.birth = load_package(write_sample_package(folder / "birth", version="1.0.0"))
        self.repository = TufRepository(folder / "repository", now=made)
        self.release(self.birth.manifest.version, packed_bytes(self.birth))
        plant_root(folder / "device" / "update" / "trusted", self.repository.first_root)
        look = TrustedRepository(
            folder / "device" / "update" / "trusted", DirectoryFetcher(self.repository.folder), at(made)
        )
        look.refresh()
        self._source = source
        self.server: ThreadingHTTPServer | None = None

    def package(self, version: str, **changes: Any) -> bytes:
        return packed_bytes(load_package(write_sample_package(self.folder / f"p{version}", version=version, **changes)))

    def release(self, version: str, data: bytes, served: bytes | None = None, publish: bool = True) -> None:
        target = self.repository.add_target(package_target("sample", version), data, served=served)
        target.unrecognized_fields["custom"] = PRODUCTION
        if publish:
            self.repository.publish_all()

    def check(self) -> tuple[int, dict[str, Any], str]:
        """Run the real process once; exit code, its state, what it said of its trouble."""
        if self._source == "http":
            handler = functools.partial(Handler, directory=str(self.repository.folder))
            self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            self.server.daemon_threads = True
            threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
            where = f'source = "http"\nurl = "http://127.0.0.1:{self.server.server_address[1]}"'
        else:
            where = f'source = "directory"\ndirectory = "{self.repository.folder}"'
        config = self.folder / "device.toml"
        config.write_text(
            f'[device]\ndata_dir = "{self.folder / "device"}"\n[model]\ndir = "{self.birth.folder}"\n'
            f'[runtime]\nadapter = "fake"\n[update]\n{where}\n'
        )
        done = subprocess.run(
            [sys.executable, "-m", "pikvani_device.cli", "update", "check"],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, "PIKVANI_DEVICE_CONFIG": str(config)},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr

    def answers(self) -> str:
        device = Device(load_config(self.folder / "device.toml"))
        try:
            return device.updates().active().manifest.version
        finally:
            device.close()

    def reports(self) -> list[str]:
        device = Device(load_config(self.folder / "device.toml"))
        try:
            waiting = [w for w in device.store.waiting() if w.lane.name == "UPDATE"]
            return [bytes(r.body).decode(errors="ignore") for w in waiting for r in device.store.records_after(w, 0, 9)]
        finally:
            device.close()

    def close(self) -> None:
        if self.server:
            self.server.shutdown()
            self.server.server_close()


BOTH = pytest.mark.parametrize("source", ["directory", "http"], indirect=True)
"""Where it matters how the bytes came; a signature is judged alike wherever it came from."""


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "directory"))


@pytest.fixture
def victim(tmp_path: Path, source: str) -> Iterator[Victim]:
    made = Victim(tmp_path, source)
    yield made
    made.close()


def refused(victim: Victim, words: str) -> None:
    """The device says why, and goes on with what it had."""
    before = {p for p in victim.folder.rglob("*") if not p.is_relative_to(victim.folder / "device")}
    code, state, stderr = victim.check()
    assert (code, victim.answers()) == (1, "1.0.0"), (state, stderr)
    assert words in state["reason"], state
    after = {p for p in victim.folder.rglob("*") if not p.is_relative_to(victim.folder / "device")}
    assert after - before <= {victim.folder / "device.toml"}


@BOTH
def test_unsigned(victim: Victim) -> None:
    victim.release("9.9.9", victim.package("9.9.9"), publish=False)
    victim.repository.publish("targets", signers=[])
    victim.repository.publish("snapshot", "timestamp")
    refused(victim, "not to be trusted")


def test_wrong_key(victim: Victim) -> None:
    victim.release("9.9.9", victim.package("9.9.9"), publish=False)
    victim.repository.signers["targets"] = [victim.repository.signer()]
    victim.repository.publish_all()
    refused(victim, "not to be trusted")


def test_one_signature_of_two(victim: Victim) -> None:
    victim.repository.give_keys("targets")
    victim.repository.publish("root", signers=victim.repository.signers["root"][:1])
    victim.release("9.9.9", victim.package("9.9.9"))
    refused(victim, "not to be trusted")


def test_rolled_back(victim: Victim) -> None:
    folder = victim.repository.folder / "metadata"
    old = {path: path.read_bytes() for path in folder.iterdir()}
    victim.release("1.1.0", victim.package("1.1.0"))
    seen = victim.folder / "device" / "update" / "trusted"
    TrustedRepository(seen, DirectoryFetcher(victim.repository.folder), at(NOW)).refresh()
    for path in folder.iterdir():
        path.unlink()
    for path, data in old.items():
        path.write_bytes(data)
    refused(victim, "not to be trusted")


@BOTH
def test_frozen(tmp_path: Path, source: str) -> None:
    victim = Victim(tmp_path, source, made=NOW - timedelta(days=60))
    try:
        refused(victim, "out of date")
    finally:
        victim.close()


def test_mixed_and_matched(victim: Victim) -> None:
    genuine = (victim.repository.folder / "metadata" / "2.targets.json").read_bytes()
    victim.release("9.9.9", victim.package("9.9.9"))
    (victim.repository.folder / "metadata" / "3.targets.json").write_bytes(genuine)
    refused(victim, "not to be trusted")


@BOTH
def test_endless_data(victim: Victim, source: str) -> None:
    stamp = victim.repository.folder / "metadata" / "timestamp.json"
    if source == "http":
        stamp.with_name(stamp.name + ".endless").touch()
    else:
        with stamp.open("r+b") as file:
            file.truncate(2**33)  # eight gigabytes that lie on no disk
    refused(victim, "longer than it may be")
    held = sum(path.stat().st_size for path in (victim.folder / "device").rglob("*") if path.is_file())
    assert held < 1_000_000


@BOTH
def test_tampered_block(victim: Victim) -> None:
    data = bytearray(victim.package("1.1.0"))
    honest = bytes(data)
    data[700] ^= 1
    victim.release("1.1.0", honest, served=bytes(data))
    refused(victim, "thrown away")
    assert not list((victim.folder / "device" / "update" / "files").glob("*.tar"))


@BOTH
def test_tampered_delta(victim: Victim) -> None:
    data = victim.package("1.1.0")
    victim.release("1.1.0", data, served=data[:-1] + b"!", publish=False)
    made = make_difference(packed_bytes(victim.birth), data)
    assert made is not None
    path = difference_target("sample", "1.0.0", "1.1.0")
    offer = victim.repository.add_target(path, made, served=made[:-1] + bytes([made[-1] ^ 1]))
    base = victim.repository.targets.targets[package_target("sample", "1.0.0")].hashes["sha256"]
    offer.unrecognized_fields["custom"] = {"base_sha256": base}
    victim.repository.publish_all()
    refused(victim, "thrown away")
    assert any("difference_failed" in report for report in victim.reports()), "a failed difference is said aloud"


@pytest.mark.parametrize("name", ["a/../../../outside", "/tmp/pikvani-outside"])
def test_path_traversal_in_names_of_a_package(victim: Victim, name: str) -> None:
    packed = io.BytesIO(victim.package("1.1.0"))
    with tarfile.open(fileobj=packed, mode="a") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    victim.release("1.1.0", packed.getvalue())
    refused(victim, "has no place in a package")
    assert not Path("/tmp/pikvani-outside").exists()


def test_path_traversal_in_names_of_targets(victim: Victim) -> None:
    for name in ("../../../../outside-9.9.9.tar", "packages/../../sample-9.9.9.tar", "packages/a\x00-9.9.9.tar"):
        target = victim.repository.add_target(name, b"evil")
        target.unrecognized_fields["custom"] = PRODUCTION
    victim.repository.publish_all()
    code, state, _ = victim.check()
    assert (code, state.get("phase", "idle"), victim.answers()) == (0, "idle", "1.0.0"), "no name of a package: nothing"
    assert not list(victim.folder.parent.glob("*9.9.9*"))


def _another_version(victim: Victim) -> bytes:
    return victim.package("1.5.0")


def _other_bytes_than_listed(victim: Victim) -> bytes:
    victim.package("1.1.0")
    package = victim.folder / "p1.1.0"
    loaded = load_package(package)
    (package / "model.onnx").write_bytes(b"NOT A NETWORK")
    return packed_bytes(loaded)


def _with_member(victim: Victim, name: str, **headers: str) -> bytes:
    packed = io.BytesIO(victim.package("1.1.0"))
    with tarfile.open(fileobj=packed, mode="a", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo(name)
        member.size, member.pax_headers = 4, dict(headers)
        tar.addfile(member, io.BytesIO(b"evil"))
    return packed.getvalue()


def _more_than_listed(victim: Victim) -> bytes:
    return _with_member(victim, "extra.py")


def _a_name_no_disk_takes(victim: Victim) -> bytes:
    return _with_member(victim, "x" * 300)


def _a_file_as_a_folder(victim: Victim) -> bytes:
    return _with_member(victim, "manifest.json/inside")


def _headers_that_break_readers(victim: Victim) -> bytes:
    return _with_member(victim, "extra.py", path="nul\0byte")


def _folders_without_end(victim: Victim) -> bytes:
    victim.package("1.1.0")
    package = victim.folder / "p1.1.0"
    loaded = load_package(package)
    (package / "manifest.json").write_bytes(b'{"schema":1,"labels":' + b"[" * 200_000)
    return packed_bytes(loaded)


LIES = [
    _another_version,
    _other_bytes_than_listed,
    _more_than_listed,
    _a_name_no_disk_takes,
    _a_file_as_a_folder,
    _headers_that_break_readers,
    _folders_without_end,
]


@pytest.mark.parametrize("lie", LIES)
def test_a_package_that_lies_about_its_manifest(victim: Victim, lie: Callable[[Victim], bytes]) -> None:
    victim.release("1.1.0", lie(victim))
    refused(victim, "refused")
    # ... and the updates of this device do not end with it
    victim.release("1.2.0", victim.package("1.2.0"))
    code, state, stderr = victim.check()
    assert (code, state["phase"], victim.answers()) == (0, "watching", "1.2.0"), (state, stderr)


@BOTH
def test_the_same_device_takes_an_honest_update(victim: Victim) -> None:
    victim.release("1.1.0", victim.package("1.1.0"))
    code, state, stderr = victim.check()
    assert (code, state["phase"], victim.answers()) == (0, "watching", "1.1.0"), (state, stderr)
