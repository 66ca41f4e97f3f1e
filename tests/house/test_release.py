"""A release: the same commit gives the same bytes, its wheel installs, and whoever gets it can tell it from another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.docs.pages import ROOT


def release(*options: object, passphrase: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **({"PIKVANI_RELEASE_PASSPHRASE_FILE": str(passphrase)} if passphrase else {})}
    command = [sys.executable, "scripts/release.py", *map(str, options)]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=240)


def openssl(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a key pair as docs/releasing.md makes one, and a stranger's."""
    folder = tmp_path_factory.mktemp("keys")
    (folder / "passphrase").write_text("only for this test\n")
    for name in ("release", "stranger"):
        words = ("-aes-256-cbc", "-pass", f"file:{folder / 'passphrase'}")
        assert openssl("genpkey", "-algorithm", "ed25519", *words, "-out", folder / f"{name}.pem").returncode == 0
        words = ("-passin", f"file:{folder / 'passphrase'}", "-pubout", "-out", folder / f"{name}.pub.pem")
        assert openssl("pkey", "-in", folder / f"{name}.pem", *words).returncode == 0
    return folder


@pytest.fixture(scope="module")
def made(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "release"
    done = release("--draft", "--key", keys / "release.pem", "--out", out, passphrase=keys / "passphrase")
    assert done.returncode == 0, done.stderr
    return out


def test_given_a_release_then_it_holds_wheel_sources_locks_bill_and_changes(made: Path) -> None:
    names = {file.name for file in made.iterdir()}
    assert {"SHA256SUMS", "SHA256SUMS.sig", "sbom.cdx.json", "CHANGES.md", "requirements-device.txt"} <= names
    (wheel,) = made.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {"pikvani_device/cli.py", "pikvani_server/cli.py", "pikvani_device/packages/leaf/model.tflite"} <= held
    assert json.loads((made / "release.json").read_text())["draft"] is True


def test_given_the_public_key_then_the_release_is_believed_by_us_and_by_openssl_alone(made: Path, keys: Path) -> None:
    done = release("--check", made, "--public", keys / "release.pub.pem")
    assert done.returncode == 0, done.stderr
    words = ("-inkey", keys / "release.pub.pem", "-rawin", "-in", made / "SHA256SUMS")
    done = openssl("pkeyutl", "-verify", "-pubin", *words, "-sigfile", made / "SHA256SUMS.sig")
    assert done.returncode == 0, done.stderr


def test_given_a_strangers_key_then_it_is_not_believed(made: Path, keys: Path) -> None:
    done = release("--check", made, "--public", keys / "stranger.pub.pem")
    assert done.returncode != 0 and "not signed by" in done.stderr


@pytest.mark.parametrize("harm", ["changed", "missing", "added"])
def test_given_a_file_that_is_not_what_was_signed_then_it_is_named(
    made: Path, keys: Path, tmp_path: Path, harm: str
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in made.iterdir():
        os.link(file, copy / file.name)
    (copy / "CHANGES.md").unlink()
    if harm == "changed":
        (copy / "CHANGES.md").write_text("nothing to see\n")
    elif harm == "added":
        os.link(made / "CHANGES.md", copy / "CHANGES.md")
        (copy / "extra.whl").write_bytes(b"")
    done = release("--check", copy, "--public", keys / "release.pub.pem")
    assert done.returncode != 0 and ("extra.whl" if harm == "added" else "CHANGES.md") in done.stderr


def test_given_the_same_commit_twice_then_the_same_bytes(made: Path, keys: Path, tmp_path: Path) -> None:
    done = release("--draft", "--key", keys / "release.pem", "--out", tmp_path / "r", passphrase=keys / "passphrase")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r" / "SHA256SUMS").read_text() == (made / "SHA256SUMS").read_text()


def test_given_an_unreleased_changelog_then_nothing_is_made_but_a_draft(keys: Path, tmp_path: Path) -> None:
    heading = (ROOT / "CHANGELOG.md").read_text().partition("\n## ")[2].partition("\n")[0]
    if "unreleased" not in heading:
        pytest.skip("the changelog names a day: this commit is a release")
    done = release("--key", keys / "release.pem", "--out", tmp_path / "r", passphrase=keys / "passphrase")
    assert done.returncode != 0 and "CHANGELOG.md" in done.stderr and not (tmp_path / "r").exists()


def test_given_a_wrong_passphrase_then_it_says_so_and_signs_nothing(keys: Path, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("another\n")
    out = tmp_path / "r"
    done = release("--draft", "--key", keys / "release.pem", "--out", out, passphrase=tmp_path / "wrong")
    assert done.returncode != 0 and "release.pem" in done.stderr and not (out / "SHA256SUMS.sig").exists()
