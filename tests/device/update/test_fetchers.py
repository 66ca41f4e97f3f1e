"""Every adapter of the fetcher port: whole files, the rest of a file, absent files; and what each must withstand."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.device.update.conftest import CountingFetcher, at
from tests.support.block_centre import MemoryCentre
from tests.support.pki import Authority
from tests.support.tuf_repository import TufRepository

from pikvani_contract.clock import ClockTrust
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.adapters.fetcher_http import HttpFetcher
from pikvani_device.adapters.fetcher_relay import RelayFetcher
from pikvani_device.app.update import build_fetcher
from pikvani_device.config import load_config
from pikvani_device.sync.relay import Relay
from pikvani_device.update.errors import UnreachableError
from pikvani_device.update.fetching import Fetcher
from pikvani_device.update.trust import TrustedRepository

DATA = bytes(range(256)) * 1000


class Server(ThreadingHTTPServer):
    """Serves one folder, with ranges unless told; `cut_after` ends bodies early, `drip` sends a byte now and then."""

    ranges = True
    cut_after: int | None = None
    drip = False

    def __init__(self, folder: Path, certificate: tuple[Path, Path] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.sent = 0
        self.scheme = "https" if certificate else "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that turns away from a certificate is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        try:
            data = (self.server.folder / unquote(self.path).lstrip("/")).read_bytes()
        except OSError:
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        if "Range" in self.headers and self.server.ranges:
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            data = data[start:]
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.server.drip:
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
        sent = data[: self.server.cut_after]
        self.server.sent += len(sent)  # before the client can have them
        self.wfile.write(sent)
        self.close_connection = len(sent) < len(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "r" / "metadata").mkdir(parents=True)
    (tmp_path / "r" / "targets" / "a b").mkdir(parents=True)
    (tmp_path / "r" / "metadata" / "timestamp.json").write_bytes(b"{}")
    (tmp_path / "r" / "targets" / "a b" / "x#?y.tar").write_bytes(DATA)
    return tmp_path / "r"


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def tls(folder: Path, tmp_path: Path) -> Iterator[Callable[..., tuple[Server, Path]]]:
    """A web server with a certificate, and the authority to believe."""
    started: list[Server] = []

    def start(expired: bool = False) -> tuple[Server, Path]:
        authority = Authority("centre")
        (tmp_path / "ca.pem").write_bytes(authority.pem())
        issued = authority.issue("repository", expired=expired, addresses=("127.0.0.1",))
        started.append(Server(folder, issued.write(tmp_path, "repository")))
        return started[-1], tmp_path / "ca.pem"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=["directory", "http", "https", "mqtt", "relay"])
def adapter(request: pytest.FixtureRequest, folder: Path) -> Iterator[Fetcher]:
    if request.param == "directory":
        yield DirectoryFetcher(folder)
    elif request.param == "http":
        server: Server = request.getfixturevalue("server")
        yield over(server)
    elif request.param == "https":
        secured, authority = request.getfixturevalue("tls")()
        yield over(secured, ca_file=authority)
    else:
        over_mqtt = MemoryCentre(folder).fetcher()
        if request.param == "mqtt":
            yield over_mqtt
            return
        relay = Relay(folder.parent / "link.sock", over_mqtt.fetch)
        relay.start()
        yield RelayFetcher(folder.parent / "link.sock")
        relay.stop()


def over(server: Server, **settings: Any) -> HttpFetcher:
    return HttpFetcher(f"{server.url}/metadata/", f"{server.url}/targets", **settings)


@pytest.mark.parametrize("offset", [0, 1, 65_536, len(DATA) - 1])
def test_a_file_is_given_from_any_byte_on(adapter: Fetcher, offset: int) -> None:
    assert b"".join(adapter.fetch("targets/a b/x#?y.tar", offset)) == DATA[offset:]
    assert b"".join(adapter.fetch("metadata/timestamp.json")) == b"{}"


@pytest.mark.parametrize("path", ["metadata/9.root.json", "targets/none", "targets/a b"])
def test_what_is_not_there_is_said_to_be_absent(adapter: Fetcher, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        b"".join(adapter.fetch(path))


def test_a_stick_shows_nothing_beyond_itself(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    (folder / "targets" / "link").symlink_to(tmp_path / "secret")
    (folder / "targets" / "circle").symlink_to("circle")
    os.mkfifo(folder / "targets" / "pipe")
    hostile = ("../../secret", "link", "pipe", "circle", "circle/x", "a\x00b", "\udcff")
    for path in (*(f"targets/{name}" for name in hostile), "/etc/hostname"):
        with pytest.raises(FileNotFoundError):
            b"".join(DirectoryFetcher(folder).fetch(path))


def test_a_stick_that_was_pulled_is_not_an_empty_repository(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="put the stick in") as raised:
        b"".join(DirectoryFetcher(tmp_path / "gone").fetch("metadata/2.root.json"))
    assert not isinstance(raised.value, FileNotFoundError)


def test_a_web_server_is_believed_by_its_authority_and_by_dates_where_the_clock_is_good_for_them(
    tls: Callable[..., tuple[Server, Path]],
) -> None:
    server, authority = tls(expired=True)
    with pytest.raises(OSError, match="expired"):
        b"".join(over(server, ca_file=authority).fetch("metadata/timestamp.json"))
    # A board that woke in 1970 cannot know; what comes is judged by its signatures all the same.
    assert b"".join(over(server, ca_file=authority, dates=False).fetch("metadata/timestamp.json")) == b"{}"
    for dates in (True, False):
        with pytest.raises(OSError, match="certificate verify failed"):
            b"".join(over(server, dates=dates).fetch("metadata/timestamp.json"))


@pytest.mark.parametrize("trust", [ClockTrust.UNTRUSTED, ClockTrust.SYNCED])
def test_a_device_that_lost_its_clock_still_reads_over_https(
    trust: ClockTrust, tls: Callable[..., tuple[Server, Path]], tmp_path: Path
) -> None:
    server, authority = tls(expired=True)
    config = tmp_path / "device.toml"
    config.write_text(f'[update]\nsource = "http"\nurl = "{server.url}"\nca = "{authority}"\n')
    fetcher = build_fetcher(load_config(config), at(datetime.now(UTC), trust))
    if trust == ClockTrust.UNTRUSTED:
        assert b"".join(fetcher.fetch("metadata/timestamp.json")) == b"{}"
    else:
        with pytest.raises(OSError, match="expired"):
            b"".join(fetcher.fetch("metadata/timestamp.json"))


def test_a_server_without_ranges_costs_bytes_but_no_correctness(server: Server) -> None:
    server.ranges = False
    assert b"".join(over(server).fetch("targets/a b/x#?y.tar", 1234)) == DATA[1234:]


def test_a_body_cut_short_is_an_error_and_not_an_end(server: Server) -> None:
    server.cut_after = 1000
    got = bytearray()
    with pytest.raises(OSError, match=r"x%23%3Fy\.tar"):
        for piece in over(server).fetch("targets/a b/x#?y.tar"):
            got += piece
    assert bytes(got) == DATA[:1000]


def test_a_trickle_ends(server: Server) -> None:
    server.drip = True
    started = time.monotonic()
    with pytest.raises(OSError, match="took longer"):
        b"".join(over(server, deadline_s=0.3).fetch("targets/a b/x#?y.tar"))
    assert time.monotonic() - started < 5


def test_a_silent_server_and_an_absent_one_are_errors(server: Server) -> None:
    server.server_close()
    with pytest.raises(OSError):
        b"".join(over(server, timeout_s=0.2).fetch("metadata/timestamp.json"))


def test_a_download_cut_many_times_fetches_no_byte_twice(
    look: Callable[..., TrustedRepository], repository: TufRepository, tmp_path: Path
) -> None:
    target = repository.add_target("models/leaf.tar", DATA)
    repository.publish_all()
    looked = look()
    server = Server(repository.folder)
    server.cut_after = 10_000
    looked = look(by=over(server))
    before, cuts = server.sent, 0

    while True:
        try:
            path = looked.download(target, tmp_path / "files")
            break
        except UnreachableError:
            cuts += 1
    server.shutdown()
    server.server_close()

    assert path.read_bytes() == DATA
    assert cuts == 25
    assert server.sent - before == len(DATA)


def test_a_file_already_there_is_not_fetched_and_old_beginnings_are_swept(
    look: Callable[..., TrustedRepository], repository: TufRepository, tmp_path: Path
) -> None:
    class Cut(CountingFetcher):
        def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
            yield from self.inner.fetch(path, offset)
            if path.startswith("targets/"):
                raise ConnectionResetError("cut")

    files = tmp_path / "files"
    old = repository.add_target("models/leaf.tar", b"old one", served=b"old")
    repository.publish_all()
    with pytest.raises(UnreachableError):
        look(by=Cut(DirectoryFetcher(repository.folder))).download(old, files)
    new = repository.add_target("models/leaf.tar", b"new one")
    repository.publish_all()

    path = look().download(new, files)
    assert [file.name for file in files.iterdir()] == [path.name]
    assert look(by=Cut(DirectoryFetcher(repository.folder))).download(new, files) == path
