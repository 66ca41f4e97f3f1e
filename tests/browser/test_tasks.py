"""Getting an answer: by touch alone, without reading, and by voice that is often misheard; what the
pages do with a microphone, a forgotten visit, and a browser without scripts.

`scripts/bench kiosk` runs the robots 200 times each; here a few.
"""

from __future__ import annotations

import random

import pytest
from tests.browser.robot import ROBOTS, Wish
from tests.browser.screens import browsing
from tests.browser.stage import Stage

from pikvani_device.web import visits

pytestmark = pytest.mark.needs_chromium
LANGUAGES = ("mr-IN", "hi-IN", "en-IN")


@pytest.mark.parametrize("name", ROBOTS)
def test_given_a_robot_then_it_finds_its_answer(chromium, stage: Stage, name: str) -> None:
    rng = random.Random(7)
    stage.decide("answer")
    stage.sound(name == "picture")
    try:
        with browsing(chromium, stage, "800x480", "mr-IN") as asker:
            page = asker.context.new_page()
            for _ in range(2):
                locales = LANGUAGES[:2] if name == "voice" else LANGUAGES
                robot = ROBOTS[name](page, stage, asker.base, Wish.of(rng, locales), rng)
                assert robot.run(), robot.seen
    finally:
        stage.sound(True)


def test_given_a_microphone_then_a_note_is_recorded_in_place_and_what_was_heard_is_asked_back(
    chromium, stage: Stage
) -> None:
    stage.hear(lambda: {"crop": "crop_rice"})
    with browsing(chromium, stage, "800x480", "hi-IN") as asker:
        page = asker.context.new_page()
        asker.begin()
        page.goto(asker.base + "/crop")
        page.locator('[data-go="mic"]').tap()
        page.locator(".key.recording").wait_for()
        page.wait_for_timeout(300)
        page.locator('[data-go="mic"]').tap()
        page.wait_for_url("**/confirm")
        assert page.locator('[data-heard="crop:rice"]').count() == 1
        page.locator('[data-pick="yes"]').tap()
        page.wait_for_url("**/camera")


def test_given_a_visit_nobody_touches_then_it_asks_and_then_nothing_of_the_farmer_is_left(
    chromium, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    with browsing(chromium, stage, "800x480", "mr-IN") as asker:
        page = asker.context.new_page()
        page.clock.install()
        asker.answered()
        page.goto(asker.base + "/answer")
        with page.expect_response("**/speech/mr-IN/still_there"):
            page.clock.fast_forward((visits.TIMEOUT_S["kiosk"] - 20) * 1000 + 1_000)
        page.locator("dialog[open]").wait_for()
        with page.expect_response("**/stay"):
            page.locator("[data-stay]").tap()
        assert page.locator("dialog[open]").count() == 0
        page.clock.fast_forward((visits.TIMEOUT_S["kiosk"] - 20) * 1000 + 1_000)
        page.locator("dialog[open]").wait_for()
        page.clock.fast_forward(21_000)
        page.wait_for_url(lambda url: url.rstrip("/").endswith(str(stage.port)))
        page.go_back()
        page.wait_for_load_state("load")
        assert page.locator(".verdict").count() == 0


def test_given_a_browser_without_scripts_then_the_whole_road_can_be_walked(chromium, stage: Stage) -> None:
    stage.decide("answer")
    context = chromium.new_context(viewport={"width": 800, "height": 480}, java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{stage.port}/")
        for step in (".language", '[data-pick="crop:tomato"]', '[data-pick="shoot"]', '[data-pick="next"]'):
            page.locator(step).first.click()
        page.locator('[data-pick="symptom:rings"]').check(force=True)
        page.locator('[data-pick="next"]').click()
        page.locator('[data-pick="stage:today"]').click()
        assert page.locator(".sentence").count() == 2
        page.locator('[data-go="home"]').click()
        assert page.locator(".language").count() == 3
    finally:
        context.close()


def test_given_the_first_page_then_it_is_ready_to_be_touched_soon_and_weighs_little(chromium, stage: Stage) -> None:
    with browsing(chromium, stage, "800x480", "mr-IN") as asker:
        page = asker.context.new_page()
        sizes: list[int] = []
        page.on("response", lambda response: sizes.append(len(response.body())))
        page.goto(asker.base + "/")
        assert sum(sizes) < 60_000
        ready_ms = page.evaluate("performance.getEntriesByType('navigation')[0].domInteractive")
        assert ready_ms < 10_000  # a loaded machine; `scripts/bench kiosk` measures
