"""The centre's pages in a real Chromium: everyone can use them, light and dark, wide and narrow, by keyboard, alive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.browser.centre_stage import alarm_number, centre_stage
from tests.support import browser, centre
from tests.support.peers import batch, record

from pikvani_server.accounts import users
from pikvani_server.ingest.committing import commit_group
from pikvani_server.ingest.reading import Arrived
from pikvani_server.store import Store

pytestmark = pytest.mark.needs_chromium
PASSWORD = "monsoon paper kettle nine"
Stage = tuple[str, Store]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    if browser.MISSING:
        pytest.skip(browser.MISSING)
    with centre_stage() as made:
        yield made


@pytest.fixture(scope="module")
def chrome(stage: Stage) -> Iterator[Any]:
    with browser.chromium() as opened:
        yield opened


def pages_of(store: Store) -> dict[str, str]:
    return {
        "overview": "/", "fleet": "/fleet", "device": "/fleet/sim-000005", "cases": "/cases",
        "drift": "/drift?which=all",
        "drift-alarm": f"/drift/alarms/{alarm_number(store)}", "drift-model": "/drift/models/leaf@1.0.0",
        "review": "/review", "disputed": "/review/disputed", "accuracy": "/review/results", "fairness": "/fairness",
        "proposals": "/proposals", "rollouts": "/rollouts", "rollout": "/rollouts/1", "identities": "/devices",
        "work": "/work", "dead-letters": "/dead-letters", "users": "/users", "audit": "/audit?verify=1",
        "account": "/account", "codes": "/account/codes", "not-there": "/nothing",
    }  # fmt: skip


def signed_in(chrome: Any, stage: Stage, role: str | None = "admin", **options: Any) -> Any:
    """A browser of its own."""
    context = chrome.new_context(**({"viewport": browser.DESKTOP, "locale": "en-IN"} | options))
    context.set_default_timeout(browser.TIMEOUT_MS)
    if role:
        cookie = {"name": centre.SESSION, "value": centre.cookie_of(stage[1], role), "path": "/", "domain": "127.0.0.1"}
        context.add_cookies([cookie | {"secure": True, "httpOnly": True}])
    return context


@pytest.mark.parametrize(
    ("width", "theme", "rules"),
    # Dark differs from light in its colours alone.
    [("desktop", "light", ()), ("phone", "light", ()), ("desktop", "dark", ("color-contrast",))],
)
def test_axe_finds_nothing_on_any_page_and_none_is_wider_than_the_screen(
    chrome: Any, stage: Stage, width: str, theme: str, rules: tuple[str, ...]
) -> None:
    wrong: list[str] = []
    size = browser.DESKTOP if width == "desktop" else browser.PHONE
    context = signed_in(chrome, stage, viewport=size, color_scheme=theme)
    page = context.new_page()
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("console", lambda told: wrong.append(f"console: {told.text}"))
    for name, path in pages_of(stage[1]).items():
        page.goto(stage[0] + path)
        assert page.locator("h1").count() == 1, name
        wrong += [f"{name}: {one}" for one in browser.violations(page, only=rules)]
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            wrong.append(f"{name}: {over} pixels too wide")
        browser.screenshot(page, f"{name}-{width}-{theme}")
    context.close()
    wrong = [one for one in wrong if "404" not in one]  # the page that is not there says so to the console too
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", ["hi", "mr"])
def test_axe_finds_nothing_in_the_language_the_browser_asks_for(chrome: Any, stage: Stage, language: str) -> None:
    context = signed_in(chrome, stage, viewport=browser.PHONE, locale=f"{language}-IN")
    page = context.new_page()
    for name in ("overview", "fleet", "review", "fairness"):
        page.goto(stage[0] + pages_of(stage[1])[name])
        assert page.locator("html").get_attribute("lang") == language
        assert browser.violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        browser.screenshot(page, f"{name}-phone-{language}")
    context.close()


def test_signed_out_pages_are_as_good(chrome: Any, stage: Stage) -> None:
    user = centre.account(stage[1], "viewer", "asha.viewer")
    secret = users.invite(stage[1], user, "test", datetime.now(UTC))
    context = signed_in(chrome, stage, None)
    page = context.new_page()
    for name, path in (("sign-in", "/fleet"), ("welcome", f"/welcome/{secret}")):
        page.goto(stage[0] + path)
        assert browser.violations(page) == []
        browser.screenshot(page, f"{name}-desktop-light")
    # and the way in works with a real browser's cookies, which __Host- and Secure could spoil over plain loopback
    page.fill("input[name=password]", PASSWORD)
    page.fill("input[name=again]", PASSWORD)
    page.click("main button")
    page.wait_for_url(stage[0] + "/")
    assert "asha.viewer" in page.text_content("header")
    page.click("text=Sign out")
    page.wait_for_url(stage[0] + "/sign-in")
    page.goto(stage[0] + "/cases?days=90")
    page.fill("input[name=name]", "asha.viewer")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(stage[0] + "/cases?days=90")
    context.close()


def test_a_case_is_named_by_keyboard_alone_and_the_model_is_heard_only_after(chrome: Any, stage: Stage) -> None:
    context = signed_in(chrome, stage, "agronomist")
    page = context.new_page()
    page.goto(stage[0] + "/review")
    assert "The model said" not in page.text_content("main")
    assert page.evaluate("document.querySelector('.photo img').naturalWidth") > 0
    before = page.get_attribute("input[name=seq]", "value"), page.get_attribute("input[name=device]", "value")
    page.keyboard.press("1")
    assert page.is_checked("input[data-key='1']")
    page.keyboard.press("u")
    page.keyboard.press("n")
    page.keyboard.type("1 u x s: letters in a note press nothing")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said.good")
    told = page.text_content(".said.good")
    assert "Kept:" in told and "The model said" in told
    assert (page.get_attribute("input[name=seq]", "value"), page.get_attribute("input[name=device]", "value")) != before
    context.close()


def test_a_new_case_comes_by_itself_and_keeps_focus_and_scroll(chrome: Any, stage: Stage) -> None:
    url, store = stage
    context = signed_in(chrome, stage, "viewer", viewport=browser.PHONE)
    page = context.new_page()
    page.clock.install()
    page.goto(url + "/")
    page.evaluate("document.querySelector('#table-latest .scroll').scrollLeft = 60")
    page.focus("#table-latest .csv")
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    commit_group(store, [Arrived("village-live", now_ms, batch(record(1)))], now_ms)
    for _ in range(40):
        page.clock.run_for(11_000)
        page.wait_for_timeout(250)
        if page.locator("#table-latest >> text=village-live").count():
            break
    assert page.locator("#table-latest >> text=village-live").count() == 1
    assert page.evaluate("document.activeElement.className") == "csv"
    assert page.evaluate("document.querySelector('#table-latest .scroll').scrollLeft") == 60
    context.close()


def test_language_and_colours_are_chosen_and_kept(chrome: Any, stage: Stage) -> None:
    context = signed_in(chrome, stage, "viewer")
    page = context.new_page()
    page.goto(stage[0] + "/fleet?sort=queue")
    page.select_option("select[name=theme]", "dark")
    page.select_option("select[name=language]", "mr")
    page.click("footer button")
    page.wait_for_selector("html[lang=mr][data-theme=dark]")
    assert page.url.endswith("/fleet?sort=queue")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(int(v) for v in re.findall(r"\d+", ground)[:3]) < 150
    context.close()


def test_the_menu_of_a_phone_opens_and_closes_by_keyboard(chrome: Any, stage: Stage) -> None:
    context = signed_in(chrome, stage, "viewer", viewport=browser.PHONE)
    page = context.new_page()
    page.goto(stage[0] + "/")
    assert not page.is_visible("#nav")
    page.focus(".menu")
    page.keyboard.press("Enter")
    assert page.is_visible("#nav") and page.get_attribute(".menu", "aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not page.is_visible("#nav")
    context.close()


def test_without_script_everything_is_still_there(chrome: Any, stage: Stage) -> None:
    context = signed_in(chrome, stage, "viewer", viewport=browser.PHONE, java_script_enabled=False)
    page = context.new_page()
    page.goto(stage[0] + "/")
    assert page.is_visible("#nav")
    page.click("#nav >> text=Fleet")
    assert page.is_visible("#table-devices")
    context.close()
