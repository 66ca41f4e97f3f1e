"""Advice, speech and prompts travel as the model does: signed, tried, switched by one rename, watched, taken back."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.device.conftest import write_sample_package
from tests.device.update.conftest import CountingFetcher
from tests.device.voice.test_speaking import opus, write_pack
from tests.support.tuf_repository import TufRepository

from pikvani_contract.messages import UpdateOrder, UpdateReport
from pikvani_contract.model.packing import package_target, packed_bytes
from pikvani_contract.packages import kind_of, load_any
from pikvani_contract.samples import case_body
from pikvani_contract.wire import pack, unpack_body
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.app import Device
from pikvani_device.app import update as app_update
from pikvani_device.app.advice import shipped_advice
from pikvani_device.app.parts import engines
from pikvani_device.app.update import order_fact
from pikvani_device.app.voice import shipped_speech
from pikvani_device.config import load_config
from pikvani_device.update.state import Phase


class Home:
    """One device on fake models, and the repository beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.repository = TufRepository(folder / "repository", now=datetime.now(UTC).replace(microsecond=0))
        (folder / "root.json").write_bytes(self.repository.first_root)
        birth = write_sample_package(folder / "birth", version="1.0.0")
        self.config = folder / "device.toml"
        self.config.write_text(
            f'[device]\ndata_dir = "{folder / "data"}"\n[model]\ndir = "{birth}"\n[runtime]\nadapter = "fake"\n'
            f'[update]\nsource = "directory"\ndirectory = "{self.repository.folder}"\nroot = "{folder / "root.json"}"\n'
            "watch_cases = 3\n"
        )
        self.device = Device(load_config(self.config))

    def release(self, package: Path) -> None:
        loaded = load_any(package)
        path = package_target(loaded.manifest.name, loaded.manifest.version)
        target = self.repository.add_target(path, packed_bytes(loaded))
        target.unrecognized_fields["custom"] = {"stage": "production"}
        self.repository.publish_all()

    def run(self, name: str) -> tuple[Phase, str]:
        state = engines(self.device)[name].run()
        return state.phase, state.reason

    def told(self) -> list[UpdateReport]:
        store = self.device.store
        waiting = [w for w in store.waiting() if w.lane.name == "UPDATE"]
        found = [unpack_body(r) for w in waiting for r in store.records_after(w, 0, 99)]
        return [body for body in found if isinstance(body, UpdateReport)]


@pytest.fixture
def home(tmp_path: Path):
    home = Home(tmp_path)
    yield home
    home.device.close()


def revised(source: Path, folder: Path, version: str, change: Callable[[Path], None] = lambda folder: None) -> Path:
    """A package as its makers would bring it out next, changed by `change`, its manifest in order again."""
    shutil.copytree(source, folder)
    change(folder)
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    manifest["version"] = version
    for entry in manifest["files"]:
        data = (folder / entry["path"]).read_bytes()
        entry |= {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def keep_rows(share: float) -> Callable[[Path], None]:
    """Leaves out conditions of an advice package, all their rows."""

    def change(folder: Path) -> None:
        with (folder / "advice.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        pairs = sorted({row["pair"] for row in rows})
        kept = set(pairs[: max(1, int(len(pairs) * share))])
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for row in rows if row["pair"] in kept)
        (folder / "advice.csv").write_text(out.getvalue())

    return change


def test_given_better_advice_then_it_is_tried_told_and_kept_once_farmers_were_served_beside_it(home: Home) -> None:
    home.release(revised(shipped_advice(), home.folder / "advice", "9.0.0"))
    pair = home.device._advice_room.symptoms().pairs[0]  # type: ignore[union-attr]
    assert home.run("advice")[0] == Phase.WATCHING
    assert engines(home.device)["advice"].active().manifest.version == "9.0.0"
    told = home.device._advice_room._load()
    assert told is not None and told[1].package.manifest.version == "9.0.0"
    assert home.device.advice(pair, "mr-IN") is not None

    assert home.run("advice")[0] == Phase.WATCHING, "nobody was served yet"
    for _ in range(3):
        home.device.store.record_case(case_body(random.Random(1)))
    assert home.run("advice")[0] == Phase.COMMITTED
    assert [(r.what, r.package, r.version) for r in home.told()] == [
        ("watching", "advice", "9.0.0"),
        ("committed", "advice", "9.0.0"),
    ]
    assert home.device.updates().state.phase == Phase.IDLE, "the model has steps of its own"


def test_given_advice_that_falls_silent_on_most_conditions_then_its_self_test_fails(home: Home) -> None:
    home.release(revised(shipped_advice(), home.folder / "advice", "9.0.0", keep_rows(0.3)))
    phase, reason = home.run("advice")
    assert (phase, "silent on" in reason) == (Phase.IDLE, True), reason
    assert engines(home.device)["advice"].active().manifest.version != "9.0.0"


def test_given_a_signed_package_that_breaks_the_rules_of_its_kind_then_it_never_takes_a_slot(home: Home) -> None:
    def lie(folder: Path) -> None:
        (folder / "sources.csv").write_text((folder / "sources.csv").read_text().split("\n", 1)[0] + "\n")

    folder = revised(shipped_advice(), home.folder / "advice", "9.0.0", lie)
    target = home.repository.add_target(package_target("advice", "9.0.0"), _tar(folder))
    target.unrecognized_fields["custom"] = {"stage": "production"}
    home.repository.publish_all()
    phase, reason = home.run("advice")
    assert (phase, "not the package it says it is" in reason) == (Phase.IDLE, True), reason
    assert home.device.advice("cotton/leaf_curl", "mr-IN") is not None


def test_given_a_package_of_another_kind_under_this_name_then_it_is_refused(home: Home) -> None:
    target = home.repository.add_target(package_target("advice", "9.0.0"), packed_bytes(load_any(shipped_speech())))
    target.unrecognized_fields["custom"] = {"stage": "production"}
    home.repository.publish_all()
    phase, reason = home.run("advice")
    assert (phase, "refused" in reason) == (Phase.IDLE, True), reason


def test_given_a_speech_package_then_its_network_is_run_before_it_listens_and_failures_send_it_back(home: Home) -> None:
    home.release(revised(shipped_speech(), home.folder / "speech", "9.0.0"))
    before = home.device.voice.package.manifest.version
    assert home.run("speech")[0] == Phase.WATCHING
    home.device.voice.ear("mr")
    assert home.device.voice.package.manifest.version == "9.0.0"
    for _ in range(5):
        home.device.count_failure("speech@9.0.0")
    assert home.run("speech")[0] == Phase.ROLLED_BACK
    home.device.voice.ear("mr")
    assert home.device.voice.package.manifest.version == before


def test_given_a_speech_network_that_does_not_run_then_nothing_changes(home: Home) -> None:
    def break_it(folder: Path) -> None:
        (folder / "model.onnx").write_bytes(b"no network")

    home.release(revised(shipped_speech(), home.folder / "speech", "9.0.0", break_it))
    phase, reason = home.run("speech")
    assert (phase, "failed its self-test" in reason) == (Phase.IDLE, True), reason


@pytest.mark.parametrize(("sound", "phase"), [(opus(500), Phase.WATCHING), (b"no sound at all", Phase.IDLE)])
def test_given_a_prompt_pack_then_every_clip_is_played_before_it_speaks(home: Home, sound: bytes, phase: Phase) -> None:
    pack_folder = write_pack(home.folder / "pack", hello=("नमस्कार", sound))
    home.release(pack_folder)
    assert home.run("prompts-mr")[0] == phase
    said = home.device.voice.speaker._packs.get("mr-IN")
    assert (said is not None and said.clip("hello", "नमस्कार") is not None) == (phase == Phase.WATCHING)


def test_given_five_packages_then_the_repository_is_asked_once_and_trouble_is_told_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.repository.publish_all()
    fetcher = CountingFetcher(DirectoryFetcher(home.repository.folder))
    monkeypatch.setattr(app_update, "build_fetcher", lambda *_: fetcher)
    found = engines(home.device)
    for engine in found.values():
        engine.run()
    assert len(found) == 6
    assert [path for path, _ in fetcher.asked].count("metadata/timestamp.json") == 1

    (home.repository.folder / "metadata" / "timestamp.json").write_text("{}")
    fetcher.asked.clear()
    for engine in engines(home.device).values():
        engine.run()
    assert [path for path, _ in fetcher.asked].count("metadata/timestamp.json") == 1
    assert [report.what for report in home.told()] == ["failed"]


def test_given_an_order_about_a_part_then_only_that_part_obeys(home: Home) -> None:
    folder = revised(shipped_advice(), home.folder / "advice", "9.0.0")
    home.release(folder)
    home.config.write_text(home.config.read_text() + 'follow = "orders"\n')
    home.device.close()
    home.device = Device(load_config(home.config))
    assert home.run("advice")[0] == Phase.IDLE
    digest = hashlib.sha256(packed_bytes(load_any(folder))).digest()
    order = UpdateOrder(1, 7, "take", "advice", "9.0.0", digest)
    home.device.store.set_fact(order_fact("advice"), pack(order).hex())
    assert {name: engine.run().phase for name, engine in engines(home.device).items()}["advice"] == Phase.WATCHING
    assert home.device.updates().state.order == 0


def test_given_what_an_order_names_answers_already_then_the_centre_hears_so(home: Home) -> None:
    version = engines(home.device)["advice"].active().manifest.version
    home.device.store.set_fact(
        order_fact("advice"), pack(UpdateOrder(1, 7, "take", "advice", version, bytes(32))).hex()
    )
    engines(home.device)["advice"].obey()
    assert [(r.what, r.package, r.version, r.order) for r in home.told()] == [("committed", "advice", version, 7)]


def test_every_kind_is_told_by_its_manifest(home: Home) -> None:
    pack_folder = write_pack(home.folder / "pack", hello=("नमस्कार", opus(500)))
    kinds = [kind_of(place) for place in (shipped_advice(), shipped_speech(), pack_folder, home.folder / "birth")]
    assert kinds == ["advice", "speech", "prompts", "model"]
    (home.folder / "odd").mkdir()
    (home.folder / "odd" / "manifest.json").write_bytes(msgspec.json.encode({"kind": "kernel"}))
    with pytest.raises(Exception, match="of no kind"):
        kind_of(home.folder / "odd")


def _tar(folder: Path) -> bytes:
    import tarfile

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, file.name)
    return out.getvalue()
