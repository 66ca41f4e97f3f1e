"""Takes the pictures of the pages for README and docs/: the real kiosk in Chromium, a drawn leaf, an answer by order.

Run: scripts/pictures. No photograph of anybody's is in them: the camera draws its leaves.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.browser.conftest import FLAGS, find_chromium
from tests.browser.screens import FARMER, SIZES, Asker
from tests.browser.stage import KIOSK, Stage

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "pictures"
TAKEN = {
    "device": ("crop", "mr-IN"),
    "kiosk-camera": ("camera-one", "mr-IN"),
    "kiosk-symptoms": ("symptoms", "mr-IN"),
    "kiosk-answer": ("answer", "mr-IN"),
    "kiosk-answer-en": ("answer", "en-IN"),
    "kiosk-advice": ("stage-today", "en-IN"),
    "kiosk-refusal": ("answer-refuse", "en-IN"),
}
"""Name of the picture to the screen and its language."""


def main() -> None:
    """Take each picture anew at the kiosk's size."""
    screens = {screen.name: screen for screen in FARMER}
    width, height = SIZES["800x480"]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stage = Stage(Path(folder))
        # The advice of the shipped table, not the stage's longest words.
        del stage.device.advice
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS))
        for name, (screen_name, locale) in TAKEN.items():
            context = browser.new_context(viewport={"width": width, "height": height}, has_touch=True)
            asker = Asker(context, stage, f"http://{KIOSK}:{stage.port}", locale)
            screens[screen_name].arrange(asker)
            page = context.new_page()
            page.goto(asker.base + screens[screen_name].path)
            page.wait_for_load_state("load")
            page.wait_for_timeout(1_500)
            page.screenshot(path=str(PICTURES / f"{name}.png"))
            context.close()
        browser.close()
        stage.close()


if __name__ == "__main__":
    main()
