"""Everything that can be touched leads somewhere that leads on, at every size and in every language; and no page is
left that nobody can come to by touching.

`PIKVANI_ALL_SCREENS=1` walks every edge at every size in every language; without it every edge is walked once, page by
page at another size and in another language, and what a phone is shown on a phone.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache

import pytest
from tests.browser.screens import FARMER, ONLY_KIOSK, SIZES, TECHNICIAN, Screen, browsing
from tests.browser.stage import Stage
from tests.browser.walking import Walk, walk

from pikvani_device.web.catalogue import LOCALES

pytestmark = pytest.mark.needs_chromium
SCREENS = (*FARMER, *TECHNICIAN)
KINDS = tuple(dict.fromkeys(screen.kind for screen in SCREENS))
OTHERWISE_ON_A_PHONE = {"start", "crop", "camera", "photo", "listen", "history", "centre"}
FULL = bool(os.environ.get("PIKVANI_ALL_SCREENS"))
KIOSK_SIZES = ("800x480", "1024x600")
TURNS = [(size, locale) for locale in LOCALES for size in KIOSK_SIZES]
WALKS = [(size, locale) for size in SIZES for locale in LOCALES] if FULL else [*TURNS, ("phone", "hi-IN")]
FOR_PROGRAMS = {
    "api.cases", "api.diagnose", "api.healthz", "api.livez", "api.metrics", "api.openapi",
}  # fmt: skip
"""Routes no page leads to; the API's own tests ask them."""


def screens_of(size: str, locale: str) -> list[Screen]:
    """What is walked there."""
    allowed = [screen for screen in SCREENS if size != "phone" or screen.name not in ONLY_KIOSK]
    if FULL:
        return allowed
    if size == "phone":
        return [screen for screen in allowed if screen.kind in OTHERWISE_ON_A_PHONE]
    mine = KINDS[TURNS.index((size, locale)) :: len(TURNS)]
    return [screen for screen in allowed if screen.kind in mine]


@pytest.fixture(scope="session")
def walked(chromium, stage: Stage) -> Callable[[str, str], Walk]:
    """Walks once, however often it is asked."""

    @cache
    def once(size: str, locale: str) -> Walk:
        with browsing(chromium, stage, size, locale) as asker:
            return walk(asker, screens_of(size, locale))

    return once


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize(("size", "locale"), WALKS)
def test_given_every_edge_then_it_leads_somewhere_that_leads_on(
    walked: Callable[[str, str], Walk], size: str, locale: str
) -> None:
    done = walked(size, locale)
    assert not done.wrong, "\n".join(done.wrong)
    assert done.touched


@pytest.mark.timeout(1_800)
def test_given_every_route_of_the_device_then_somebody_comes_to_it_by_touching(
    walked: Callable[[str, str], Walk], stage: Stage
) -> None:
    walks = [walked(*one) for one in WALKS]
    served = {rule.endpoint for rule in stage.routes.iter_rules()}
    assert served - set().union(*(done.opened for done in walks)) == FOR_PROGRAMS
    assert len(set().union(*(done.touched for done in walks))) > 110
