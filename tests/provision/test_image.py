"""A card's bundle: what is in it, what is never in it, and that the same inputs give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.cards import as_json, make_cards
from pikvani_device.config import parse_config
from pikvani_provision import bundle, wheels
from pikvani_provision.boards import BOARDS
from pikvani_provision.errors import ProvisionError
from pikvani_provision.image import image
from pikvani_provision.placing import begins_first_boot
from pikvani_provision.scan import scan as scan_command
from pikvani_provision.scanning import CARD_FILE, holds_any, scan
from pikvani_provision.site_file import device_toml, read_site

ROOT = Path(__file__).resolve().parents[2]
SITE = """
[centre]
broker = "centre.example:8883"
updates = "https://centre.example/updates"
[place]
locale = "hi-IN"
[web]
port = 8081
"""


def wheel(folder: Path, name: str, content: bytes = b"print()") -> Path:
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(f"{name.split('-')[0]}/__init__.py"), content)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "site.toml").write_text(SITE)
    (folder / "root.json").write_text('{"signed": {}}')
    (folder / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    return folder / "site.toml"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two locked wheels, for both processors, and this project's own."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    files = [
        wheel(folder, "alpha-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
        wheel(folder, "alpha-1.0-cp311-cp311-manylinux_2_28_aarch64.whl", b"print('arm')"),
        wheel(folder, "alpha-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", b"print('newer')"),
        wheel(folder, "beta-2.0-py3-none-any.whl"),
    ]
    wheel(folder, "pikvani-0.1.0-py3-none-any.whl")
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    lock = tmp_path / "lock.txt"
    lock.write_text(
        "alpha==1.0 ; sys_platform == 'linux' \\\n"
        + " \\\n".join(f"    --hash=sha256:{digest}" for digest in hashes[:3])
        + f"\n    # via pikvani\nbeta==2.0 \\\n    --hash=sha256:{hashes[3]}\n"
        + f"gamma==3.0 ; sys_platform == 'win32' \\\n    --hash=sha256:{'0' * 64}\n"
    )
    real = bundle.shipped()
    monkeypatch.setattr(bundle, "shipped", lambda: bundle.Shipped(real.units, lock, real.scripts))
    monkeypatch.setattr("pikvani_provision.image.shipped", bundle.shipped)
    return folder


def make(out: Path, site: Path, cache: Path, *more: str, board: str = "debian") -> str:
    arguments = ["--board", board, "--out", str(out), "--site", str(site), "--wheels", str(cache), *more]
    done = CliRunner().invoke(image, arguments)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def inside(out: Path) -> dict[str, bytes]:
    with tarfile.open(out / "pikvani" / "bundle.tar") as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_given_the_same_inputs_then_the_same_bytes(tmp_path: Path, site: Path, cache: Path) -> None:
    make(tmp_path / "one", site, cache)
    for path in cache.iterdir():
        os.utime(path, (1, 1))
    os.umask(0o077)
    try:
        make(tmp_path / "two", site, cache)
    finally:
        os.umask(0o022)
    assert bytes_of(tmp_path / "one") == bytes_of(tmp_path / "two")


@pytest.mark.parametrize("board", sorted(BOARDS))
def test_given_a_board_then_its_bundle_holds_what_a_blank_card_needs(
    tmp_path: Path, site: Path, cache: Path, board: str
) -> None:
    make(tmp_path / "out", site, cache, board=board)
    files = inside(tmp_path / "out")
    machine = BOARDS[board].machine
    assert f"wheels/alpha-1.0-cp311-cp311-manylinux_2_28_{machine}.whl" in files
    assert len([name for name in files if name.startswith("wheels/alpha")]) == 1
    assert not any("gamma" in name for name in files)
    for needed in ("units/pikvani-web.service", "units/pikvani.target", "etc/sysusers.conf", "bin/first-boot"):
        assert needed in files
    assert files["trust/root.json"] == b'{"signed": {}}'
    config = files["device.toml"].decode().replace("@DEVICE@", "village-7").replace("@MARKER@", ".pikvani-data")
    parsed = parse_config(config.encode(), "bundle")
    assert (parsed.sync.host, parsed.sync.port, parsed.web.port) == ("centre.example", 8883, 8081)
    assert parsed.device.locale == "hi-IN" and parsed.runtime.adapter == BOARDS[board].runtime
    assert parsed.update.url == "https://centre.example/updates"
    with (tmp_path / "out" / "pikvani" / "bundle.sha256").open() as sums:
        for line in sums:
            digest, _, name = line.strip().partition("  ")
            assert hashlib.sha256((tmp_path / "out" / "pikvani" / name).read_bytes()).hexdigest() == digest
    settings = files["settings.sh"].decode()
    assert f"BOARD='{board}'" in settings and "LOCALE='hi_IN.UTF-8'" in settings


def test_given_the_shipped_lock_then_every_line_of_it_is_understood_for_every_board() -> None:
    text = (ROOT / "requirements" / "device.txt").read_text()
    for board in BOARDS.values():
        names = [package.name for package in wheels.read_lock(text, board)]
        assert {"numpy", "flask", "onnxruntime", "ai-edge-litert", "cryptography"} <= set(names)
        assert len(names) == len(set(names)), "two versions of one package would be installed"


def test_given_a_wheel_that_is_not_the_locks_then_it_is_refused(tmp_path: Path, site: Path, cache: Path) -> None:
    wheel(cache, "beta-2.0-py3-none-any.whl", b"something else")
    with pytest.raises(ProvisionError, match="not the file the lock names"):
        make(tmp_path / "out", site, cache)
    (cache / "beta-2.0-py3-none-any.whl").unlink()
    with pytest.raises(ProvisionError, match=r"no wheel for x86_64 of beta 2\.0"):
        make(tmp_path / "out", site, cache)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "broker"),
        ('[centre]\nbroker = "nohost"\n', "broker"),
        ("centre = 3\n", "(?i)expected `object`"),
        ('[centre]\nbroker = "a:1"\n[place]\nwifi_country = "India"\n', "wifi_country"),
        ('[centre]\nbroker = "a:1"\npassword = "geheim123"\n', "password"),
        ("[centre\n", "not a TOML"),
        ('[centre]\nbroker = "a:1"\n["x y"]\n', "no section"),
    ],
)
def test_given_a_site_file_that_is_wrong_then_one_line_says_what(site: Path, text: str, says: str) -> None:
    site.write_text(text)
    with pytest.raises(ProvisionError, match=says) as told:
        read_site(site)
    assert str(site) in str(told.value) and "\n" not in str(told.value)


def test_given_a_site_without_its_root_of_trust_then_it_is_asked_for(site: Path) -> None:
    (site.parent / "root.json").unlink()
    with pytest.raises(ProvisionError, match=r"root\.json.*put it beside"):
        read_site(site)


# -- secrets ----------------------------------------------------------------------------------------------------


def private_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_given_two_hundred_cards_then_no_two_share_a_secret_and_no_bundle_holds_one(
    tmp_path: Path, site: Path, cache: Path
) -> None:
    cards = make_cards("kharif-26", "yavatmal", 200, datetime.now(UTC) + timedelta(days=90))
    seeds = [card.seed() for card in cards]
    assert len(set(seeds)) == 200 and len({card.device for card in cards}) == 200
    common = None
    for number, card in enumerate(cards):
        path = tmp_path / "cards" / f"{card.device}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(as_json(card))
        out = tmp_path / f"image-{number}"
        make(out, site, cache, "--card", str(path))
        found = bytes_of(out / "pikvani")
        own = found.pop(CARD_FILE)
        common = common or found
        assert found == common, "but for its claim a card is like every other"
        assert own == path.read_bytes()
        assert scan([out]) != [] and scan([out], frozenset({CARD_FILE})) == []
    texts = [card.claim.encode() for card in cards]
    for number in (0, 99, 199):
        others = [secret for other in range(200) if other != number for secret in (seeds[other], texts[other])]
        assert holds_any([tmp_path / f"image-{number}"], others) == []
        assert holds_any([tmp_path / f"image-{number}"], [texts[number]]) != []


def test_given_a_claim_that_was_used_then_it_makes_no_second_card(tmp_path: Path, site: Path, cache: Path) -> None:
    (card,) = make_cards("b", "yavatmal", 1, datetime.now(UTC))
    path = tmp_path / "card.json"
    path.write_text(json.dumps(json.loads(as_json(card)) | {"claim": ""}))
    with pytest.raises(Exception, match="holds no claim"):
        make(tmp_path / "out", site, cache, "--card", str(path))
    assert not (tmp_path / "out" / "pikvani" / CARD_FILE).exists()


@pytest.mark.parametrize(
    "secret",
    [
        private_key(),
        b"[wifi-security]\nkey-mgmt=wpa-psk\npsk=pikvani-village-7\n",
        b'[broker]\npassword = "mango-tree-9"\n',
        b"url = postgresql://pikvani:" + b"mangotree@db/pikvani\n",
        b"root:$6$abcdefgh$" + b"A" * 60 + b":19000::\n",
        b'{"claim": "' + base64.b32encode(b"\x07" * 32).rstrip(b"=") + b'"}',
    ],
    ids=["key", "wifi", "password", "address", "shadow", "claim"],
)
@pytest.mark.parametrize("wrapped", ["plain", "tar", "zip in tar"])
def test_given_a_secret_anywhere_in_a_card_then_it_is_found_and_not_repeated(
    tmp_path: Path, secret: bytes, wrapped: str
) -> None:
    data, name = b"\x00\x01 some bytes\n" + secret, "file.bin"
    if wrapped == "zip in tar":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner/file.txt", data)
        data, name = buffer.getvalue(), "x.whl"
    if wrapped != "plain":
        with tarfile.open(tmp_path / "bundle.tar", "w") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    else:
        (tmp_path / name).write_bytes(data)
    found = scan([tmp_path])
    assert len(found) == 1
    assert secret[20:40].decode("latin-1") not in str(found[0])
    done = CliRunner().invoke(scan_command, [str(tmp_path)])
    assert "looks like" in done.output and done.exception is not None


def test_given_a_secret_in_the_site_then_no_bundle_is_left(tmp_path: Path, site: Path, cache: Path) -> None:
    (site.parent / "ca.pem").write_bytes(private_key())
    with pytest.raises(ProvisionError, match="private key"):
        make(tmp_path / "out", site, cache)
    assert not (tmp_path / "out" / "pikvani").exists()


def test_given_a_file_anyone_can_download_then_its_self_test_keys_are_no_secret_of_ours(tmp_path: Path) -> None:
    (tmp_path / "library.so").write_bytes(private_key())
    digest = wheels.sha256_of(tmp_path / "library.so")
    assert scan([tmp_path]) and not scan([tmp_path], public=frozenset({digest}))


def test_given_text_about_keys_then_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("Write `-----BEGIN PRIVATE KEY-----` ... `psk=` and password = read_password()\n")
    (tmp_path / "code.py").write_text("password = options.password\ntoken = next(tokens)\n")
    assert scan([tmp_path]) == []


# -- where first boot begins ---------------------------------------------------------------------------------------

LINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=1-02 rootfstype=ext4 rootwait quiet "
    "init=/usr/lib/raspberrypi-sys-mods/firstboot"
)


def test_given_a_raspberry_pis_boot_partition_then_first_boot_is_named_once_and_what_was_there_is_kept(
    tmp_path: Path, site: Path, cache: Path
) -> None:
    out = tmp_path / "bootfs"
    out.mkdir()
    (out / "cmdline.txt").write_text(LINE + "\n")
    for _ in range(2):
        make(out, site, cache, board="rpi")
        words = (out / "cmdline.txt").read_text().split()
        assert words.count("systemd.run=/boot/firmware/pikvani/first-boot") == 1
        assert "cfg80211.ieee80211_regdom=IN" in words and "root=PARTUUID=1-02" in words
        assert not any(word.startswith("init=") for word in words), "the resizing would take the data partition's room"
    assert (out / "cmdline.before-pikvani.txt").read_text() == LINE + "\n"


@given(st.lists(st.sampled_from(["quiet", "rootwait", "systemd.run=/x", "init=/a/firstboot", "a=b"]), max_size=8))
def test_given_any_command_line_then_doing_it_twice_is_doing_it_once(words: list[str]) -> None:
    once = begins_first_boot(" ".join(words), "IN")
    assert begins_first_boot(once, "IN").split().count("systemd.unit=kernel-command-line.target") == 1
    assert [w for w in once.split() if w in ("quiet", "rootwait", "a=b")] == [
        w for w in words if w in ("quiet", "rootwait", "a=b")
    ]


def test_given_a_root_file_system_then_first_boot_begins_when_it_starts(
    tmp_path: Path, site: Path, cache: Path
) -> None:
    root = tmp_path / "root"
    for folder in ("etc", "usr"):
        (root / folder).mkdir(parents=True)
    for _ in range(2):
        make(tmp_path / "out", site, cache, "--into", str(root))
    assert (root / "opt/pikvani-card/first-boot").stat().st_mode & 0o100
    link = root / "etc/systemd/system/multi-user.target.wants/pikvani-first-boot.service"
    assert link.is_symlink() and (root / "etc/systemd/system/pikvani-first-boot.service").is_file()
    with pytest.raises(ProvisionError, match="no root file system"):
        make(tmp_path / "out", site, cache, "--into", str(tmp_path))


def test_given_the_configuration_of_a_device_then_it_is_toml_whatever_the_site_says(site: Path) -> None:
    site.write_text(SITE + '[device]\nlocale = "mr-IN"\n')
    tree = tomllib.loads(device_toml(read_site(site), "onnx", "none"))
    assert tree["device"]["locale"] == "mr-IN" and tree["device"]["data_dir"] == "/var/lib/pikvani"


# -- the scripts ----------------------------------------------------------------------------------------------------


def sector_disk(tmp_path: Path) -> Path:
    disk = tmp_path / "card.img"
    with disk.open("wb") as file:
        file.truncate(600 * 2**20)
    layout = "label: dos\n,32M,c\n,200M,83\n"
    subprocess.run(["sfdisk", "--quiet", str(disk)], input=layout, text=True, check=True, capture_output=True)
    return disk


def test_given_a_card_then_its_root_grows_and_the_rest_becomes_the_data_partition_however_often_it_is_cut(
    tmp_path: Path,
) -> None:
    if os.geteuid() != 0 or not shutil.which("sfdisk"):
        pytest.skip("needs root, for loop devices, and sfdisk: apt-get install fdisk")
    disk = sector_disk(tmp_path)
    attached = subprocess.run(
        ["losetup", "--find", "--show", "--partscan", str(disk)], capture_output=True, text=True, timeout=30
    )
    if attached.returncode:
        pytest.skip(f"no loop device to be had here: {attached.stderr.strip()}")
    loop = attached.stdout.strip()
    try:
        if not Path(f"{loop}p2").exists():
            subprocess.run(["partx", "--add", loop], capture_output=True, timeout=30)
        if not Path(f"{loop}p2").exists():
            pytest.skip("partitions of loop devices do not appear here")
        subprocess.run(["mkfs.ext4", "-q", "-F", f"{loop}p2"], check=True, capture_output=True, timeout=60)
        (tmp_path / "root").mkdir()
        mount = ["mount", f"{loop}p2", str(tmp_path / "root")]
        subprocess.run(mount, check=True, timeout=30)
        (tmp_path / "root" / "kept").write_text("through all of it")
        subprocess.run(["umount", str(tmp_path / "root")], check=True, timeout=30)
        script = ROOT / "provisioning/pikvani_provision/card/grow-card"
        for _ in range(3):
            done = subprocess.run([str(script), loop, "2", "8"], capture_output=True, text=True, timeout=120)
            assert done.returncode == 0, done.stderr
        blkid = ["blkid", "-p", "-s", "LABEL", "-o", "value", f"{loop}p3"]
        assert subprocess.run(blkid, capture_output=True, text=True).stdout.strip() == "pikvani-data"
        table = json.loads(subprocess.run(["sfdisk", "--json", loop], capture_output=True, text=True).stdout)
        parts = table["partitiontable"]["partitions"]
        assert len(parts) == 3
        sizes = [part["size"] * 512 / 2**20 for part in parts]
        assert sizes[1] > 250 and sizes[2] > 250
        subprocess.run(mount, check=True, timeout=30)
        assert shutil.disk_usage(tmp_path / "root").total > 230 * 2**20, "the file system grew with its partition"
        assert (tmp_path / "root" / "kept").read_text() == "through all of it"
    finally:
        subprocess.run(["umount", str(tmp_path / "root")], capture_output=True, timeout=30)
        for number in (1, 2, 3):
            subprocess.run(["partx", "--delete", "--nr", str(number), loop], capture_output=True, timeout=30)
        subprocess.run(["losetup", "--detach", loop], capture_output=True, timeout=30)


@pytest.mark.parametrize("name", ["first-boot", "grow-card"])
def test_given_a_script_of_the_card_then_the_shell_can_read_it(name: str) -> None:
    script = ROOT / "provisioning/pikvani_provision/card" / name
    assert subprocess.run(["sh", "-n", str(script)], timeout=30).returncode == 0
    assert script.stat().st_mode & 0o111


def test_given_a_card_that_was_written_badly_then_first_boot_says_so_and_stops(
    tmp_path: Path, site: Path, cache: Path
) -> None:
    make(tmp_path / "out", site, cache)
    card = tmp_path / "out" / "pikvani"
    with (card / "bundle.tar").open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    if os.geteuid() == 0:
        command = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs tmpfs /var/lib && {card}/first-boot"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if "unshare" in done.stderr or "mount:" in done.stderr:
            pytest.skip(f"no mount namespace to be had here: {done.stderr.strip()[:100]}")
        assert done.returncode == 1 and "STOPPED: looking whether the card was written well failed" in done.stdout
    else:
        pytest.skip("first boot needs root")
