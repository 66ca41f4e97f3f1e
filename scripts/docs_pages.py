"""A hook of MkDocs: pages that stand beside what they speak of (`models/README.md`) join the site as `from/...`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FROM = "from/"


def _named(nav: Any) -> list[str]:
    """Every address of the navigation, however deep."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [address for part in parts for address in _named(part)]


def on_files(files: Any, config: Any) -> Any:
    """Add the pages the navigation names under `from/`, and the pictures beside them."""
    from mkdocs.structure.files import File

    for address in _named(config.nav):
        if not address.startswith(FROM):
            continue
        page = ROOT / address.removeprefix(FROM)
        files.append(File.generated(config, address, content=page.read_text()))
        for picture in (page.parent / "figures").glob("*.png"):
            place = FROM + picture.relative_to(ROOT).as_posix()
            if files.get_file_from_path(place) is None:
                files.append(File.generated(config, place, abs_src_path=str(picture)))
    return files
