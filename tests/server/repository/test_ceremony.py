"""docs/key-ceremony.md is run as it stands: every command in it, in its order, with the places of a test filled in."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.server.repository.test_repository import PASSPHRASE, stamp_for, write_package

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_server.cli import cli
from pikvani_server.repository import commands

PAGE = Path(__file__).parents[3] / "docs" / "key-ceremony.md"
KEYS = ("root-a", "root-b", "root-c", "targets", "snapshot", "timestamp")
ONLINE = ("--snapshot-key", "snapshot.pem", "--timestamp-key", "timestamp.pem")
WITH = {
    "repository renew-targets": ("--dir", "repository", "--targets-key", "targets.pem"),
    "repository publish": ("--dir", "repository", *ONLINE),
    "repository refresh-timestamp": ("--dir", "repository", "--timestamp-key", "timestamp.pem"),
    "repository rotate-root": ("--dir", "repository", "--root-key", "root-a.pem", "--root-key", "root-b.pem"),
}
"""What the page leaves to who reads it: where a command is named alone, its options are those said above it."""


def said() -> list[list[str]]:
    """Commands of the page, in order, as words."""
    text = PAGE.read_text()
    found = re.findall(r"`((?:keys|repository) [a-z-]+[^`]*)`|^    (repository [^\n]*)$", text, re.MULTILINE)
    return [shlex.split(" ".join((quoted or block).split())) for quoted, block in found]


def here(words: list[str]) -> list[str]:
    """The words with the sticks' places become files of this folder."""
    return [Path(word).name if word.startswith(("/stick", "../")) else word for word in words]


def test_every_command_of_the_ceremony_works_in_the_order_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(commands.PASSPHRASE_VARIABLE, PASSPHRASE)
    package = write_package(tmp_path / "PACKAGE")
    (tmp_path / "stamp.json").write_bytes(stamp_for(package))

    def run(words: list[str]) -> str:
        result = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert result.exit_code == 0, (words, result.output)
        return result.output

    ran: list[str] = []
    for words in said():
        words, name = here(words), " ".join(words[:2])
        ran.append(name)
        if name == "keys generate":
            for key in KEYS:
                if not (tmp_path / f"{key}.pem").exists():
                    run(["keys", "generate", "--out", f"{key}.pem"])
            continue
        if words[-1] == "*.pub":
            words[-1:] = [f"{key}.pem.pub" for key in KEYS]
        if "ROLE" in words:
            for role, old in (("root", "root-c"), ("targets", "targets"), ("timestamp", "timestamp")):
                old_id = run(["keys", "show", f"{old}.pem.pub"]).split()[0]
                run(["keys", "generate", "--out", f"new-{role}.pem"])
                filled = {"A": "root-a.pem", "B": "root-b.pem", "ROLE": role, "OLD_ID": old_id}
                filled["NEW.pem.pub"] = f"new-{role}.pem.pub"
                assert "published" in run([filled.get(word, word) for word in words])
            run(["repository", "renew-targets", "--dir", "repository", "--targets-key", "new-targets.pem"])
            online = ["--snapshot-key", "snapshot.pem", "--timestamp-key", "new-timestamp.pem"]
            run(["repository", "publish", "--dir", "repository", *online])
            break
        run([*words, *WITH[name]] if len(words) == 2 else words)
    assert {"keys generate", "keys show", *(f"repository {w}" for w in ("init", "add-target", "rotate-root"))} <= set(
        ran
    )
    assert set(WITH) <= set(ran), "the page names no other commands, and none of these is missing"
    plant_root(tmp_path / "device", (tmp_path / "repository" / "metadata" / "1.root.json").read_bytes())
    moment = Moment("boot", 0, int(commands._now().timestamp() * 1000), ClockTrust.SYNCED)
    looked = TrustedRepository(tmp_path / "device", DirectoryFetcher(tmp_path / "repository"), moment)
    target = looked.find("packages/sample-1.2.3.tar")
    assert target is not None, "a device born with the first root follows the page to its end"
    assert target.custom["stage"] == "production"
