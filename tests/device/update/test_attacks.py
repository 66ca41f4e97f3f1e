"""Whatever a repository, a stick or a server in between tries: what was trusted stays, and nothing else loads."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.device.update.conftest import CountingFetcher, at
from tests.support.tuf_repository import NOW, TufRepository

from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.update.errors import ExpiredError, TrustStoreError, UnreachableError, UntrustedError
from pikvani_device.update.trust import Limits, TrustedRepository, plant_root

Look = Callable[..., TrustedRepository]


def versions(metadata_dir: Path) -> dict[str, int]:
    return {file.stem: json.loads(file.read_bytes())["signed"]["version"] for file in metadata_dir.glob("*.json")}


def test_an_honest_release_arrives(look: Look, repository: TufRepository, metadata_dir: Path, tmp_path: Path) -> None:
    repository.add_target("models/leaf.tar", b"a better model")
    repository.publish_all()

    looked = look()
    target = looked.find("models/leaf.tar")

    assert target is not None
    assert looked.download(target, tmp_path / "files").read_bytes() == b"a better model"
    assert versions(metadata_dir) == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}


def test_a_check_with_nothing_new_costs_one_small_file(look: Look, fetcher: CountingFetcher) -> None:
    look()
    fetcher.asked.clear()
    fetcher.bytes = 0

    look()

    assert fetcher.asked == [("metadata/2.root.json", 0), ("metadata/timestamp.json", 0)]
    assert fetcher.bytes <= 700


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_unsigned_metadata_is_refused(role: str, look: Look, repository: TufRepository, metadata_dir: Path) -> None:
    look()
    known = versions(metadata_dir)
    if role == "targets":
        repository.publish("targets", signers=[])
    if role != "timestamp":
        repository.publish("snapshot", signers=[] if role == "snapshot" else None)
    repository.publish("timestamp", signers=[] if role == "timestamp" else None)

    with pytest.raises(UntrustedError):
        look()
    assert versions(metadata_dir)["targets"] == known["targets"]
    assert versions(metadata_dir)[role] == known[role]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_signed_by_a_strangers_key_is_refused(
    role: str, look: Look, repository: TufRepository, metadata_dir: Path
) -> None:
    look()
    known = versions(metadata_dir)
    repository.signers[role] = [repository.signer()]
    repository.publish_all()

    with pytest.raises(UntrustedError):
        look()
    assert versions(metadata_dir)[role] == known[role]


def test_one_signature_of_two_does_not_change_the_root(
    look: Look, repository: TufRepository, metadata_dir: Path
) -> None:
    look()
    repository.give_keys("targets")
    repository.publish("root", signers=repository.signers["root"][:1])

    with pytest.raises(UntrustedError):
        look()
    assert versions(metadata_dir)["root"] == 1


def test_the_same_signature_twice_is_one_signature(look: Look, repository: TufRepository, metadata_dir: Path) -> None:
    one = repository.signers["root"][0]
    repository.publish("root", signers=[one, one])

    with pytest.raises(UntrustedError):
        look()
    assert versions(metadata_dir)["root"] == 1


def test_a_root_handed_over_by_both_old_and_new_keys_is_followed(
    look: Look, repository: TufRepository, metadata_dir: Path
) -> None:
    for _ in range(3):
        old = repository.signers["root"]
        repository.give_keys("root", 3)
        repository.publish("root", signers=old[:2] + repository.signers["root"][:2])
    repository.publish_all()

    look()
    assert versions(metadata_dir)["root"] == 4
    assert not (metadata_dir / "root.json").is_symlink()


def test_an_older_timestamp_is_refused(look: Look, repository: TufRepository, metadata_dir: Path) -> None:
    file = repository.folder / "metadata" / "timestamp.json"
    old = file.read_bytes()
    repository.publish_all()
    look()

    file.write_bytes(old)

    with pytest.raises(UntrustedError):
        look()
    assert versions(metadata_dir)["timestamp"] == 2


def test_older_targets_under_a_newer_snapshot_are_refused(
    look: Look, repository: TufRepository, metadata_dir: Path
) -> None:
    repository.publish_all()
    look()
    repository.set_version("targets", 1)
    repository.publish("targets", "snapshot", "timestamp")

    with pytest.raises(UntrustedError):
        look()
    assert versions(metadata_dir)["targets"] == 2


def test_targets_of_one_release_do_not_pass_with_the_snapshot_of_another(look: Look, repository: TufRepository) -> None:
    look()
    genuine = (repository.folder / "metadata" / "1.targets.json").read_bytes()
    repository.publish_all()
    (repository.folder / "metadata" / "2.targets.json").write_bytes(genuine)

    with pytest.raises(UntrustedError):
        look()


def test_a_frozen_repository_is_noticed_though_the_clock_says_1970(look: Look) -> None:
    """Given a device that knows the date from receipts, when its clock forgets, then old metadata still is old."""
    look()
    known_ms = int((NOW + timedelta(days=31)).timestamp() * 1000)

    with pytest.raises(ExpiredError):
        look(moment=at(NOW.replace(year=1970)), floor_ms=known_ms)


@pytest.mark.parametrize("area", ["metadata", "targets"])
def test_endless_data_is_cut_off(area: str, look: Look, repository: TufRepository, tmp_path: Path) -> None:
    target = repository.add_target("models/leaf.tar", b"x" * 1000)
    repository.publish_all()
    given = 0

    class Endless(CountingFetcher):
        def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
            nonlocal given
            if path.startswith("targets/") or (area == "metadata" and path == "metadata/timestamp.json"):
                while True:
                    given += 1024
                    yield b"x" * 1024
            yield from self.inner.fetch(path, offset)

    endless = Endless(DirectoryFetcher(repository.folder))
    with pytest.raises(UntrustedError):
        look(by=endless).download(target, tmp_path / "files")
    assert given <= Limits().timestamp_bytes + 2048
    assert not [file for file in tmp_path.glob("files/**/*") if file.is_file()]


@pytest.mark.parametrize("served", [b"a worse model!", b"a better", b"a better model and more"])
def test_a_target_that_is_not_what_was_signed_leaves_no_file(
    served: bytes, look: Look, repository: TufRepository, tmp_path: Path
) -> None:
    target = repository.add_target("models/leaf.tar", b"a better model", served=served)
    repository.publish_all()

    with pytest.raises((UntrustedError, UnreachableError)):
        look().download(target, tmp_path / "files")
    assert not [file for file in (tmp_path / "files").iterdir() if file.suffix != ".part"]


def test_a_signed_target_larger_than_the_device_takes_is_not_fetched(
    look: Look, repository: TufRepository, fetcher: CountingFetcher, tmp_path: Path
) -> None:
    target = repository.add_target("models/leaf.tar", b"x" * 1000)
    repository.publish_all()

    with pytest.raises(UntrustedError):
        look(limits=Limits(target_file_bytes=999)).download(target, tmp_path)
    assert not [path for path, _ in fetcher.asked if path.startswith("targets/")]


@pytest.mark.parametrize(
    "path", ["../../outside", "/etc/outside", "..", ".", "a/../../../outside", "%2e%2e/outside", "x" * 300, "a\x00b"]
)
def test_a_target_name_never_leads_out_of_its_folder(
    path: str, look: Look, repository: TufRepository, tmp_path: Path
) -> None:
    target = repository.add_target(path, b"data")
    repository.publish_all()

    class Obliging(CountingFetcher):
        def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
            if path.startswith("targets/"):
                yield b"data"
            else:
                yield from self.inner.fetch(path, offset)

    kept = look(by=Obliging(DirectoryFetcher(repository.folder))).download(target, tmp_path / "files")

    assert kept.parent == tmp_path / "files"
    assert kept.resolve().is_relative_to(tmp_path / "files")
    assert [file.name for file in (tmp_path / "files").iterdir()] == [kept.name]


@pytest.mark.parametrize("role", ["../timestamp", "/etc/role", "?", "#", "..", "a/b"])
def test_a_role_name_never_leads_out_of_the_metadata_folder(
    role: str, look: Look, repository: TufRepository, metadata_dir: Path, tmp_path: Path
) -> None:
    repository.delegate("targets", role, ["*"])
    repository.publish_all()
    before = {file for file in tmp_path.rglob("*") if not file.is_relative_to(metadata_dir)}

    assert look().find("missing") is None
    assert {file for file in tmp_path.rglob("*") if not file.is_relative_to(metadata_dir)} == before
    assert len(list(metadata_dir.glob("*.json"))) == 5


@pytest.mark.parametrize("later_lookups", [["b/model"], ["b/model", "a/other"]])
def test_what_one_delegator_vouches_for_does_not_pass_for_another(
    later_lookups: list[str], look: Look, repository: TufRepository
) -> None:
    """Given a role that A and B delegate to with different keys, when only A's signed it, then B finds nothing."""
    repository.delegate("targets", "A", ["a/*"])
    repository.delegate("targets", "B", ["b/*"])
    of_a = repository.delegate("A", "shared", ["*/*"])
    repository.delegate("B", "shared", ["*/*"])
    for path in ("a/model", "a/other", "b/model"):
        repository.add_target(path, b"model", role="shared")
    repository.publish("shared", signers=[of_a])
    repository.publish("A", "B", "targets", "snapshot", "timestamp")
    looked = look()

    assert looked.find("a/model") is not None
    with pytest.raises(UntrustedError):
        looked.find(later_lookups[0])
    for path in later_lookups[1:]:
        assert looked.find(path) is not None


def test_a_second_file_of_the_same_version_does_not_inherit_trust(tmp_path: Path) -> None:
    """Given no hashes in snapshot, a repository may swap a shared role between two looks; each must verify alone."""
    repository = TufRepository(tmp_path / "repository", meta_hashes=False)
    repository.delegate("targets", "A", ["a/*"])
    repository.delegate("targets", "B", ["b/*"])
    of_a = repository.delegate("A", "shared", ["*/*"])
    of_b = repository.delegate("B", "shared", ["*/*"])
    repository.add_target("a/model", b"honest", role="shared")
    repository.publish("shared", signers=[of_a])
    repository.publish("A", "B", "targets", "snapshot", "timestamp")
    plant_root(tmp_path / "trusted", repository.first_root)
    looked = TrustedRepository(tmp_path / "trusted", DirectoryFetcher(repository.folder), at(NOW))
    honest = looked.find("a/model")
    repository.add_target("a/model", b"of B alone", role="shared")
    repository.add_target("b/model", b"of B alone", role="shared")
    repository.write("shared", repository.sign("shared", [of_b]))
    assert looked.find("b/model") is not None

    with pytest.raises(UntrustedError):
        looked.find("a/model")
    assert honest is not None


def test_nested_rubbish_and_empty_files_are_refused_quietly(look: Look, repository: TufRepository) -> None:
    file = repository.folder / "metadata" / "timestamp.json"
    for rubbish in (b"", b"{}", b"null", b"[" * 16_000, b"\xff\xfe", b'{"signed": {}, "signatures": [1]}'):
        file.write_bytes(rubbish)
        with pytest.raises(UntrustedError):
            look()


def test_a_device_without_a_root_says_so(tmp_path: Path, fetcher: CountingFetcher) -> None:
    with pytest.raises(TrustStoreError, match="plant the root"):
        TrustedRepository(tmp_path, fetcher, at(NOW))


def test_damaged_files_of_trust_are_fetched_again(look: Look, metadata_dir: Path, repository: TufRepository) -> None:
    repository.publish("root")
    repository.publish_all()
    look()
    for file in (metadata_dir / "timestamp.json", metadata_dir / "snapshot.json", metadata_dir / "targets.json"):
        file.write_bytes(b"\x00" * 40)
    (metadata_dir / "root_history" / "2.root.json").write_bytes(b"")

    look()

    assert versions(metadata_dir) == {"root": 2, "timestamp": 2, "snapshot": 2, "targets": 2}
