"""Whose turn it is at the model."""

import threading
import time

from pikvani_device.app.turns import Turns


def wait_until(holds) -> None:
    end_s = time.monotonic() + 20
    while not holds() and time.monotonic() < end_s:
        time.sleep(0.005)
    assert holds()


def test_given_phones_that_wait_then_the_kiosk_goes_first_and_they_go_in_the_order_they_came() -> None:
    turns, order = Turns(), []

    def go(name: str, front: bool) -> None:
        with turns.turn(front):
            order.append(name)

    with turns.turn():
        threads = []
        for number in range(3):
            threads.append(threading.Thread(target=go, args=(f"phone {number}", False)))
            threads[-1].start()
            wait_until(lambda n=number: turns._next_ticket == n + 2)
        threads.append(threading.Thread(target=go, args=("kiosk", True)))
        threads[-1].start()
        wait_until(lambda: turns._front == 1)
    for thread in threads:
        thread.join(20)
    assert order == ["kiosk", "phone 0", "phone 1", "phone 2"]


def test_given_many_at_once_then_one_holds_the_turn_at_a_time_and_an_error_gives_it_back() -> None:
    turns, inside, most = Turns(), [], []

    def go(front: bool) -> None:
        for _ in range(50):
            try:
                with turns.turn(front):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                    raise ValueError
            except ValueError:
                pass

    threads = [threading.Thread(target=go, args=(number % 2 == 0,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 300 and max(most) == 1
