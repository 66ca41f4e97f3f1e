"""Assets: whole or not at all, held against their hash, and no archive leads out of its folder."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from pikvani_device.assets import AssetError, Assets
from pikvani_device.cli import cli


def tar(path: Path, files: dict[str, bytes], link: bool = False) -> Path:
    with tarfile.open(path, "w:gz") as held:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            held.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("m/evil")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            held.addfile(info)
    return path


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_given_a_stick_with_a_list_then_all_of_it_is_installed_and_checked(tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    archive = tar(stick / "model.tar.gz", {"vosk-x/am/final.mdl": b"mdl", "vosk-x/conf/model.conf": b"c"})
    row = {"name": "vosk-x", "kind": "vosk", "version": "0.22", "file": archive.name, "sha256": sha(archive)}
    (stick / "assets.json").write_text(json.dumps([row]))
    room = Assets(tmp_path / "data" / "assets")
    assert room.installed() == [] and room.folder_of("vosk") is None
    room.install(stick)
    folder = room.folder_of("vosk")
    assert folder is not None and (folder / "am" / "final.mdl").read_bytes() == b"mdl"
    assert room.check() == []
    (folder / "conf" / "model.conf").write_bytes(b"changed")
    (folder / "am" / "final.mdl").unlink()
    assert len(room.check()) == 2
    room.install(stick)
    assert room.check() == []


def test_given_a_zip_and_its_hash_on_the_command_line_then_it_is_installed(tmp_path: Path) -> None:
    archive = tmp_path / "small.zip"
    with zipfile.ZipFile(archive, "w") as held:
        held.writestr("m/final.mdl", b"mdl")
    config = tmp_path / "device.toml"
    config.write_text(f'[device]\ndata_dir = "{tmp_path / "data"}"\n')
    run = CliRunner()
    said = run.invoke(cli, ["--config", str(config), "assets", "install", str(archive), "--sha256", sha(archive)])
    assert said.exit_code == 0, said.output
    assert "small (vosk)" in run.invoke(cli, ["--config", str(config), "assets", "list"]).output
    assert run.invoke(cli, ["--config", str(config), "assets", "check"]).exit_code == 0


@pytest.mark.parametrize(
    ("files", "link", "reason"),
    [
        ({"../out": b"x"}, False, "leads out"),
        ({"/abs": b"x"}, False, "leads out"),
        ({"m/a": b"x"}, True, "links"),
        ({}, False, "no file"),
        ({f"m/{k}": b"" for k in range(2_100)}, False, "more than"),
    ],
)
def test_given_a_hostile_archive_then_it_is_refused_and_leaves_nothing(
    tmp_path: Path, files: dict[str, bytes], link: bool, reason: str
) -> None:
    archive = tar(tmp_path / "bad.tar.gz", files, link)
    room = Assets(tmp_path / "assets")
    with pytest.raises(AssetError, match=reason):
        room.install(archive, sha(archive))
    assert room.installed() == [] and not (tmp_path / "out").exists()
    assert not any((tmp_path / "assets").rglob("content"))


@pytest.mark.parametrize(("content", "digest"), [(b"not an archive", None), (b"x", "0" * 64), (b"x", ""), (b"x", "zz")])
def test_given_a_file_that_is_not_what_was_meant_then_it_is_refused(
    tmp_path: Path, content: bytes, digest: str | None
) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(content)
    with pytest.raises(AssetError):
        Assets(tmp_path / "assets").install(archive, sha(archive) if digest is None else digest)


def test_given_an_old_install_and_a_bad_new_one_then_the_old_stays(tmp_path: Path) -> None:
    room = Assets(tmp_path / "assets")
    good = tar(tmp_path / "m.tar.gz", {"m/final.mdl": b"1"})
    room.install(good, sha(good))
    bad = tar(tmp_path / "m.tar.gz", {"m/final.mdl": b"2", "../x": b"3"})
    with pytest.raises(AssetError):
        room.install(bad, sha(bad))
    folder = room.folder_of("vosk")
    assert folder is not None and (folder / "final.mdl").read_bytes() == b"1"
