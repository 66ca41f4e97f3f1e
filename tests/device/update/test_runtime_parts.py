"""A device fetches the model it runs and no other: the same package, half the bytes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from tests.device.conftest import sample_manifest
from tests.device.update.village import Village

from pikvani_contract.messages import UpdateOrder
from pikvani_contract.model import manifest as m
from pikvani_contract.model.packing import (
    PackageFile,
    difference_target,
    package_of_target,
    package_target,
    packed_bytes,
    runtimes_packed,
)
from pikvani_device.update import surroundings
from pikvani_device.update.engine import Engine
from pikvani_device.update.offers import offers
from pikvani_device.update.state import Phase
from pikvani_server.repository.differences import make_difference
from pikvani_server.repository.packages import pack, part_of


def both(folder: Path, version: str, mark: bytes = b"") -> Path:
    """A package with models for two runtimes."""
    folder.mkdir(parents=True)
    files = {
        "model.onnx": b"onnx" * 20_000 + mark,
        "model.tflite": b"lite" * 20_000 + mark,
        "MODEL_CARD.md": b"# card\n",
    }
    entries = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        entries.append(m.FileEntry(name, hashlib.sha256(data).hexdigest(), len(data)))
    manifest = sample_manifest(tuple(entries), version=version)
    other = msgspec.structs.replace(manifest.bindings[0], runtime="tflite", file="model.tflite")
    manifest = msgspec.structs.replace(manifest, bindings=(*manifest.bindings, other))
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


class Fleet(Village):
    """A device born with both models, that runs one."""

    runtime = "onnx"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.birth = m.load_package(both(folder / "both-1.0.0", "1.0.0"))

    def engine(self) -> Engine:
        return Engine(self.folder / "device", self.birth, self, self.rules, self._fits, runtime=self.runtime)

    def _fits(self, package: m.Package) -> str:
        return "" if any(b.runtime == self.runtime for b in package.manifest.bindings) else f"no {self.runtime}"

    def offer(self, version: str, with_difference: bool = True, stage: str = "production") -> bytes:
        """Sign as the desk does; the hash of the whole."""
        packed = pack(both(self.folder / f"both-{version}", version, version.encode()))
        whole = self.repository.add_target(packed.target_path, packed.data)
        whole.unrecognized_fields["custom"] = {"stage": stage}
        for runtime, data in packed.parts.items():
            self.repository.add_target(package_target("sample", version, runtime), data)
            if with_difference:
                old = part_of(packed_bytes(self.birth), runtime)
                made = make_difference(old, data)
                assert made is not None
                path = difference_target("sample", "1.0.0", version, runtime)
                custom = {"base_sha256": hashlib.sha256(old).hexdigest()}
                self.repository.add_target(path, made).unrecognized_fields["custom"] = custom
        self.repository.publish_all()
        return hashlib.sha256(packed.data).digest()

    def fetched(self) -> list[str]:
        return [path.split(".", 1)[1] for path, _ in self.fetcher.asked if path.startswith("targets/")]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def test_the_part_for_a_runtime_is_a_package_of_its_own_and_its_own_part(tmp_path: Path) -> None:
    package = m.load_package(both(tmp_path / "p", "1.0.0"))
    assert runtimes_packed(package.manifest) == ("onnx", "tflite")
    part = packed_bytes(package, "onnx")
    assert len(part) < 0.6 * len(packed_bytes(package))
    assert part_of(packed_bytes(package), "onnx") == part == part_of(part, "onnx")
    with pytest.raises(m.PackageError, match="no model for runtime tensorrt"):
        packed_bytes(package, "tensorrt")


def test_names_of_parts_say_what_they_are() -> None:
    assert package_of_target(package_target("leaf", "1.2.3", "tflite")) == PackageFile("leaf", "1.2.3", "tflite")
    assert package_of_target(package_target("leaf", "1.2.3")) == PackageFile("leaf", "1.2.3", "")
    assert package_of_target("packages/leaf-1.2.3.exe.tar") is None


@pytest.mark.parametrize("runtime", ["onnx", "tflite"])
def test_given_parts_on_offer_then_only_that_of_this_runtime_is_fetched(fleet: Fleet, runtime: str) -> None:
    fleet.runtime = runtime
    fleet.offer("1.1.0", with_difference=False)
    assert fleet.engine().run().phase == Phase.WATCHING
    assert fleet.fetched() == [f"sample-1.1.0.{runtime}.tar"]
    assert [b.runtime for b in fleet.engine().active().manifest.bindings] == [runtime]


def test_given_a_device_born_with_both_models_then_the_difference_of_its_part_is_enough(fleet: Fleet) -> None:
    fleet.offer("1.1.0")
    assert fleet.engine().run().phase == Phase.WATCHING
    assert fleet.fetched() == ["sample-1.0.0-to-1.1.0.onnx"]
    assert fleet.answers() == "1.1.0"


def test_given_an_order_then_it_names_the_whole_and_the_part_is_taken(fleet: Fleet) -> None:
    fleet.rules = surroundings.Rules(watch_cases=20, by_order=True)
    digest = fleet.offer("1.1.0")
    fleet.ordered = UpdateOrder(1, 5, "take", "sample", "1.1.0", digest)
    assert fleet.engine().run().phase == Phase.WATCHING
    assert fleet.told[-1].order == 5


@pytest.mark.parametrize("stage", ["candidate", "archived"])
def test_given_a_whole_that_is_not_for_farmers_then_its_parts_are_not_either(fleet: Fleet, stage: str) -> None:
    fleet.offer("1.1.0", stage=stage)
    assert fleet.engine().run().phase == Phase.IDLE
    assert fleet.fetched() == []


def test_given_a_part_without_its_whole_then_nobody_takes_it(fleet: Fleet) -> None:
    target = fleet.repository.add_target(package_target("sample", "1.1.0", "onnx"), packed_bytes(fleet.birth, "onnx"))
    target.unrecognized_fields["custom"] = {"stage": "production"}
    fleet.repository.publish_all()
    assert offers(fleet.look().targets(), "sample", "onnx", ("production",)) == []
    assert fleet.engine().run().phase == Phase.IDLE


def test_given_a_part_that_differs_from_what_was_signed_then_it_is_refused(fleet: Fleet) -> None:
    fleet.offer("1.1.0", with_difference=False)
    for file in (fleet.folder / "repository" / "targets" / "packages").glob("*.onnx.tar"):
        file.write_bytes(file.read_bytes()[:-1] + b"!")
    state = fleet.engine().run()
    assert (state.phase, "differ from what was signed" in state.reason) == (Phase.IDLE, True)


def test_given_another_runtime_is_configured_later_then_birth_answers_and_its_part_comes(fleet: Fleet) -> None:
    fleet.offer("1.1.0")
    fleet.engine().run()
    fleet.seen("1.1.0", 20)
    assert fleet.engine().run().phase == Phase.COMMITTED
    fleet.runtime = "tflite"
    assert fleet.answers() == "1.0.0", "the slot has no model for this runtime"
    fleet.engine().run()
    assert fleet.answers() == "1.1.0"
    assert "sample-1.0.0-to-1.1.0.tflite" in fleet.fetched()


def test_given_a_whole_package_only_then_it_is_taken_whole(fleet: Fleet, tmp_path: Path) -> None:
    data = packed_bytes(m.load_package(both(tmp_path / "whole", "1.1.0")))
    fleet.repository.add_target(package_target("sample", "1.1.0"), data).unrecognized_fields["custom"] = {
        "stage": "production"
    }
    fleet.repository.publish_all()
    assert fleet.engine().run().phase == Phase.WATCHING
    assert fleet.fetched() == ["sample-1.1.0.tar"]
