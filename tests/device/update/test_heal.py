"""`pikvani-device update heal`: what systemd asks where the app does not start."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from pikvani_device.app import parts
from pikvani_device.cli import cli


@pytest.mark.parametrize(("phase", "goes_back"), [("watching", True), ("idle", False), ("committed", False)])
def test_given_an_app_that_does_not_start_then_only_a_model_that_is_still_watched_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, goes_back: bool
) -> None:
    asked: list[str] = []

    def roll_back(reason: str) -> SimpleNamespace:
        asked.append(reason)
        return SimpleNamespace(name="leaf", version="2.0.0", previous="1.0.0")

    engine = SimpleNamespace(state=SimpleNamespace(phase=phase), roll_back=roll_back)
    monkeypatch.setattr(parts, "engines", lambda device: {"leaf": engine})
    config = tmp_path / "device.toml"
    config.write_text(f'[device]\ndata_dir = "{tmp_path / "data"}"\n')
    done = CliRunner().invoke(cli, ["--config", str(config), "update", "heal"])
    assert done.exit_code == 0, done.output
    assert (asked == ["the app did not start with it"]) == goes_back
    assert ("gave way to 1.0.0" in done.output) == goes_back
