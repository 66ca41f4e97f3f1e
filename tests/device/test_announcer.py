"""The pages' name on the village network, spoken and asked on loopback only."""

import socket
import time
import uuid
from collections.abc import Callable

import pytest
from zeroconf import Error, EventLoopBlocked, IPVersion, ServiceInfo, Zeroconf

from pikvani_device.adapters import announcer_zeroconf
from pikvani_device.adapters.announcer_zeroconf import ZeroconfAnnouncer, private_addresses

LOOPBACK = ["127.0.0.1"]
PATIENCE_S = 90
"""For a machine with much else to do."""


@pytest.fixture
def asking():
    try:
        zeroconf = Zeroconf(interfaces=LOOPBACK, ip_version=IPVersion.V4Only)
    except OSError as error:
        pytest.skip(f"no multicast on loopback here: {error}")
    yield zeroconf
    zeroconf.close()


def found(asking: Zeroconf, name: str) -> ServiceInfo | None:
    try:
        return asking.get_service_info("_http._tcp.local.", f"{name}._http._tcp.local.", timeout=3_000)
    except Error:  # the asker's own loop was kept waiting
        return None


def eventually(look: Callable[[], object]) -> object:
    ends = time.monotonic() + PATIENCE_S
    while not (seen := look()) and time.monotonic() < ends:
        time.sleep(0.1)
    return seen


def test_given_an_announced_name_then_a_phone_finds_address_and_port_and_after_goodbye_it_does_not(
    asking: Zeroconf,
) -> None:
    name = f"pikvani-{uuid.uuid4().hex[:8]}"
    announcer = ZeroconfAnnouncer(name, 8080, LOOPBACK)
    try:
        info = eventually(lambda: found(asking, name))
        assert isinstance(info, ServiceInfo)
        assert (info.server, info.port) == (f"{name}.local.", 8080)
        assert info.addresses == [socket.inet_aton("127.0.0.1")]
        by_host = ServiceInfo("_http._tcp.local.", f"{name}._http._tcp.local.", server=f"{name}.local.")
        assert eventually(lambda: by_host.request(asking, 3_000))
    finally:
        announcer.close()
        announcer.close()
    with_nothing_kept = Zeroconf(interfaces=LOOPBACK, ip_version=IPVersion.V4Only)
    try:
        gone = with_nothing_kept.get_service_info("_http._tcp.local.", f"{name}._http._tcp.local.", timeout=800)
        assert gone is None
    finally:
        with_nothing_kept.close()


def test_given_a_machine_too_busy_to_announce_in_time_then_nothing_fails_and_it_is_tried_again(
    asking: Zeroconf, monkeypatch: pytest.MonkeyPatch
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
        assert eventually(lambda: found(asking, name))
        assert Busy.tries >= 3 and len(closed) == Busy.tries - 1, "each failed try lets its sockets go"
    finally:
        announcer.close()
    assert len(closed) == Busy.tries


def test_given_a_village_network_that_comes_up_late_then_the_name_is_announced_then(
    asking: Zeroconf, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[str] = []
    monkeypatch.setattr(announcer_zeroconf, "private_addresses", lambda: addresses)
    monkeypatch.setattr(announcer_zeroconf, "RETRY_S", 0.05)
    name = f"pikvani-{uuid.uuid4().hex[:8]}"
    announcer = ZeroconfAnnouncer(name, 8080)
    try:
        assert asking.get_service_info("_http._tcp.local.", f"{name}._http._tcp.local.", timeout=300) is None
        addresses.extend(LOOPBACK)
        assert eventually(lambda: found(asking, name))
    finally:
        announcer.close()


def test_given_no_village_network_then_nothing_is_announced_and_nothing_fails() -> None:
    ZeroconfAnnouncer("pikvani-nowhere", 8080, []).close()
    assert all(not address.startswith("127.") for address in private_addresses())
