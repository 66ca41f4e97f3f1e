"""How many batches are in the air: few on a slow link, more on a fast one, few again as soon as something is lost."""

import pytest

from pikvani_contract.messages import SCHEMA, Receipt
from pikvani_device.sync.flight import Flight

OUTBOX = b"outbox-1"


def filled(flight: Flight, after: int, now_ms: int) -> int:
    """Sends batches of ten until the window is full; the last sequence sent."""
    while not flight.full:
        flight.sent(OUTBOX, after + 1, after + 10, now_ms)
        after += 10
    return after


def up_to(seq: int) -> Receipt:
    return Receipt(SCHEMA, OUTBOX, seq, [], 0)


@pytest.mark.parametrize(("took_ms", "window"), [(200, 8), (1_500, 4)], ids=["within a second", "later"])
def test_given_receipts_then_the_window_opens_to_twice_where_they_are_quick_and_else_stays(
    took_ms: int, window: int
) -> None:
    flight, last, now_ms = Flight(4, 30_000), 0, 0
    for _ in range(5):
        last = filled(flight, last, now_ms)
        flight.receipted(up_to(last), now_ms + took_ms)
        now_ms += 2_000
    filled(flight, last, now_ms)
    assert flight.in_the_air == window


def test_given_an_open_window_when_a_receipt_does_not_come_or_the_link_goes_then_it_closes() -> None:
    for lose in (lambda f: f.expire(10_000_000), lambda f: f.forget()):
        flight = Flight(4, 30_000)
        last = filled(flight, 0, 0)
        flight.receipted(up_to(last), 100)
        last = filled(flight, last, 200)
        assert flight.in_the_air == 8
        lose(flight)
        assert flight.in_the_air == 0
        filled(flight, last, 300)
        assert flight.in_the_air == 4
