"""Joins diagnosis, store and drift: what a case adds to the day's sketch, and saying the days that are over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pikvani_contract.clock import Clock
from pikvani_contract.model.manifest import Manifest
from pikvani_device.diagnosis.result import Diagnosis

if TYPE_CHECKING:
    from pikvani_device.store import Store


def case_traits(diagnosis: Diagnosis, manifest: Manifest) -> bytes:
    """What is kept beside a case for the day's sketch."""
    from pikvani_device.drift.traits import traits_of

    return traits_of(diagnosis.probabilities, diagnosis.embedding, manifest.reference)


def say_days(store: Store, clock: Clock) -> int:
    """Queue the sketches of days that are over; returns how many.

    Raises:
        StoreError: the disk failed.
    """
    from pikvani_device.drift.saying import say_finished_days

    return say_finished_days(store, clock)
