"""A wheel takes along the prompt packs that were made in its checkout."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def hook(root: Path) -> Any:
    spec = importlib.util.spec_from_file_location("wheel_voices", ROOT / "scripts" / "wheel_voices.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PromptPacks(str(root), {}, None, None, "", "wheel")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """One pack that is whole, and one whose rendering was cut off before its manifest."""
    for name, file in (("prompts-mr", "manifest.json"), ("prompts-hi", "clips.bin")):
        folder = tmp_path / "models" / "packages" / name
        folder.mkdir(parents=True)
        (folder / file).write_bytes(b"{}")
    return tmp_path


def test_given_packs_in_the_checkout_then_the_wheel_takes_whole_ones_to_where_a_device_looks(checkout: Path) -> None:
    data: dict[str, dict[str, str]] = {"force_include": {}}
    hook(checkout).initialize("standard", data)
    pack = checkout / "models" / "packages" / "prompts-mr"
    assert data["force_include"] == {str(pack): "pikvani_device/packages/prompts-mr"}


def test_given_an_editable_install_then_nothing_is_copied(checkout: Path) -> None:
    data: dict[str, dict[str, str]] = {"force_include": {}}
    hook(checkout).initialize("editable", data)
    assert not data["force_include"]
