"""The pages' name on the village network, spoken and asked on loopback only."""

import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from zeroconf import Error, EventLoopBlocked, IPVersion, ServiceInfo, Zeroconf

from pikvani_device.adapters import announcer_zeroconf
from pikvani_device.adapters.announcer_zeroconf import ZeroconfAnnouncer, private_addresses

T = TypeVar("T")
LOOPBACK = ["127.0.0.1"]
PATIENCE_S = 90
"""For a machine with much else to do."""


class Phone:
    """Who asks, on a thread of its own: zeroconf refuses one in which an event loop runs, as browser tests leave."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._zeroconf = self._on(lambda: Zeroconf(interfaces=LOOPBACK, ip_version=IPVersion.V4Only))

    def _on(self, act: Callable[[], T]) -> T:
        return self._thread.submit(act).result()

    def asks(self, name: str, timeout_ms: int = 3_000) -> ServiceInfo | None:
        full = f"{name}._http._tcp.local."
        try:
            return self._on(lambda: self._zeroconf.get_service_info("_http._tcp.local.", full, timeout=timeout_ms))
        except Error:  # its own loop was kept waiting
            return None

    def finds(self, host: str, name: str) -> bool:
        wanted = ServiceInfo("_http._tcp.local.", f"{name}._http._tcp.local.", server=host)
        return self._on(lambda: wanted.request(self._zeroconf, 3_000))

    def close(self) -> None:
        self._on(self._zeroconf.close)
        self._thread.shutdown()


@pytest.fixture
def phone() -> Iterator[Phone]:
    try:
        asking = Phone()
    except OSError as error:
        pytest.skip(f"no multicast on loopback here: {error}")
    yield asking
    asking.close()


def eventually(look: Callable[[], object]) -> object:
    ends = time.monotonic() + PATIENCE_S
    while not (seen := look()) and time.monotonic() < ends:
        time.sleep(0.1)
    return seen


def test_given_an_announced_name_then_a_phone_finds_address_and_port_and_after_goodbye_it_does_not(
    phone: Phone,
) -> None:
    name = f"pikvani-{uuid.uuid4().hex[:8]}"
    announcer = ZeroconfAnnouncer(name, 8080, LOOPBACK)
    try:
        info = eventually(lambda: phone.asks(name))
        assert isinstance(info, ServiceInfo)
        assert (info.server, info.port) == (f"{name}.local.", 8080)
        assert info.addresses == [socket.inet_aton("127.0.0.1")]
        assert eventually(lambda: phone.finds(f"{name}.local.", name))
    finally:
        announcer.close()
        announcer.close()
    with_nothing_kept = Phone()
    try:
        assert with_nothing_kept.asks(name, 800) is None
    finally:
        with_nothing_kept.close()


def test_given_a_machine_too_busy_to_announce_in_time_then_nothing_fails_and_it_is_tried_again(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    class Busy(Zeroconf):
        tries = 0

        def register_service(self, *args, **kwargs) -> None:
            Busy.tries += 1
            if Busy.tries <= 2:
                raise EventLoopBlocked
            super().register_service(*args, **kwargs)

        def close(self) -> None:
            closed.append(True)
            super().close()

    monkeypatch.setattr(announcer_zeroconf, "Zeroconf", Busy)
    monkeypatch.setattr(announcer_zeroconf, "RETRY_S", 0.05)
    name = f"pikvani-{uuid.uuid4().hex[:8]}"
    announcer = ZeroconfAnnouncer(name, 8080, LOOPBACK)
    try:
        assert eventually(lambda: phone.asks(name))
        assert Busy.tries >= 3 and len(closed) == Busy.tries - 1, "each failed try lets its sockets go"
    finally:
        announcer.close()
    assert len(closed) == Busy.tries


def test_given_a_village_network_that_comes_up_late_then_the_name_is_announced_then(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[str] = []
    monkeypatch.setattr(announcer_zeroconf, "private_addresses", lambda: addresses)
    monkeypatch.setattr(announcer_zeroconf, "RETRY_S", 0.05)
    name = f"pikvani-{uuid.uuid4().hex[:8]}"
    announcer = ZeroconfAnnouncer(name, 8080)
    try:
        assert phone.asks(name, 300) is None
        addresses.extend(LOOPBACK)
        assert eventually(lambda: phone.asks(name))
    finally:
        announcer.close()


def test_given_no_village_network_then_nothing_is_announced_and_nothing_fails() -> None:
    ZeroconfAnnouncer("pikvani-nowhere", 8080, []).close()
    assert all(not address.startswith("127.") for address in private_addresses())
