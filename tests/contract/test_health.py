"""Which loops live, and what systemd is told of it."""

import os
import socket
import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.health import Health
from pikvani_contract.service import Service


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_given_a_loop_that_beats_in_time_then_nothing_is_stuck() -> None:
    clock = Hand()
    health = Health(clock)
    health.expect("sync", 10)
    for _ in range(5):
        clock.now_s += 9
        health.beat("sync")
        assert health.stuck() == []


def test_given_a_loop_that_is_late_then_it_is_named_until_it_beats_or_ends() -> None:
    clock = Hand()
    health = Health(clock)
    health.expect("sync", 10)
    health.expect("web", 100)
    clock.now_s = 11
    assert [line.partition(":")[0] for line in health.stuck()] == ["sync"]
    health.beat("sync")
    assert health.stuck() == []
    clock.now_s = 30
    assert health.stuck()
    health.ended("sync")
    assert health.stuck() == []


def test_given_a_part_that_is_missing_then_nothing_is_stuck_and_one_that_is_broken_stays_so() -> None:
    health = Health(Hand())
    health.without("store", "disk full")
    assert (health.stuck(), health.missing()) == ([], {"store": "disk full"})
    health.again("store")
    assert health.missing() == {}
    health.broken("camera", "hangs")
    assert health.stuck() == ["camera: hangs"]


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.floats(0, 20)), max_size=30))
def test_given_any_beats_then_a_loop_is_stuck_exactly_when_its_last_beat_is_too_long_ago(
    beats: list[tuple[str, float]],
) -> None:
    clock = Hand()
    health = Health(clock)
    last = {"a": 0.0, "b": 0.0}
    for loop in last:
        health.expect(loop, 10)
    for loop, later_s in beats:
        clock.now_s += later_s
        health.beat(loop)
        last[loop] = clock.now_s
        late = {name for name, at in last.items() if clock.now_s > at + 10}
        assert {line.partition(":")[0] for line in health.stuck()} == late


class Systemd:
    """The receiving end of sd_notify."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(20)

    def hear(self) -> str:
        return self._socket.recv(4096).decode()

    def hear_until(self, words: str) -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if words in (heard := self.hear()):
                return heard
        raise AssertionError(f"never heard {words}")

    def within(self, seconds: float) -> list[str]:
        """What is heard in so many seconds."""
        heard, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            heard.append(self.hear())
        return heard


def environment(systemd: Systemd, period_ms: int, pid: int | None = None) -> dict[str, str]:
    return {
        "NOTIFY_SOCKET": systemd.address,
        "WATCHDOG_USEC": str(period_ms * 1000),
        "WATCHDOG_PID": str(os.getpid() if pid is None else pid),
    }


def test_given_a_process_that_is_up_and_well_then_systemd_hears_it_again_and_again(tmp_path: Path) -> None:
    systemd = Systemd(tmp_path)
    service = Service(Health(), environment(systemd, 200))
    service.ready()
    assert systemd.hear() == "READY=1"
    for _ in range(3):
        assert systemd.hear_until("WATCHDOG=1").startswith("STATUS=well")
    service.stopping()
    systemd.hear_until("STOPPING=1")


def test_given_a_loop_that_is_stuck_then_the_watchdog_starves_and_the_status_says_why(tmp_path: Path) -> None:
    systemd, health = Systemd(tmp_path), Health()
    service = Service(health, environment(systemd, 200))
    service.ready()
    systemd.hear_until("WATCHDOG=1")
    health.broken("camera", "hangs")
    systemd.hear_until("STATUS=stuck: camera: hangs")
    assert not any("WATCHDOG=1" in heard for heard in systemd.within(0.5))
    service.stopping()


def test_given_a_part_that_is_missing_then_the_watchdog_is_fed_and_the_status_says_it(tmp_path: Path) -> None:
    systemd, health = Systemd(tmp_path), Health()
    health.without("store", "read-only")
    assert Service(health, environment(systemd, 200)).feed_once()
    assert systemd.hear() == "STATUS=without store: read-only\nWATCHDOG=1"


def test_given_a_watchdog_of_another_process_or_none_then_it_is_not_fed(tmp_path: Path) -> None:
    systemd = Systemd(tmp_path)
    assert Service(Health(), environment(systemd, 200, pid=1)).period_s == 0
    assert Service(Health(), {}).period_s == 0
    Service(Health(), {"NOTIFY_SOCKET": str(tmp_path / "gone")}).stopping()  # nobody listens: nothing happens


def test_given_an_abstract_socket_then_it_is_reached() -> None:
    name = f"@pikvani-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind("\0" + name[1:])
        ear.settimeout(10)
        Service(Health(), {"NOTIFY_SOCKET": name}).ready()
        assert ear.recv(100) == b"READY=1"
