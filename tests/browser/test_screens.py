"""Every state at both kiosk sizes in all three languages, upright and on a phone: nothing cut off, nothing too small,
nothing untranslated, nothing axe-core objects to, nobody else asked, and a way on from everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.browser.looking import axe, faults, foreign_words
from tests.browser.screens import FARMER, ONLY_KIOSK, SIZES, TECHNICIAN, browsing, show
from tests.browser.stage import KIOSK, PHONE, Stage

from pikvani_device.web.catalogue import LOCALES

pytestmark = pytest.mark.needs_chromium
ALL = [*((size, locale) for size in SIZES for locale in LOCALES)]
FEW = [("800x480", "mr-IN"), ("1024x600", "hi-IN"), ("800x480", "en-IN"), ("portrait", "mr-IN"), ("phone", "hi-IN")]
LOOKED_AT_BY_AXE = ALL if os.environ.get("PIKVANI_ALL_SCREENS") else [FEW[0], FEW[-1]]
COMBINATIONS = ALL if os.environ.get("PIKVANI_ALL_SCREENS") else FEW
"""Both kiosk sizes and all languages; every size in every language where PIKVANI_ALL_SCREENS is set."""


@pytest.mark.parametrize(("size", "locale"), COMBINATIONS)
def test_given_every_screen_then_a_person_finds_no_fault_with_it(
    chromium, stage: Stage, pictures: Path | None, size: str, locale: str
) -> None:
    asked: list[str] = []
    wrong: list[str] = []
    with browsing(chromium, stage, size, locale, asked) as asker:
        page = asker.context.new_page()
        for screen in (*FARMER, *TECHNICIAN):
            if size == "phone" and screen.name in ONLY_KIOSK:
                continue
            show(asker, page, screen)
            farmer = screen not in TECHNICIAN
            found = faults(page, kiosk=size in ("800x480", "1024x600"), scrolls=screen.scrolls, farmer=farmer)
            found += axe(page) if (size, locale) in LOOKED_AT_BY_AXE else []
            found += [f"foreign: {word}" for word in foreign_words(page, locale)]
            wrong += [f"{screen.name}: {fault}" for fault in found]
            if pictures:
                page.screenshot(path=pictures / f"{size}-{locale}-{screen.name}.png")
    assert not wrong, "\n".join(wrong)
    strangers = {urlsplit(url).hostname for url in asked if not url.startswith(("blob:", "data:"))} - {KIOSK, PHONE}
    assert not strangers
