"""Alarms that the link does not carry go by SMS: one line each, bounded by day, told once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from pikvani_contract.messages import AlarmBody, Lane, Record
from pikvani_contract.wire import unpack_body
from pikvani_device.errors import SerialError

if TYPE_CHECKING:
    from pikvani_device.app import Device
    from pikvani_device.ports import Modem

log = logging.getLogger(__name__)

SMS_FACT = "sms.sent"
_DAY_MS = 86_400_000
_LOOKED_AT = 50
_KEPT_OUTBOXES = 20


class Sent(msgspec.Struct):
    """What was sent.

    Attributes:
        day: UTC days since 1970.
        today: SMS of that day.
        upto: highest sequence told, by outbox in hex.
    """

    day: int = 0
    today: int = 0
    upto: dict[str, int] = {}


def line_of(device_id: str, alarm: AlarmBody) -> str:
    """The SMS: who, what, the number behind it, and why."""
    value = f" {alarm.value}" if alarm.value else ""
    return f"Pikvani {device_id}: {alarm.code}{value} {alarm.detail}".strip()[:160]


def send_waiting_alarms(device: Device, modem: Modem) -> int:
    """Send alarms that have waited too long for the link, oldest first; returns how many.

    Raises:
        StoreError: the disk failed.
    """
    settings = device.config.modem
    each = len(settings.alarm_numbers)
    if not each:
        return 0
    now = device.clock.now()
    sent, count = _read(device.store.fact(SMS_FACT)), 0
    if sent.day != now.wall_ms // _DAY_MS:
        sent = Sent(now.wall_ms // _DAY_MS, 0, sent.upto)
    for waiting in device.store.waiting():
        if waiting.lane != Lane.ALARM:
            continue
        key = waiting.outbox.hex()
        for record in device.store.records_after(waiting, sent.upto.get(key, 0), _LOOKED_AT):
            young = waiting.boots_ago == 0 and now.mono_ms - record.mono_ms < settings.alarm_after_minutes * 60_000
            if young or sent.today + each > settings.most_sms_a_day:
                break
            # Counted first: a cut between the two must not let a SIM be charged without end.
            sent.today += each
            _write(device, sent)
            try:
                _tell(modem, settings.alarm_numbers, device.config.device.id, record)
            except SerialError as error:
                log.warning("an alarm stays without SMS for now: %s", error)
                return count
            sent.upto[key] = record.seq
            _write(device, sent)
            count += 1
    return count


def _tell(modem: Modem, numbers: tuple[str, ...], device_id: str, record: Record) -> None:
    body = unpack_body(record)
    if isinstance(body, AlarmBody):
        for number in numbers:
            modem.send_sms(number, line_of(device_id, body))


def _read(fact: str | None) -> Sent:
    try:
        return msgspec.json.decode(fact, type=Sent) if fact else Sent()
    except msgspec.DecodeError:
        return Sent()


def _write(device: Device, sent: Sent) -> None:
    sent.upto = dict(list(sent.upto.items())[-_KEPT_OUTBOXES:])
    device.store.set_fact(SMS_FACT, msgspec.json.encode(sent).decode())
