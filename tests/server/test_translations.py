"""Every text of the pages in every language, with the same places for what is filled in."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest
from tests.support import centre

from pikvani_server.admin.catalogue import LOCALES, catalogue, translated
from pikvani_server.admin.districts import TILES
from pikvani_server.store import Store

ADMIN = Path(str(resources.files("pikvani_server.admin")))
MARKED = re.compile(r"""\b(?:t|N_)\(\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""")
OTHERS = [code for code in LOCALES if code != "en"]


def texts() -> dict[str, str]:
    """Each text with the file that says it."""
    found: dict[str, str] = {}
    for path in sorted([*ADMIN.rglob("*.py"), *ADMIN.rglob("*.html")]):
        for match in MARKED.finditer(path.read_text(encoding="utf-8")):
            found.setdefault((match[1] or match[2]).replace('\\"', '"'), path.name)
    return found


@pytest.mark.parametrize("code", OTHERS)
def test_no_text_is_missing_and_none_is_left_over_from_before(code: str) -> None:
    said = {str(message.id): str(message.string) for message in catalogue(code) if message.id}
    spoken = texts()
    assert len(spoken) > 400, "the pages' texts are not found where they were"
    missing = [f"{text!r} of {file}" for text, file in spoken.items() if not said.get(text)]
    assert not missing, "\n".join(missing)
    names = {tile.name for tile in TILES}
    assert all(said.get(name) for name in names)
    stale = [text for text in said if text not in spoken and text not in names and (len(text) > 40 or "{" in text)]
    assert not stale, "\n".join(stale)


@pytest.mark.parametrize("code", OTHERS)
def test_every_translation_fills_in_the_same_and_is_in_its_own_script(code: str) -> None:
    for message in catalogue(code):
        if message.id:
            text, said = str(message.id), str(message.string)
            assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", said)), text
            assert re.search(r"[\u0900-\u097f]", said), text
            assert "<" not in said


def test_languages_differ_where_a_person_would_notice(sqlite_store: Store) -> None:
    app = centre.build(sqlite_store)
    for code, word in (("en", "Fleet"), ("hi", "सारे यंत्र"), ("mr", "सर्व यंत्रे")):
        client = centre.client_of(app, sqlite_store, "viewer")
        page = client.get("/fleet", headers={"Accept-Language": f"{code}-IN,{code};q=0.9"}).text
        assert f'<html lang="{code}"' in page and f"<h1>{word}</h1>" in page
    assert translated("Fleet", "mr") == "सर्व यंत्रे"


def test_a_language_once_chosen_stays_whatever_the_browser_asks_for(sqlite_store: Store) -> None:
    client = centre.client_of(centre.build(sqlite_store), sqlite_store, "viewer")
    assert centre.send(client, "/preferences", language="hi", theme="dark", next="/cases").location == "/cases"
    page = client.get("/fleet", headers={"Accept-Language": "mr"}).text
    assert '<html lang="hi" data-theme="dark">' in page
    assert centre.send(client, "/preferences", language="xx", theme="dark").status_code == 400
