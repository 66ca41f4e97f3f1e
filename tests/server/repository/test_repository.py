"""From key ceremony to a device: the commands of the signing desk, and the device's updater reading what they wrote."""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.device.conftest import sample_manifest

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.model.manifest import DataSource, FileEntry, load_package
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.update.difference import rebuild
from pikvani_device.update.trust import TrustedRepository, plant_root
from pikvani_server.cli import cli
from pikvani_server.repository import commands, signing
from pikvani_server.repository.differences import make_difference
from pikvani_server.repository.errors import ComplianceError, SigningError
from pikvani_server.repository.packages import PackedPackage, pack

PASSPHRASE = "seven dry monsoon clouds"
Command = Callable[..., Result]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    times = [datetime.now(UTC).replace(microsecond=0)]
    monkeypatch.setattr(commands, "_now", lambda: times[-1])
    monkeypatch.setenv(commands.PASSPHRASE_VARIABLE, PASSPHRASE)
    return times


@pytest.fixture
def server(tmp_path: Path, clock: list[datetime]) -> Command:
    """Runs `pikvani-server` with `@name` for the key file of that name and `--dir` filled in for the repository."""

    def run(*words: str) -> Result:
        given = [str(tmp_path / f"{word[1:]}.pem") if word.startswith("@") else word for word in words]
        if words[0] == "repository":
            given[2:2] = ["--dir", str(tmp_path / "repository")]
        result = CliRunner().invoke(cli, given, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result

    return run


@pytest.fixture
def made(server: Command, tmp_path: Path) -> Path:
    """A repository after its key ceremony: root c stays away, only its public half is there."""
    for name in ("a", "b", "c", "targets", "snapshot", "timestamp", "new"):
        server("keys", "generate", "--out", f"@{name}")
    roles = ["--targets-key", "@targets", "--snapshot-key", "@snapshot", "--timestamp-key", "@timestamp"]
    server(
        "repository", "init", "--root-key", "@a", "--root-key", "@b", "--root-public", f"{tmp_path}/c.pem.pub", *roles
    )
    return tmp_path / "repository"


ONLINE = ("--snapshot-key", "@snapshot", "--timestamp-key", "@timestamp")


def write_package(folder: Path, content: bytes = b"not a network", version: str = "1.2.3") -> Path:
    folder.mkdir(parents=True)
    files = {"model.onnx": content, "MODEL_CARD.md": b"# what it can and cannot do\n", "golden/cases.json": b"[]"}
    entries = []
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
        entries.append(FileEntry(name, hashlib.sha256(data).hexdigest(), len(data)))
    data_sources = (DataSource("fields", "cotton", "field", "CC-BY-4.0", 10, True),)
    manifest = sample_manifest(tuple(entries), data=data_sources, version=version)
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(tmp_path / "package")


def stamp_for(package: Path, **changes: object) -> bytes:
    packed = pack(package)
    card = next(file.sha256 for file in packed.manifest.files if file.path == "MODEL_CARD.md")
    assert packed.gates, "of a model, gates are demanded"
    stamp: dict[str, object] = {
        "sha256": packed.sha256,
        "gates": dict.fromkeys(packed.gates, True),
        "model_card_sha256": card,
        "licences": ["CC-BY-4.0"],
        "data_rights": "photographs taken by us with consent",
        "approved_by": ["A. Agronomist", "B. Engineer"],
        "approved_at": "2026-11-01T10:00:00Z",
    }
    return json.dumps(stamp | changes).encode()


def device(made: Path, folder: Path, now: datetime, trust: ClockTrust = ClockTrust.SYNCED) -> TrustedRepository:
    if not folder.exists():
        plant_root(folder, (made / "metadata" / "1.root.json").read_bytes())
    moment = Moment("boot", 0, int(now.timestamp() * 1000), trust)
    looked = TrustedRepository(folder, DirectoryFetcher(made), moment)
    looked.refresh()
    return looked


def test_a_package_goes_from_folder_to_device(
    server: Command, made: Path, package: Path, clock: list[datetime], tmp_path: Path
) -> None:
    (tmp_path / "stamp.json").write_bytes(stamp_for(package))
    server(
        "repository", "add-target", str(package), "--stage", "production", "--targets-key", "@targets",
        "--stamp", str(tmp_path / "stamp.json"),
    )  # fmt: skip
    assert device(made, tmp_path / "trusted", clock[-1]).targets() == {}, "staged is not published"
    server("repository", "publish", *ONLINE)

    looked = device(made, tmp_path / "trusted", clock[-1])
    target = looked.find("packages/sample-1.2.3.tar")
    assert target is not None
    custom = target.custom
    assert (custom["package"], custom["version"], custom["stage"]) == ("sample", "1.2.3", "production")
    assert custom["stamp"]["approved_by"] == ["A. Agronomist", "B. Engineer"]
    tar = looked.download(target, tmp_path / "files")
    with tarfile.open(tar) as opened:
        opened.extractall(tmp_path / "unpacked", filter="data")
    assert load_package(tmp_path / "unpacked").manifest == load_package(package).manifest


def test_private_keys_are_encrypted_and_readable_by_their_owner_alone(made: Path, tmp_path: Path) -> None:
    for file in tmp_path.glob("*.pem"):
        assert file.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        assert file.stat().st_mode & 0o077 == 0


def test_keys_are_never_overwritten_and_weak_passphrases_refused(
    server: Command, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (tmp_path / "a.pem").read_bytes()
    with pytest.raises(SigningError, match="never overwritten"):
        server("keys", "generate", "--out", "@a")
    assert (tmp_path / "a.pem").read_bytes() == before
    assert (tmp_path / "a.pem.pub").exists()
    monkeypatch.setenv(commands.PASSPHRASE_VARIABLE, "short")
    with pytest.raises(SigningError, match="longer"):
        server("keys", "generate", "--out", "@weak")
    assert not (tmp_path / "weak.pem").exists()


def test_a_passphrase_comes_from_a_file_or_the_environment_and_a_wrong_one_opens_nothing(
    server: Command, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(commands.PASSPHRASE_VARIABLE, "not the passphrase")
    with pytest.raises(SigningError, match="check the passphrase"):
        server("repository", "refresh-timestamp", "--timestamp-key", "@timestamp")
    (tmp_path / "secret").write_text(PASSPHRASE + "\n")
    server(
        "repository", "refresh-timestamp", "--timestamp-key", "@timestamp", "--passphrase-file", f"{tmp_path}/secret"
    )
    shown = server("keys", "show", "@a", f"{tmp_path}/b.pem.pub").output.splitlines()
    assert len({line.split()[0] for line in shown}) == 2


def test_one_root_key_of_three_signs_nothing(server: Command, tmp_path: Path) -> None:
    for name in ("a", "b", "c", "targets", "snapshot", "timestamp"):
        server("keys", "generate", "--out", f"@{name}")
    publics = [word for name in "bc" for word in ("--root-public", f"{tmp_path}/{name}.pem.pub")]
    with pytest.raises(SigningError, match="devices would refuse"):
        server("repository", "init", "--root-key", "@a", *publics, "--targets-key", "@targets", *ONLINE)
    with pytest.raises(SigningError, match="all different"):
        server("repository", "init", "--root-key", "@a", "--root-key", "@b", "--targets-key", "@targets", *ONLINE)
    assert not (tmp_path / "repository").exists()


def test_the_targets_key_alone_cannot_publish_and_online_keys_alone_cannot_name_targets(
    server: Command, made: Path, package: Path
) -> None:
    with pytest.raises(SigningError, match="devices would refuse"):
        server("repository", "add-target", str(package), "--targets-key", "@snapshot")
    server("repository", "add-target", str(package), "--targets-key", "@targets")
    with pytest.raises(SigningError, match="devices would refuse"):
        server("repository", "publish", "--snapshot-key", "@targets", "--timestamp-key", "@targets")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sha256": "0" * 64}, "it is for 000000000000"),
        ({"gates": {"ECE in-source": False}}, "gate ECE in-source was not passed"),
        (
            {"gates": {"everything": True}},
            "gate macro-F1 in-source is not named; .*gate golden cases, onnx is not named",
        ),
        ({"gates": {}}, "cannot be read"),
        ({"model_card_sha256": "0" * 64}, "another MODEL_CARD.md"),
        ({"licences": ["MIT"]}, "licence CC-BY-4.0 is not listed"),
        ({"data_rights": ""}, "cannot be read"),
        ({"approved_by": []}, "cannot be read"),
        ({"approved_at": "2026-11-01T10:00:00"}, "time zone"),
        ({"surplus": 1}, "cannot be read"),
    ],
)
def test_production_is_refused_without_a_stamp_that_holds(
    changes: dict[str, object], says: str, server: Command, made: Path, package: Path, tmp_path: Path
) -> None:
    (tmp_path / "stamp.json").write_bytes(stamp_for(package, **changes))
    words = ["repository", "add-target", str(package), "--stage", "production", "--targets-key", "@targets"]
    with pytest.raises(ComplianceError, match=says):
        server(*words, "--stamp", str(tmp_path / "stamp.json"))
    with pytest.raises(ComplianceError, match="needs a stamp"):
        server(*words)
    assert not (made / "staged" / "targets.json").exists()


def test_a_version_once_signed_keeps_its_bytes(server: Command, made: Path, package: Path, tmp_path: Path) -> None:
    server("repository", "add-target", str(package), "--targets-key", "@targets")
    server("repository", "add-target", str(package), "--stage", "archived", "--targets-key", "@targets")
    other = write_package(tmp_path / "other", content=b"another network")
    with pytest.raises(SigningError, match="new version"):
        server("repository", "add-target", str(other), "--targets-key", "@targets")


def test_packing_gives_the_same_bytes_wherever_it_happens(package: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(package, copy)
    (copy / "model.onnx").chmod(0o600)
    (copy / "stray.txt").write_text("not in the manifest")
    assert pack(copy).data == pack(package).data
    with tarfile.open(fileobj=io.BytesIO(pack(package).data)) as tar:
        assert tar.getnames() == ["model.onnx", "MODEL_CARD.md", "golden/cases.json", "manifest.json"]
    (copy / "model.onnx").write_bytes(b"not a networx")
    with pytest.raises(SigningError, match="differs from its hash"):
        pack(copy)


def test_a_device_follows_a_changed_root_key_and_a_changed_timestamp_key(
    server: Command, made: Path, clock: list[datetime], tmp_path: Path
) -> None:
    device(made, tmp_path / "trusted", clock[-1])
    lost = server("keys", "show", "@c").output.split()[0]
    server("repository", "rotate-root", "--root-key", "@a", "--root-key", "@b", "--remove", lost[:12],
           "--add", f"{tmp_path}/new.pem.pub")  # fmt: skip
    device(made, tmp_path / "trusted", clock[-1])

    server("keys", "generate", "--out", "@timestamp2")
    stolen = server("keys", "show", "@timestamp").output.split()[0]
    server("repository", "rotate-root", "--root-key", "@new", "--root-key", "@b", "--role", "timestamp",
           "--remove", stolen, "--add", f"{tmp_path}/timestamp2.pem.pub")  # fmt: skip
    with pytest.raises(SigningError, match="devices would refuse"):
        server("repository", "refresh-timestamp", "--timestamp-key", "@timestamp")
    server("repository", "refresh-timestamp", "--timestamp-key", "@timestamp2")
    device(made, tmp_path / "trusted", clock[-1])

    assert json.loads((tmp_path / "trusted" / "root.json").read_bytes())["signed"]["version"] == 3


@pytest.mark.parametrize("signers", [("@a",), ("@a", "@a"), ("@a", "@new"), ("@new", "@targets")], ids=str)
def test_a_root_needs_two_of_the_old_keys(
    signers: tuple[str, ...], server: Command, made: Path, tmp_path: Path
) -> None:
    lost = server("keys", "show", "@c").output.split()[0]
    words = [word for signer in signers for word in ("--root-key", signer)]
    with pytest.raises(SigningError, match="devices would refuse"):
        server("repository", "rotate-root", *words, "--remove", lost, "--add", f"{tmp_path}/new.pem.pub")
    assert not (made / "metadata" / "2.root.json").exists()


def test_a_daily_timestamp_keeps_devices_content_and_dates_them(
    server: Command, made: Path, clock: list[datetime], tmp_path: Path
) -> None:
    for _ in range(3):
        clock.append(clock[-1] + timedelta(days=20))
        server("repository", "refresh-timestamp", "--timestamp-key", "@timestamp")

    looked = device(made, tmp_path / "trusted", datetime(1970, 1, 2, tzinfo=UTC), ClockTrust.UNTRUSTED)

    assert looked.floor_ms == int(clock[-1].timestamp() * 1000)


def test_a_desk_whose_clock_went_back_signs_nothing(server: Command, made: Path, clock: list[datetime]) -> None:
    before = (made / "metadata" / "timestamp.json").read_bytes()
    clock.append(clock[-1] - timedelta(days=1))
    with pytest.raises(SigningError, match="set this clock right"):
        server("repository", "refresh-timestamp", "--timestamp-key", "@timestamp")
    assert (made / "metadata" / "timestamp.json").read_bytes() == before


@pytest.mark.parametrize("stop_before", ["targets", "snapshot", "timestamp"])
def test_a_publish_that_breaks_off_leaves_the_old_state_and_can_be_done_again(
    stop_before: str,
    server: Command,
    made: Path,
    package: Path,
    clock: list[datetime],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server("repository", "add-target", str(package), "--targets-key", "@targets")
    whole = signing.Shelf.publish

    def breaks(self: signing.Shelf, metadata: object) -> None:
        if metadata.signed.type == stop_before:  # type: ignore[attr-defined]
            raise SigningError("power cut")
        whole(self, metadata)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(signing.Shelf, "publish", breaks)
        with pytest.raises(SigningError, match="power cut"):
            server("repository", "publish", *ONLINE)
    assert device(made, tmp_path / "trusted", clock[-1]).targets() == {}

    server("repository", "publish", *ONLINE)
    assert list(device(made, tmp_path / "trusted", clock[-1]).targets()) == ["packages/sample-1.2.3.tar"]


def test_a_second_ceremony_over_a_living_repository_is_refused(server: Command, made: Path, tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="there is a repository already"):
        server("repository", "init", "--root-key", "@a", "--root-key", "@b",
               "--root-public", f"{tmp_path}/c.pem.pub", "--targets-key", "@targets", *ONLINE)  # fmt: skip


def test_a_device_rebuilds_a_new_version_from_its_old_one_and_a_small_difference(
    server: Command, made: Path, clock: list[datetime], tmp_path: Path
) -> None:
    weights = random.Random(1).randbytes(300_000)
    old = write_package(tmp_path / "old", weights, "1.0.0")
    new = write_package(tmp_path / "new", weights[:-2000] + random.Random(2).randbytes(2000), "1.1.0")
    for package in (old, new):
        server("repository", "add-target", str(package), "--targets-key", "@targets")
    server("repository", "add-difference", str(new), "--from", "1.0.0", "--targets-key", "@targets")
    server("repository", "publish", *ONLINE)
    looked = device(made, tmp_path / "trusted", clock[-1])

    small, whole = looked.find("differences/sample-1.0.0-to-1.1.0"), looked.find("packages/sample-1.1.0.tar")
    assert small is not None
    assert whole is not None
    assert small.length < 4000
    difference = looked.download(small, tmp_path / "files").read_bytes()
    assert rebuild(pack(old).data, difference, whole) == pack(new).data


def test_a_difference_that_saves_nothing_is_not_signed_for(
    server: Command, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = [random.Random(seed).randbytes(5000) for seed in (1, 2)]
    assert make_difference(*noise) is None
    packages = [write_package(tmp_path / v, data, v) for v, data in zip(("1.0.0", "1.1.0"), noise, strict=True)]
    with pytest.raises(SigningError, match="not signed for"):
        server("repository", "add-difference", str(packages[1]), "--from", "1.0.0", "--targets-key", "@targets")
    for package in packages:
        server("repository", "add-target", str(package), "--targets-key", "@targets")
    # Two manifests always have words in common, which a difference saves; here nothing shall.
    monkeypatch.setattr(signing, "make_difference", lambda old, new: make_difference(*noise))
    said = server("repository", "add-difference", str(packages[1]), "--from", "1.0.0", "--targets-key", "@targets")
    assert "whole file is smaller" in said.output


def test_a_package_for_two_runtimes_is_signed_whole_and_in_parts_with_a_difference_for_each(
    server: Command, made: Path, clock: list[datetime], tmp_path: Path
) -> None:
    folders = [two_runtimes(tmp_path / version, version) for version in ("1.0.0", "1.1.0")]
    for folder in folders:
        said = server("repository", "add-target", str(folder), "--targets-key", "@targets")
        assert "for devices that run onnx" in said.output and "for devices that run tflite" in said.output
    said = server("repository", "add-difference", str(folders[1]), "--from", "1.0.0", "--targets-key", "@targets")
    assert said.output.count("staged") == 2
    server("repository", "publish", *ONLINE)
    looked = device(made, tmp_path / "trusted", clock[-1])
    for runtime in ("onnx", "tflite"):
        target = looked.find(f"packages/sample-1.1.0.{runtime}.tar")
        small = looked.find(f"differences/sample-1.0.0-to-1.1.0.{runtime}")
        assert target is not None and small is not None
        difference = looked.download(small, tmp_path / "files").read_bytes()
        assert rebuild(pack(folders[0]).parts[runtime], difference, target) == pack(folders[1]).parts[runtime]


def test_advice_and_speech_are_signed_and_stamped_as_models_are(
    server: Command, made: Path, clock: list[datetime], tmp_path: Path
) -> None:
    shipped = Path(__file__).parents[3] / "models" / "packages"
    for name in ("advice", "speech"):
        packed = pack(shipped / name)
        refused = json.loads(stamp_json(packed, model_card_sha256="0" * 64))
        (tmp_path / "stamp.json").write_text(json.dumps(refused))
        with pytest.raises(SigningError, match=f"another {packed.card} was approved"):
            sign(server, shipped / name, tmp_path / "stamp.json")
        (tmp_path / "stamp.json").write_bytes(stamp_json(packed))
        sign(server, shipped / name, tmp_path / "stamp.json")
    server("repository", "publish", *ONLINE)
    targets = device(made, tmp_path / "trusted", clock[-1]).targets()
    kinds = {path.partition("-")[0]: target.unrecognized_fields["custom"]["kind"] for path, target in targets.items()}
    assert kinds == {"packages/advice": "advice", "packages/speech": "speech"}


def sign(server: Command, package: Path, stamp: Path) -> None:
    server(
        "repository", "add-target", str(package), "--stage", "production", "--targets-key", "@targets",
        "--stamp", str(stamp),
    )  # fmt: skip


def stamp_json(packed: PackedPackage, **changes: object) -> bytes:
    stamp: dict[str, object] = {
        "sha256": packed.sha256,
        "gates": {"rules": True},
        "model_card_sha256": packed.card_sha256,
        "licences": sorted(packed.licences) or ["facts from public sources"],
        "data_rights": "sources read and named",
        "approved_by": ["A. Agronomist"],
        "approved_at": "2026-11-01T10:00:00Z",
    }
    return json.dumps(stamp | changes).encode()


def two_runtimes(folder: Path, version: str) -> Path:
    write_package(folder, b"onnx" * 5000 + version.encode(), version)
    (folder / "model.tflite").write_bytes(b"lite" * 5000 + version.encode())
    told = json.loads((folder / "manifest.json").read_bytes())
    told["bindings"].append(told["bindings"][0] | {"runtime": "tflite", "file": "model.tflite"})
    data = (folder / "model.tflite").read_bytes()
    told["files"].append({"path": "model.tflite", "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder
