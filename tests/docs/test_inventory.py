"""The bill of materials and the page of licences say what the locks say; whatever is shipped has a licence."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.docs.pages import ROOT


def made(*options: str) -> str:
    return subprocess.check_output([sys.executable, "scripts/sbom.py", *options], cwd=ROOT, text=True)


@cache
def components() -> list[dict]:
    return json.loads(made())["components"]


def test_given_the_locks_then_the_bill_names_each_package_with_version_licence_and_hashes() -> None:
    named = {(each["name"], each["version"]): each for each in components()}
    for lock in ("device", "server", "provision", "models", "dev", "docs", "audit"):
        for line in (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines():
            name, equal, rest = line.partition("==")
            if not equal or line.startswith((" ", "#")):
                continue
            found = named[(name.partition("[")[0].lower(), rest.split()[0].rstrip(";\\"))]
            assert any(p["name"] == "pikvani:sha256" for p in found["properties"]), name
            assert found["licenses"][0]["expression"] != "NOASSERTION", (
                f"{name}: no licence is known; read it off the package and add it to ELSEWHERE in scripts/sbom.py"
            )


def test_given_the_shipped_packages_then_the_bill_holds_the_hash_of_each_of_their_files() -> None:
    held = {
        p["value"] for each in components() for p in each.get("properties", []) if p["name"].startswith("pikvani:file:")
    }
    leaf = json.loads((ROOT / "models/packages/leaf/manifest.json").read_text())
    assert {file["sha256"] for file in leaf["files"]} <= held


def test_given_the_same_tree_twice_then_the_same_bytes() -> None:
    assert made() == made()


def test_the_page_of_licences_is_what_the_locks_and_registries_say(tmp_path: Path) -> None:
    page = tmp_path / "licences.md"
    made("--licences", str(page))
    assert page.read_text() == (ROOT / "docs" / "licences.md").read_text(), (
        "docs/licences.md is old: scripts/sbom --licences docs/licences.md"
    )
