"""The things on serial cables at work: what they say goes where it is of use, and none takes the device down."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from msgspec.structs import astuple

from pikvani_contract.clock import ClockTrust
from pikvani_contract.messages import CaseBody, Status
from pikvani_contract.wire import pack, unpack
from pikvani_device.adapters.broker_memory import MemoryBroker, MemoryHub
from pikvani_device.app import Device
from pikvani_device.app.instruments import AGAIN_S, EVERY_S, TOLD_FACT, Instruments, Told, coarse, read_told
from pikvani_device.config import parse_config
from pikvani_device.errors import ConfigError
from pikvani_device.ports import Fix, SoilReading
from pikvani_device.store.soil import VALID_MS, SoilShelf
from pikvani_device.sync.publisher import Publisher, PublisherSettings, Running

from .conftest import Watch, device_with, line_of

CASE = CaseBody("answer", "", "cotton", "cotton/leaf_curl_virus", 9_000, [], "leaf@1", "fake", 1, 10)


def test_given_things_that_work_then_the_service_sees_what_each_said(things: Instruments) -> None:
    things.step()
    said = things.as_json()
    assert said["gnss"] == {"place": "18.5,73.9"}
    assert said["modem"]["operator"] == "Airtel" and said["modem"]["data_left_mb"] == 412.5
    assert said["soil"] == {"moisture_percent": 31.2, "temperature_c": 26.5, "ec_us_cm": 840}
    assert said["printer"] == {"width_dots": 384}


@pytest.mark.parametrize(
    ("latitude", "longitude", "place"),
    [(18.5204, 73.8567, "18.5,73.9"), (-0.04, 0.04, "0.0,0.0"), (-33.95, 179.96, "-34.0,180.0")],
)
def test_given_a_fix_then_the_place_is_rounded_to_a_tenth_of_a_degree(
    latitude: float, longitude: float, place: str
) -> None:
    assert coarse(Fix(latitude, longitude, None)) == place
    assert unpack(pack(Status(1, True, place=place)), Status).place == place


def test_given_an_owner_who_did_not_agree_then_no_place_leaves_or_is_shown(tmp_path: Path, watch: Watch) -> None:
    device = device_with(tmp_path, 'adapter = "fake"')
    things = Instruments(device, watch)
    things.step()
    assert things.told().place == ""
    assert things.as_json()["gnss"] == {"place": None}
    assert "73.9" not in (device.store.fact(TOLD_FACT) or "")
    device.close()


def test_given_what_the_things_said_then_the_heartbeat_tells_the_centre(things: Instruments, device: Device) -> None:
    things.step()
    told = read_told(device.store.fact(TOLD_FACT))
    assert told == Told("18.5,73.9", "Airtel", -79, 412)
    hub = MemoryHub()
    heard: list[bytes] = []
    MemoryBroker(hub, ("x", b"")).start(("pikvani/v1/d/village-7/up/status",), lambda _, payload: heard.append(payload))
    publisher = Publisher(
        device.store, MemoryBroker(hub, ("pikvani/v1/d/village-7/up/status", b"")), device.clock, "village-7",
        lambda: Running("0.1.0", "leaf@1", "fake", *astuple(told)), PublisherSettings(),
    )  # fmt: skip
    publisher.start()
    publisher.step()
    status = unpack(heard[-1], Status)
    assert (status.place, status.operator, status.signal_dbm, status.data_left_mb) == ("18.5,73.9", "Airtel", -79, 412)


def test_given_a_fact_that_is_damaged_then_nothing_is_told() -> None:
    assert read_told('{"place": 7}') == Told() == read_told(None) == read_told("{")


def test_given_a_thing_that_is_pulled_out_then_the_others_go_on_and_it_is_back_once_it_is_in(
    things: Instruments, device: Device, watch: Watch
) -> None:
    line = line_of(things.soil)
    line.unplug()
    things.step()
    assert set(device.health.missing()) == {"soil"} and "plugged in" in device.health.missing()["soil"]
    assert things.latest("soil") is None and things.latest("modem") is not None
    line.plug()
    watch.now_s += AGAIN_S / 2
    things.step()
    assert "soil" in device.health.missing(), "not asked again at once"
    watch.now_s += AGAIN_S
    things.step()
    assert not device.health.missing() and things.latest("soil") is not None


def test_given_a_thing_that_fell_silent_then_what_it_said_an_hour_ago_counts_no_more(
    things: Instruments, watch: Watch
) -> None:
    things.step()
    line_of(things.modem).unplug()
    watch.now_s += EVERY_S["modem"] + 1
    things.step()
    assert things.latest("modem") is not None
    watch.now_s += 3_601
    assert things.latest("modem") is None and things.told().operator == ""


def test_given_a_case_then_it_is_shown_with_the_soil_of_its_time_only(things: Instruments, device: Device) -> None:
    before = device.store.record_case(CASE)
    time.sleep(0.01)
    things.step()
    with_soil = device.store.record_case(CASE)
    assert device.soil_of([before, with_soil]) == {with_soil.case_id: SoilReading(31.2, 26.5, 840)}
    device.store._db.execute("UPDATE soil SET mono_ms = mono_ms - ?", (VALID_MS + 1_000,))
    assert device.soil_of([with_soil]) == {}


def test_given_old_readings_then_they_are_forgotten_with_the_cases(things: Instruments, device: Device) -> None:
    shelf = SoilShelf(device.store)
    shelf.put(SoilReading(10, 20, 30), 1)
    device.store._db.execute("UPDATE soil SET wall_ms = wall_ms - 86500000, mono_ms = 1")
    shelf.put(SoilReading(11, 21, 31), 1)
    assert device.store._db.execute("SELECT moisture_percent FROM soil").fetchall() == [(11,)]


def test_given_time_from_the_sky_then_it_is_believed_only_where_it_can_be(
    things: Instruments, device: Device, watch: Watch
) -> None:
    receiver = line_of(things.gnss).thing
    real = receiver.utc
    before = device.clock.now()
    for years in (-20, 20):  # a week counter that ran over, and a liar
        receiver.utc = lambda years=years: real().replace(year=real().year + years, day=1)
        things._take("gnss", things.gnss.fix(3))
        assert abs(device.clock.now().wall_ms - before.wall_ms) < 60_000
    receiver.utc = real
    things._take("gnss", things.gnss.fix(3))
    assert device.clock.now().trust is ClockTrust.SYNCED


def test_given_a_thing_without_a_line_then_the_configuration_says_which_key_is_missing() -> None:
    with pytest.raises(ConfigError, match=r"soil\.usb"):
        parse_config(b'[soil]\nadapter = "modbus"', "t")
    with pytest.raises(ConfigError, match=r"modem\.alarm_numbers"):
        parse_config(b'[modem]\nalarm_numbers = ["112;reboot"]', "t")
    with pytest.raises(ConfigError, match=r"gnss\.usb"):
        parse_config(b'[gnss]\nusb = "../../etc"', "t")
