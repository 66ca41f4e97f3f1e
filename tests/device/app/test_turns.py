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


def test_given_a_phone_midway_then_the_kiosk_goes_between_two_photographs_and_the_phone_goes_on_before_others() -> None:
    turns, order = Turns(), []
    midway = threading.Event()
    kiosk_waits = threading.Event()

    def phone() -> None:
        with turns.turn() as step_back:
            step_back()  # nobody waits: nothing happens
            order.append("phone, first photograph")
            midway.set()
            assert kiosk_waits.wait(20)
            step_back()
            order.append("phone, second photograph")

    def kiosk() -> None:
        with turns.turn(front=True) as step_back:
            assert turns.someone_is_midway
            step_back()
            order.append("kiosk")

    def another() -> None:
        with turns.turn():
            order.append("another phone")

    first = threading.Thread(target=phone)
    first.start()
    assert midway.wait(20)
    others = [threading.Thread(target=another), threading.Thread(target=kiosk)]
    for thread in others:
        thread.start()
    wait_until(lambda: turns._front == 1 and turns._next_ticket == 2)
    kiosk_waits.set()
    for thread in (first, *others):
        thread.join(20)
    assert order == ["phone, first photograph", "kiosk", "phone, second photograph", "another phone"]
    assert not turns.someone_is_midway
