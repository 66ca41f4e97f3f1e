"""Alarms: said once to the centre, and by SMS where the link does not carry them; a SIM is never emptied by them."""

from __future__ import annotations

import msgspec
import pytest

from pikvani_contract.messages import AlarmBody, Lane
from pikvani_contract.wire import unpack_body
from pikvani_device.adapters.serial_things import CellularModem
from pikvani_device.app import Device
from pikvani_device.app.alarms import DISK_LOW_MB, GONE_S, Alarms
from pikvani_device.app.instruments import Instruments
from pikvani_device.app.sms import SMS_FACT, Sent, send_waiting_alarms
from pikvani_device.store import Store

from .conftest import Watch, line_of

HOUR_MS = 3_600_000


def queued(store: Store) -> list[AlarmBody]:
    found = []
    for waiting in store.waiting():
        if waiting.lane == Lane.ALARM:
            found += [unpack_body(record) for record in store.records_after(waiting, 0, 50)]
    return found


@pytest.fixture
def free() -> list[int]:
    return [10_000]


@pytest.fixture
def alarms(device: Device, watch: Watch, free: list[int]) -> Alarms:
    return Alarms(device, watch, lambda: free[0])


@pytest.fixture
def modem(things: Instruments) -> CellularModem:
    thing = line_of(things.modem).thing
    assert isinstance(thing, CellularModem)
    return thing


def test_given_a_part_that_is_gone_then_an_alarm_is_queued_once_after_a_while_and_again_after_it_was_back(
    alarms: Alarms, device: Device, watch: Watch
) -> None:
    device.health.without("camera", "unplugged")
    assert alarms.watch() == []
    watch.now_s += GONE_S
    assert alarms.watch() == ["camera_gone"]
    assert alarms.watch() == []
    assert queued(device.store) == [AlarmBody("camera_gone", "unplugged")]
    device.health.again("camera")
    assert alarms.watch() == []
    device.health.without("camera", "unplugged")
    alarms.watch()
    watch.now_s += GONE_S
    assert alarms.watch() == ["camera_gone"]


def test_given_a_disk_that_fills_up_then_one_alarm_is_queued_though_the_number_changes(
    alarms: Alarms, device: Device, free: list[int]
) -> None:
    free[0] = DISK_LOW_MB - 1
    assert alarms.watch() == ["disk_low"]
    free[0] -= 40
    assert alarms.watch() == []
    assert [alarm.code for alarm in queued(device.store)] == ["disk_low"]


def test_given_an_alarm_that_the_link_carries_then_no_sms_is_spent(things: Instruments, device: Device) -> None:
    device.store.enqueue("alarm", AlarmBody("disk_low", "200 MB free"))
    assert send_waiting_alarms(device, things.modem) == 0


def aged(device: Device) -> None:
    """As if what waits had waited for hours."""
    device.store._db.execute("UPDATE records SET mono_ms = mono_ms - ?", (2 * HOUR_MS,))


def test_given_an_alarm_that_waited_for_an_hour_then_it_goes_by_sms_once_in_one_line(
    things: Instruments, device: Device, modem: CellularModem
) -> None:
    device.store.enqueue("alarm", AlarmBody("disk_low", "200 MB free\nकेस", 200))
    aged(device)
    things.step()
    assert modem.sent == [("+911234567890", "Pikvani village-7: disk_low 200 200 MB free????")]
    assert send_waiting_alarms(device, things.modem) == 0 and len(modem.sent) == 1


def test_given_a_network_that_refuses_then_the_alarm_goes_once_it_is_back(
    things: Instruments, device: Device, modem: CellularModem
) -> None:
    device.store.enqueue("alarm", AlarmBody("shed", "", 3))
    aged(device)
    modem.has_network = False
    assert send_waiting_alarms(device, things.modem) == 0
    modem.has_network = True
    assert send_waiting_alarms(device, things.modem) == 1


def test_given_many_alarms_then_no_more_sms_are_sent_a_day_than_allowed_also_after_failures(
    things: Instruments, device: Device, modem: CellularModem
) -> None:
    for number in range(8):
        device.store.enqueue("alarm", AlarmBody(f"part{number}_gone"))
    aged(device)
    assert send_waiting_alarms(device, things.modem) == 3
    assert send_waiting_alarms(device, things.modem) == 0 and len(modem.sent) == 3
    # The next day the rest goes, in order.
    sent = msgspec.json.decode(device.store.fact(SMS_FACT) or "", type=Sent)
    sent.day -= 1
    device.store.set_fact(SMS_FACT, msgspec.json.encode(sent).decode())
    modem.has_network = False
    for _ in range(5):
        send_waiting_alarms(device, things.modem)
    assert msgspec.json.decode(device.store.fact(SMS_FACT) or "", type=Sent).today == 3, "tries count as well"
    modem.has_network = True
    assert send_waiting_alarms(device, things.modem) == 0
