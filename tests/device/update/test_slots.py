"""Two slots: what answers is verified, switching is one rename, and no cut leaves a device without a model."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.device.conftest import write_sample_package

from pikvani_device.update import slots as slots_module
from pikvani_device.update.errors import UntrustedError
from pikvani_device.update.slots import Slots
from pikvani_server.repository.packages import pack


class PowerCut(BaseException):
    """Nothing catches it, as nothing catches a power cut."""


def packed(tmp_path: Path, version: str) -> Path:
    tar = tmp_path / f"{version}.tar"
    tar.write_bytes(pack(write_sample_package(tmp_path / f"package-{version}", version=version)).data)
    return tar


def version(slots: Slots) -> str | None:
    package = slots.load()
    return package.manifest.version if package else None


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """A device that answers with 1.0.0."""
    made = Slots(tmp_path / "slots")
    made.install(packed(tmp_path, "1.0.0"))
    made.activate()
    return made


def test_a_new_device_has_no_package_of_its_own(tmp_path: Path) -> None:
    assert Slots(tmp_path / "slots").load() is None


def test_an_installed_package_answers_only_once_activated_and_the_old_one_stays(slots: Slots, tmp_path: Path) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    assert version(slots) == "1.0.0"
    slots.activate()
    assert version(slots) == "1.1.0"
    slots.activate()
    assert version(slots) == "1.0.0"


def damage(tmp_path: Path, slot: str) -> None:
    (tmp_path / "slots" / slot / "model.onnx").write_bytes(b"not a networx")


def test_where_the_slot_in_use_is_damaged_the_other_answers(slots: Slots, tmp_path: Path) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    slots.activate()
    damage(tmp_path, "b")
    assert version(slots) == "1.0.0"
    shutil.rmtree(tmp_path / "slots" / "a")
    assert version(slots) is None, "nothing is sound: the package of birth must answer"


def test_what_has_not_passed_its_test_never_answers_for_a_damaged_slot(slots: Slots, tmp_path: Path) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    damage(tmp_path, "a")
    assert version(slots) is None


def test_what_was_sent_back_never_answers_for_a_damaged_slot(slots: Slots, tmp_path: Path) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    slots.activate()
    slots.activate()
    assert version(slots) == "1.0.0"
    damage(tmp_path, "a")
    assert version(slots) is None


def test_what_answers_for_a_damaged_slot_goes_on_while_the_next_is_unpacked(slots: Slots, tmp_path: Path) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    slots.activate()
    damage(tmp_path, "b")
    slots.install(packed(tmp_path, "1.2.0"))
    assert (version(slots), slots.staged_version) == ("1.0.0", "1.2.0")
    slots.activate()
    assert (version(slots), slots.staged_version) == ("1.2.0", "1.0.0")


@pytest.mark.parametrize("written", [b"", b"c", b"\xff\xfe", b"b 1.x", b"b" + bytes(512)], ids=repr)
def test_a_damaged_name_of_the_slot_lets_neither_answer_and_the_next_update_mends_it(
    written: bytes, slots: Slots, tmp_path: Path
) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    (tmp_path / "slots" / "current").write_bytes(written)
    assert version(slots) is None
    slots.install(packed(tmp_path, "1.2.0"))
    assert version(slots) is None
    slots.activate()
    assert version(slots) == "1.2.0"


def test_a_name_that_cannot_be_read_lets_neither_answer(slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "slots" / "current").unlink()
    (tmp_path / "slots" / "current").mkdir()  # the nearest thing to a bad sector
    assert version(slots) is None


def test_a_slot_named_before_versions_were_written_beside_it_answers(slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "slots" / "current").write_bytes(b"a")
    assert version(slots) == "1.0.0"


def test_a_damaged_package_is_not_activated(slots: Slots, tmp_path: Path) -> None:
    slots.install(packed(tmp_path, "1.1.0"))
    manifest = tmp_path / "slots" / "b" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b"1.1.0", b"9.9.9"))
    with pytest.raises(UntrustedError, match="not the one that was verified"):
        slots.activate()
    assert version(slots) == "1.0.0"


def _member(
    name: str, data: bytes = b"x", kind: bytes = tarfile.REGTYPE, pax: dict[str, str] | None = None
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.pax_headers = pax or {}
    info.type, info.size, info.linkname = kind, len(data) if kind == tarfile.REGTYPE else 0, "/etc/passwd"
    return info, data


@pytest.mark.parametrize(
    "lie",
    [
        _member("../outside"),
        _member("/outside"),
        _member("golden/../../outside"),
        _member("link", kind=tarfile.SYMTYPE),
        _member("pipe", kind=tarfile.FIFOTYPE),
        _member("folder", kind=tarfile.DIRTYPE),
        _member("model.onnx", b"another"),
        _member("surplus"),
        # An error of the disk is tried again at every start, for ever: none of these may look like one.
        _member("x" * 300),
        _member("."),
        _member(""),
        _member("model.onnx/under-a-file"),
        _member("golden"),
        _member("golden//twice"),
        _member("model.onnx~"),
        _member("long", pax={"path": "x" * 5_000}),
        _member("nul", pax={"path": "nul\0byte"}),
        _member("number", pax={"GNU.sparse.size": "abc"}),
        _member("sparse", pax={"GNU.sparse.map": "0,1", "GNU.sparse.size": "60000000"}),
    ],
    ids=lambda lie: lie[0].name[:20],
)
def test_a_package_that_lies_about_its_files_is_refused(
    lie: tuple[tarfile.TarInfo, bytes], slots: Slots, tmp_path: Path
) -> None:
    tar = packed(tmp_path, "1.1.0")
    with tarfile.open(tar, "a") as opened:
        opened.addfile(lie[0], io.BytesIO(lie[1]))
    with pytest.raises(UntrustedError):
        slots.install(tar)
    with pytest.raises(UntrustedError):
        slots.activate()
    assert version(slots) == "1.0.0"
    assert not list(tmp_path.rglob("outside"))


def test_a_package_whose_file_differs_from_its_manifest_is_refused(slots: Slots, tmp_path: Path) -> None:
    tar = packed(tmp_path, "1.1.0")
    tar.write_bytes(tar.read_bytes().replace(b"not a network", b"not a networx"))
    with pytest.raises(UntrustedError, match="differs from its hash"):
        slots.install(tar)
    assert version(slots) == "1.0.0"


def _cut_at(monkeypatch: pytest.MonkeyPatch, point: int) -> None:
    """Cut the power before the `point`th step that changes the disk."""
    steps = 0

    def cutting(whole: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **named: object) -> object:
            nonlocal steps
            steps += 1
            if steps == point:
                raise PowerCut
            return whole(*arguments, **named)

        return step

    monkeypatch.setattr(os, "fsync", cutting(os.fsync))
    for name in ("replace", "mkdir", "unlink", "open"):
        monkeypatch.setattr(Path, name, cutting(getattr(Path, name)))
    monkeypatch.setattr(slots_module.shutil, "rmtree", cutting(shutil.rmtree))


def test_a_power_cut_at_any_step_leaves_a_device_that_answers(slots: Slots, tmp_path: Path) -> None:
    """Given 1.0.0, when the update to 1.1.0 is cut at every step in turn, then one of the two answers, verified."""
    tar = packed(tmp_path, "1.1.0")
    after: list[str | None] = []
    for point in range(1, 200):
        folder = tmp_path / f"cut-{point}"
        shutil.copytree(tmp_path / "slots", folder)
        with pytest.MonkeyPatch.context() as patch:
            cut = Slots(folder)
            _cut_at(patch, point)
            try:
                cut.install(tar)
                cut.activate()
                done = True
            except PowerCut:
                done = False
        after.append(version(Slots(folder)))
        again = Slots(folder)
        if after[-1] == "1.0.0":
            again.install(tar)
            again.activate()
        assert version(again) == "1.1.0"
        if done:
            break

    assert len(after) > 20
    assert set(after) == {"1.0.0", "1.1.0"}
    assert after == sorted(after)
