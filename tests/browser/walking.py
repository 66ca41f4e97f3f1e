"""Walks the edges of the graph of pages: touches everything that can be touched, and sees where it leads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ElementHandle, Page, Request
from tests.browser.screens import LEAF, Asker, Screen, show
from tests.browser.stage import PHONE, PIN, Stage, silence
from werkzeug.exceptions import HTTPException

_EDGES = Path(__file__).with_name("edges.js").read_text("utf-8")
_TYPED = {"pin": PIN, "which": "00000000", "name": "laptop", "text": "no code"}
"""What is typed into a field before its form is sent."""
_STAYS = re.compile(r"speak|symptom:(?!unknown)|purpose:|stay")
"""Edges that lead to no other page."""
_NO_MICROPHONE = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"
"""Over plain HTTP a phone gives no page its microphone; this machine's own address is an exception."""
_LANGUAGE = re.compile(r"[a-z]{2}-IN")


@dataclass
class Walk:
    """One way through the graph.

    Attributes:
        touched: page and kind of edge: one tile stands for all of its kind.
        opened: endpoints the browser asked for because something was touched.
        wrong: edges that lead nowhere.
    """

    touched: set[tuple[str, str]] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def walk(asker: Asker, screens: Sequence[Screen]) -> Walk:
    """Touch everything on these screens, each time from the screen set up anew."""
    done, page = Walk(), asker.context.new_page()
    statuses, asked = list[int](), list[Request]()
    page.on("request", lambda request: asked.append(request))
    page.add_init_script("window.print = () => { window.printed = true; }")
    if asker.base.startswith(f"http://{PHONE}"):
        page.add_init_script(_NO_MICROPHONE)
    page.on("response", lambda r: statuses.append(r.status) if r.request.is_navigation_request() else None)
    for screen in screens:
        show(asker, page, screen)
        for edge in page.evaluate(_EDGES):
            kind = _kind(edge)
            if (screen.kind, kind) in done.touched:
                continue
            done.touched.add((screen.kind, kind))
            show(asker, page, screen)
            statuses.clear()
            asked.clear()
            _touch(page, edge)
            done.opened |= {endpoint for request in asked if (endpoint := _endpoint(asker.stage, request))}
            done.wrong += [f"{screen.name} --{edge}--> {fault}" for fault in _faults(page, screen, edge, asker.locale)]
            if bad := [status for status in statuses if status >= 400]:
                done.wrong.append(f"{screen.name} --{edge}--> {bad}")
    page.close()
    return done


def _kind(edge: str) -> str:
    return re.sub(r"^(crop|returning|symptom|digit|photo):(?!unknown|back).*", r"\1:", edge)


def _touch(page: Page, edge: str) -> None:
    element = page.evaluate_handle(_EDGES, edge).as_element()
    assert element is not None, edge
    if edge.startswith("file:"):
        leaf = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": LEAF}
        note = {"name": "a.wav", "mimeType": "audio/wav", "buffer": silence()}
        with page.expect_navigation(wait_until="load"):
            element.set_input_files([note if "note" in edge else leaf])
    elif edge == "mic" and page.evaluate("!!navigator.mediaDevices"):
        element.click()
        page.locator(".key.recording").wait_for()
        page.wait_for_timeout(200)
        with page.expect_navigation(wait_until="load"):
            page.locator(".key.recording").click()
    elif edge == "stay":
        with page.expect_response("**/stay"):
            element.click()
    elif element.get_attribute("data-print") is not None:
        element.click()
        assert page.evaluate("window.printed")
    elif _STAYS.match(edge):
        element.click(force=True)
    else:
        _fill(element)
        with page.expect_navigation(wait_until="load"):
            element.click()


def _fill(element: ElementHandle) -> None:
    form = element.evaluate_handle("el => el.form").as_element()
    for one in form.query_selector_all("input[required]") if form else []:
        one.fill(_TYPED[one.get_attribute("name") or ""])
    for one in form.query_selector_all("input[type=checkbox]") if form else []:
        one.check(force=True)


def _endpoint(stage: Stage, request: Request) -> str:
    try:
        endpoint, _ = stage.routes.bind("").match(urlsplit(request.url).path, request.method)
    except HTTPException:
        return ""
    return str(endpoint)


def _faults(page: Page, screen: Screen, edge: str, locale: str) -> list[str]:
    there = (page.locator("body").get_attribute("class") or "").split()[-1]
    found = ["a page that says it failed"] if there == "problem" and screen.kind != "problem" else []
    if there != "start" and not page.locator("nav [data-go=home]").count():
        found.append(f"{there}, and no way home")
    if there == "start" and page.locator(".language").count() != 3:
        found.append("a start without languages")
    spoken = page.locator("html").get_attribute("lang")
    if there != "start" and spoken != locale and not _LANGUAGE.fullmatch(edge):
        found.append(f"{there} in {spoken}")
    return found
