"""The executable `tuf-client` against small real repositories: the workflow the public tuf-conformance suite asks for.

Each test runs the executable as that suite does: a process a command, judged by exit code, files and requests. They are
of our own; some stand for cases of that suite of which only the name or the intention is known here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.support.tuf_repository import TufRepository

CLIENT = Path(__file__).with_name("tuf-client")


class Handler(BaseHTTPRequestHandler):
    folder: Path
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path.lstrip("/"))
        try:
            data = (self.folder / self.path.lstrip("/")).read_bytes()
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Peer:
    """One repository behind a web server, and the client's folders."""

    def __init__(self, folder: Path, repository: TufRepository) -> None:
        self.repository = repository
        self.metadata, self.files = folder / "metadata", folder / "files"
        self.metadata.mkdir()
        self.files.mkdir()
        self.asked: list[str] = []
        handler = type("Bound", (Handler,), {"folder": repository.folder, "asked": self.asked})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        (folder / "initial.json").write_bytes(repository.first_root)
        assert self.run("init", str(folder / "initial.json")) == 0

    def run(self, *arguments: str) -> int:
        command = [str(CLIENT), "--metadata-dir", str(self.metadata), *arguments]
        return subprocess.run(command, capture_output=True, timeout=30).returncode

    def _url(self, area: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/{area}"

    def refresh(self) -> int:
        self.asked.clear()
        return self.run("--metadata-url", self._url("metadata"), "refresh")

    def download(self, *names: str) -> int:
        self.asked.clear()
        wanted = [part for name in names for part in ("--target-name", name)]
        places = ["--target-base-url", self._url("targets"), "--target-dir", str(self.files)]
        return self.run("--metadata-url", self._url("metadata"), *wanted, *places, "download")

    def versions(self) -> dict[str, int]:
        return {f.stem: json.loads(f.read_bytes())["signed"]["version"] for f in self.metadata.glob("*.json")}

    def downloaded(self) -> list[bytes]:
        return sorted(file.read_bytes() for file in self.files.iterdir())


@pytest.fixture
def peer(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Peer]:
    settings = getattr(request, "param", {})
    peer = Peer(
        tmp_path, TufRepository(tmp_path / "repository", now=datetime.now(UTC).replace(microsecond=0), **settings)
    )
    yield peer
    peer.server.shutdown()
    peer.server.server_close()


def test_init_stores_the_root_and_asks_nobody(peer: Peer) -> None:
    assert peer.asked == []
    assert (peer.metadata / "root.json").read_bytes() == peer.repository.first_root


def test_refresh_asks_in_order_and_keeps_unversioned_names(peer: Peer) -> None:
    assert peer.refresh() == 0
    assert peer.asked == [f"metadata/{n}.json" for n in ("2.root", "timestamp", "1.snapshot", "1.targets")]
    assert peer.versions() == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}

    assert peer.refresh() == 0
    assert peer.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


KEYTYPES = ("ecdsa", "ed25519", "rsa", "ml-dsa-44/1", "ml-dsa-65/1", "ml-dsa-87/1")


@pytest.mark.parametrize("peer", [{"keytype": keytype} for keytype in KEYTYPES], indirect=True, ids=str)
def test_every_key_type_verifies(peer: Peer) -> None:
    assert peer.refresh() == 0


@pytest.mark.parametrize("peer", [{"consistent": False}, {"meta_hashes": False}], indirect=True, ids=str)
def test_other_layouts_of_a_repository(peer: Peer) -> None:
    peer.repository.add_target("a/b/model.tar", b"model")
    peer.repository.publish_all()
    assert peer.download("a/b/model.tar") == 0
    assert peer.downloaded() == [b"model"]


def test_targets_are_verified_and_cached_by_hash(peer: Peer) -> None:
    peer.repository.add_target("path/to/model.tar", b"one")
    peer.repository.add_target("other.tar", b"two", served=b"six")
    peer.repository.publish_all()

    assert peer.download("path/to/model.tar") == 0
    assert peer.download("path/to/model.tar") == 0
    assert not [path for path in peer.asked if path.startswith("targets/")]
    assert peer.download("path/to/model.tar", "other.tar") == 1
    assert peer.downloaded() == [b"one"]

    peer.repository.add_target("path/to/model.tar", b"three")
    peer.repository.publish_all()
    assert peer.download("path/to/model.tar") == 0
    assert peer.downloaded() == [b"three"]


def test_an_unknown_target_still_refreshes(peer: Peer) -> None:
    assert peer.download("nonexistent artifact") == 1
    assert peer.versions() == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}


@pytest.mark.parametrize("damage", ["version", "signatures"])
def test_a_bad_first_root_is_refused_before_any_request(peer: Peer, damage: str) -> None:
    root = json.loads(peer.repository.first_root)
    if damage == "version":
        del root["signed"]["version"]
    else:
        root["signatures"] = []
    (peer.metadata / "root.json").write_text(json.dumps(root))
    assert peer.refresh() == 1
    assert peer.asked == []


def test_roots_are_followed_one_by_one_and_kept_though_the_rest_expired(peer: Peer) -> None:
    for _ in range(4):
        peer.repository.publish("root")
    peer.repository.root.expires = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    peer.repository.publish("root")
    assert peer.refresh() == 1
    assert peer.versions() == {"root": 6}


def test_rotated_keys_recover_from_a_fast_forward(peer: Peer) -> None:
    repository = peer.repository
    for role in ("timestamp", "snapshot"):
        repository.set_version(role, 99_999)
    repository.publish("snapshot", "timestamp")
    assert peer.refresh() == 0

    repository.give_keys("timestamp")
    repository.give_keys("snapshot")
    for role in ("timestamp", "snapshot"):
        repository.set_version(role, 1)
    repository.publish("root", "snapshot", "timestamp")
    assert peer.refresh() == 0
    assert peer.versions() == {"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1}


def test_a_rolled_back_timestamp_changes_nothing(peer: Peer) -> None:
    old = (peer.repository.folder / "metadata/timestamp.json").read_bytes()
    peer.repository.publish("timestamp")
    assert peer.refresh() == 0
    (peer.repository.folder / "metadata/timestamp.json").write_bytes(old)
    assert peer.refresh() == 1
    assert peer.versions()["timestamp"] == 2


def test_delegations_are_walked_depth_first_and_stop_where_they_must(peer: Peer) -> None:
    repository = peer.repository
    for by, role, terminating in (
        ("targets", "A", False),
        ("targets", "B", False),
        ("A", "C", True),
        ("A", "D", False),
    ):
        repository.delegate(by, role, ["*"], terminating)
    repository.publish_all()
    assert peer.download("missing") == 1
    assert peer.asked[4:] == ["metadata/1.A.json", "metadata/1.C.json"]


def test_odd_role_names_are_quoted_once(peer: Peer) -> None:
    peer.repository.delegate("targets", "../odd?#", ["*"])
    peer.repository.publish_all()
    assert peer.download("missing") == 1
    assert peer.asked[4:] == ["metadata/1...%2Fodd%3F%23.json"]
    assert len(peer.versions()) == 5


def test_succinct_bins_hold_targets(peer: Peer) -> None:
    bins = peer.repository.delegate_succinctly(2, "bin")
    for number, name in enumerate(bins):
        peer.repository.add_target(f"file-{number}", b"data", role=name)
    peer.repository.publish_all()
    found = [peer.download(f"file-{number}") for number in range(4)]
    bin_of = {
        number: peer.repository.targets.delegations.succinct_roles.get_role_for_target(f"file-{number}")
        for number in range(4)
    }
    assert found == [0 if bins[number] == bin_of[number] else 1 for number in range(4)]


def test_two_targets_in_one_call_are_each_verified_by_their_own_delegator(peer: Peer) -> None:
    repository = peer.repository
    repository.delegate("targets", "A", ["a/*"])
    repository.delegate("targets", "B", ["b/*"])
    of_a = repository.delegate("A", "shared", ["*/*"])
    repository.delegate("B", "shared", ["*/*"])
    repository.add_target("a/model", b"model", role="shared")
    repository.add_target("b/model", b"model of b", role="shared")
    repository.publish("shared", signers=[of_a])
    repository.publish("A", "B", "targets", "snapshot", "timestamp")

    assert peer.download("a/model", "b/model") == 1
    assert peer.downloaded() == [b"model"]
    assert peer.download("b/model", "a/model") == 1
    assert peer.downloaded() == [b"model"]

    repository.publish("shared")
    repository.publish("snapshot", "timestamp")
    assert peer.download("a/model", "b/model") == 0
    assert peer.downloaded() == [b"model", b"model of b"]


def test_a_pattern_ends_at_a_slash_however_many_stars_it_has(peer: Peer) -> None:
    repository = peer.repository
    repository.delegate("targets", "A", ["releases/**", "?.tar"])
    paths = ("releases/one", "releases/stable/one", "a.tar", "aa.tar")
    for path in paths:
        repository.add_target(path, path.encode(), role="A")
    repository.publish_all()
    assert [peer.download(path) for path in paths] == [0, 1, 0, 1]
    assert peer.downloaded() == [b"a.tar", b"releases/one"]


def test_a_target_that_is_signed_for_and_not_there_leaves_nothing_behind(peer: Peer) -> None:
    target = peer.repository.add_target("model.tar", b"model")
    (peer.repository.folder / "targets" / f"{target.hashes['sha256']}.model.tar").unlink()
    peer.repository.publish_all()
    assert peer.download("model.tar") == 1
    assert list(peer.files.iterdir()) == []


def test_a_repository_as_large_ones_keep_theirs_is_understood(tmp_path: Path) -> None:
    """Signatures of keyholders who were away are empty; fields of the keepers' own; an old way to name the version."""
    # given a root and targets with three keys each, of which two have signed
    repository = TufRepository(tmp_path / "repository", now=datetime.now(UTC).replace(microsecond=0))
    repository.give_keys("targets", 3)
    repository.root.roles["targets"].threshold = 2
    for key in repository.root.keys.values():
        key.unrecognized_fields |= {"keyid_hash_algorithms": ["sha256", "sha512"], "x-keyowner": "@somebody"}
    for signed in (repository.root, repository.targets, repository.snapshot, repository.timestamp):
        signed.spec_version = "1.0"
        signed.unrecognized_fields["x-expiry-period"] = 197
    repository.root.roles["snapshot"].unrecognized_fields["x-signing-period"] = 365
    repository.add_target("trusted.json", b"{}").unrecognized_fields["custom"] = {"status": "Active"}
    for role in ("root", "targets", "snapshot", "timestamp"):
        repository.set_version(role, 12)
        repository.publish(role)
        if role in ("root", "targets"):
            file = repository.folder / "metadata" / f"12.{role}.json"
            metadata = json.loads(file.read_bytes())
            metadata["signatures"][0]["sig"] = ""
            repository.write(role, json.dumps(metadata, indent=1).encode())
    repository.publish("snapshot", "timestamp")
    # when a device was born with that root
    (repository.folder / "metadata" / "1.root.json").write_bytes(
        (repository.folder / "metadata" / "12.root.json").read_bytes()
    )
    peer = Peer(tmp_path, repository)
    # then it takes what is offered
    assert peer.download("trusted.json") == 0
    assert (peer.versions()["root"], peer.downloaded()) == (12, [b"{}"])
    peer.server.shutdown()
    peer.server.server_close()


_FOREIGN_CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--entrypoint", required=True)
"""
_FOREIGN_TEST = """
def test_the_client_is_named(pytestconfig):
    assert pytestconfig.getoption("--entrypoint").endswith("tuf-client")
"""


def test_a_foreign_suite_that_has_only_pytest_can_be_given_the_client(tmp_path: Path) -> None:
    # given a suite with an environment of its own: none of our plugins, none of our modules
    suite, absent = tmp_path / "suite", tmp_path / "absent"
    suite.mkdir()
    absent.mkdir()
    (suite / "conftest.py").write_text(_FOREIGN_CONFTEST)
    (suite / "test_foreign.py").write_text(_FOREIGN_TEST)
    for module in ("hypothesis", "msgspec", "pikvani_contract"):
        (absent / f"{module}.py").write_text("raise ModuleNotFoundError(__name__)")
    environment = os.environ | {"PYTHONPATH": str(absent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    # when the client's path is given as a word of its own: pytest then takes it for a place of tests, too
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite), "--entrypoint", str(CLIENT)]
    ran = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=60)

    # then nothing of ours stands in its way
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout
