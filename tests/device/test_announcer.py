"""The pages' name on the village network, spoken and asked on loopback only."""

import socket
import uuid

import pytest
from zeroconf import IPVersion, ServiceInfo, Zeroconf

from pikvani_device.adapters.announcer_zeroconf import ZeroconfAnnouncer, private_addresses

LOOPBACK = ["127.0.0.1"]


@pytest.fixture
def asking():
    try:
        zeroconf = Zeroconf(interfaces=LOOPBACK, ip_version=IPVersion.V4Only)
    except OSError as error:
        pytest.skip(f"no multicast on loopback here: {error}")
    yield zeroconf
    zeroconf.close()


def test_given_an_announced_name_then_a_phone_finds_address_and_port_and_after_goodbye_it_does_not(
    asking: Zeroconf,
) -> None:
    name = f"pikvani-{uuid.uuid4().hex[:8]}"
    announcer = ZeroconfAnnouncer(name, 8080, LOOPBACK)
    try:
        info = asking.get_service_info("_http._tcp.local.", f"{name}._http._tcp.local.", timeout=10_000)
        assert info is not None
        assert (info.server, info.port) == (f"{name}.local.", 8080)
        assert info.addresses == [socket.inet_aton("127.0.0.1")]
        by_host = ServiceInfo("_http._tcp.local.", f"{name}._http._tcp.local.", server=f"{name}.local.")
        assert by_host.request(asking, 10_000)
    finally:
        announcer.close()
        announcer.close()
    with_nothing_kept = Zeroconf(interfaces=LOOPBACK, ip_version=IPVersion.V4Only)
    try:
        gone = with_nothing_kept.get_service_info("_http._tcp.local.", f"{name}._http._tcp.local.", timeout=800)
        assert gone is None
    finally:
        with_nothing_kept.close()


def test_given_no_village_network_then_nothing_is_announced_and_nothing_fails() -> None:
    ZeroconfAnnouncer("pikvani-nowhere", 8080, []).close()
    assert all(not address.startswith("127.") for address in private_addresses())
