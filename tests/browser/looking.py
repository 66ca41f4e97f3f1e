"""What is wrong with a page as a person sees it: words cut off, small targets, a strange script, axe's list."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

TARGET_PX = 72
_RULES = {
    "runOnly": {
        "type": "tag",
        "values": ["wcag2a", "wcag2aa", "wcag2aaa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    },
    # Off unless asked for: contrast of 7:1.
    "rules": {"color-contrast-enhanced": {"enabled": True}},
    "resultTypes": ["violations"],
}
_LOOK = Path(__file__).with_name("look.js").read_text("utf-8")


def faults(page: Page, kiosk: bool, scrolls: bool, farmer: bool = True) -> list[str]:
    """What a person would complain of; empty for a good page."""
    found: list[str] = page.evaluate(_LOOK, [TARGET_PX if farmer else 0, kiosk, scrolls])
    return found


def axe(page: Page) -> list[str]:
    """Violations axe-core finds, contrast of 7:1 included."""
    from axe_playwright_python.sync_playwright import Axe

    report = Axe().run(page, options=_RULES).response
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['any'][:1]}" for v in report["violations"]]


def foreign_words(page: Page, locale: str) -> list[str]:
    """Words in the wrong script: Latin ones on a page in Devanagari, and the other way round."""
    text: str = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter((el) => !el.closest("svg, pre, code, [lang]:not(html), .secret, .qr, dd"))
          .flatMap((el) => [...el.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent)
            .concat(["alt", "aria-label", "title"].map((a) => el.getAttribute(a) || ""))).join(" ")"""
    )
    words = text.replace("/", " ").split()
    if locale == "en-IN":
        return [word for word in words if any("\u0900" <= c <= "\u097f" for c in word)]
    allowed = {"Pikvani", "Wadi", "QR", "ICAR:", "(ICAR:", "PATH", "e-course", "CC", "http:"}
    strange = [word for word in words if any("a" <= c.lower() <= "z" for c in word)]
    return [word for word in strange if word not in allowed and "pikvani.local" not in word]
