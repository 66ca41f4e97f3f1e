"""Expiry is judged by the latest time known, whatever the clock of the machine says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.device.update.conftest import at
from tests.support.tuf_repository import NOW, TufRepository
from tuf.api.metadata import Timestamp

from pikvani_contract.clock import ClockTrust
from pikvani_contract.repository import SIGNED_AT_FIELD
from pikvani_device.update.errors import ExpiredError
from pikvani_device.update.reference_time import reference_time, signed_at
from pikvani_device.update.trust import TrustedRepository

Look = Callable[..., TrustedRepository]
BOOT_1970 = datetime(1970, 1, 1, 0, 1, tzinfo=UTC)


def ms(time: datetime) -> int:
    return int(time.timestamp() * 1000)


def stamped(repository: TufRepository, time: datetime, days: int = 30) -> None:
    repository.timestamp.unrecognized_fields[SIGNED_AT_FIELD] = time.strftime("%Y-%m-%dT%H:%M:%SZ")
    repository.timestamp.expires = time + timedelta(days=days)
    repository.publish("timestamp")


@pytest.mark.parametrize(
    ("wall", "trust", "floor", "judged"),
    [
        (NOW, ClockTrust.SYNCED, None, NOW),
        (NOW, ClockTrust.UNTRUSTED, None, NOW),
        (BOOT_1970, ClockTrust.UNTRUSTED, NOW, NOW),
        (BOOT_1970, ClockTrust.SYNCED, NOW, NOW),
        (NOW + timedelta(days=9), ClockTrust.FLOOR, NOW, NOW + timedelta(days=9)),
        (NOW + timedelta(days=9999), ClockTrust.UNTRUSTED, NOW, NOW),
    ],
    ids=["synced", "only a clock", "booted in 1970", "NTP lies", "after the floor", "far ahead, unconfirmed"],
)
def test_which_time_counts(wall: datetime, trust: ClockTrust, floor: datetime | None, judged: datetime) -> None:
    assert reference_time(at(wall, trust), ms(floor) if floor else 0) == judged


def test_a_device_in_1970_takes_its_first_metadata_and_learns_the_date(look: Look, repository: TufRepository) -> None:
    stamped(repository, NOW)

    looked = look(moment=at(BOOT_1970, ClockTrust.UNTRUSTED))

    assert looked.floor_ms == ms(NOW)


def test_a_device_in_1970_refuses_what_expired_before_the_newest_signature_it_saw(
    look: Look, repository: TufRepository
) -> None:
    """Given a timestamp signed in December over a snapshot of November, then 1970 on the clock changes nothing."""
    look(moment=at(BOOT_1970, ClockTrust.UNTRUSTED))
    stamped(repository, NOW + timedelta(days=40))

    with pytest.raises(ExpiredError):
        look(moment=at(BOOT_1970, ClockTrust.UNTRUSTED))
    with pytest.raises(ExpiredError):
        look(moment=at(BOOT_1970, ClockTrust.UNTRUSTED))

    for role in (repository.root, repository.targets, repository.snapshot):
        role.expires = NOW + timedelta(days=80)
    repository.publish("root", "targets", "snapshot")
    stamped(repository, NOW + timedelta(days=41))
    assert look(moment=at(BOOT_1970, ClockTrust.UNTRUSTED)).floor_ms == ms(NOW + timedelta(days=41))


def test_a_floor_signed_by_mistake_goes_with_the_key_that_signed_it(look: Look, repository: TufRepository) -> None:
    """Given a centre whose clock said 2055, when the root names new timestamp keys, then devices come back."""
    stamped(repository, NOW.replace(year=2055))
    with pytest.raises(ExpiredError):
        look()
    with pytest.raises(ExpiredError):
        look()

    repository.give_keys("timestamp")
    repository.publish("root")
    stamped(repository, NOW)

    assert look().floor_ms == ms(NOW)


def test_expired_metadata_is_taken_again_once_renewed(look: Look, repository: TufRepository) -> None:
    late = at(NOW + timedelta(days=31))
    with pytest.raises(ExpiredError):
        look(moment=late)
    for role in (repository.root, repository.targets, repository.snapshot, repository.timestamp):
        role.expires = NOW + timedelta(days=60)
    repository.publish("root", "targets", "snapshot", "timestamp")

    look(moment=late)


@pytest.mark.parametrize("text", [None, 5, "", "yesterday", "2026-13-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_of_signing_that_cannot_be_is_no_floor(text: object) -> None:
    timestamp = Timestamp(expires=NOW, unrecognized_fields={SIGNED_AT_FIELD: text})
    assert signed_at(timestamp) is None
