"""A village without any link: the outbox crosses on a USB stick, and the receipt comes back on it."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.pki import Authority, Pki

from pikvani_contract.samples import case_body
from pikvani_device.adapters.clock_linux import LinuxClock
from pikvani_device.store import open_store

ID = "village-7"


def command(module: str, *words: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", f"{module}.cli", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


class Village:
    """A device with 25 cases and a certificate, a centre with its keys, and a stick between them."""

    def __init__(self, folder: Path) -> None:
        self.stick, self.centre = folder / "stick", folder / "centre"
        self.stick.mkdir()
        self.pki = Pki(folder / "pki")
        self.cert, self.key = self.pki.files(ID)
        made = command("pikvani_server", "stick-keys", "--out", folder / "keys")
        self.secret, self.public = (Path(line) for line in made.stdout.split())
        self.config = folder / "device.toml"
        self.configure(self.cert, self.key)
        store = open_store(folder / "device" / "device.sqlite3", LinuxClock())
        for _ in range(25):
            store.record_case(case_body(random.Random(1)))
        store.close()

    def configure(self, cert: Path, key: Path) -> None:
        self.config.write_text(
            f'[device]\nid = "{ID}"\ndata_dir = "{self.config.parent / "device"}"\n'
            f'[sync]\ncentre_keys = "{self.public}"\n'
            f'tls_ca = "{self.pki.ca_file}"\ntls_cert = "{cert}"\ntls_key = "{key}"\n'
        )

    def export(self) -> str:
        done = command("pikvani_device", "--config", self.config, "export", "--to", self.stick)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def bring_in(self) -> subprocess.CompletedProcess[str]:
        words = ("import", self.stick, "--data-dir", self.centre, "--keys", self.secret)
        return command("pikvani_server", *words, "--ca", self.pki.ca_file, "--crl", self.pki.crl_file)


@pytest.fixture
def village(tmp_path: Path) -> Village:
    return Village(tmp_path)


def test_given_a_stick_carried_there_and_back_then_the_outbox_is_empty_and_the_centre_has_all_once(
    village: Village,
) -> None:
    assert "25 records put on it" in village.export()
    assert village.bring_in().stdout.startswith("25 records committed, 0 were here already, 1 receipts")
    assert village.bring_in().stdout.startswith("0 records committed, 25 were here already")
    assert village.export().startswith("25 records let go by receipts on the stick, 0 records put on it")
    status = command("pikvani_device", "--config", village.config, "status", "--json")
    assert json.loads(status.stdout)["lanes"] == []


def test_given_a_stolen_device_then_its_stick_is_refused_and_nothing_of_it_is_committed(village: Village) -> None:
    stolen = village.pki.devices.issue(ID)
    village.configure(*village.pki.files(ID, stolen))
    village.export()
    village.pki.revoke(stolen)
    done = village.bring_in()
    assert done.returncode == 1 and "revoked certificate" in done.stdout
    assert "0 records committed" in done.stdout


@pytest.mark.parametrize(
    ("issue", "words"),
    [
        (lambda pki: pki.devices.issue("village-8"), "its certificate says 'village-8'"),
        (lambda pki: pki.devices.issue(ID, expired=True), "out of date"),
        (lambda pki: Authority("somebody else").issue(ID), "unknown authority"),
    ],
)
def test_given_a_certificate_that_is_not_this_devices_then_the_stick_is_refused(
    village: Village, issue, words: str
) -> None:
    village.configure(*village.pki.files("impostor", issue(village.pki)))
    village.export()
    done = village.bring_in()
    assert done.returncode == 1 and words in done.stdout and "0 records committed" in done.stdout


def test_given_a_torn_file_beside_a_good_one_then_the_good_one_is_taken(village: Village) -> None:
    village.export()
    (good,) = village.stick.glob("*.pkvi")
    (village.stick / "torn.pkvi").write_bytes(good.read_bytes()[:-7])
    done = village.bring_in()
    assert done.returncode == 1 and "torn.pkvi: refused" in done.stdout
    assert "25 records committed" in done.stdout
