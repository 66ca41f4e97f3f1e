"""Wi-Fi set-up: every way it can end, the page of kiosk and phone, and what nmcli's words come to."""

from __future__ import annotations

import io
import re
import stat
from pathlib import Path
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pikvani_provision.errors import ProvisionError
from pikvani_provision.networks import words
from pikvani_provision.networks.fake import FakeNetworks
from pikvani_provision.networks.nmcli import HOTSPOT_ADDRESS, NmcliNetworks, fields, meaning
from pikvani_provision.networks.page import create_page
from pikvani_provision.networks.port import Outcome, passphrase_fits
from pikvani_provision.networks.setup import Setup
from pikvani_provision.wifi import wifi

OUTCOMES = list(Outcome.__args__)  # type: ignore[attr-defined]
KIOSK = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:8081"}
PHONE = {"REMOTE_ADDR": "10.42.77.20", "HTTP_HOST": f"{HOTSPOT_ADDRESS}:8081"}


class Browser:
    """Asks the page as a browser does, without a socket."""

    def __init__(self, setup: Setup, who: dict[str, str]) -> None:
        self._page = create_page(setup, "mr-IN", 8081, "http://127.0.0.1:8080/service/")
        self._who = who
        self.status = 0
        self.headers: dict[str, str] = {}

    def ask(self, path: str = "/", form: dict[str, str] | None = None, **more: str) -> str:
        environ: dict[str, object] = {}
        setup_testing_defaults(environ)
        where, _, query = path.partition("?")
        environ |= self._who | {"PATH_INFO": where, "QUERY_STRING": query} | more
        if form is not None:
            body = urlencode(form).encode()
            environ |= {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}

        def start(status: str, headers: list[tuple[str, str]]) -> None:
            self.status, self.headers = int(status[:3]), dict(headers)

        return b"".join(self._page(environ, start)).decode()


@pytest.fixture
def networks() -> FakeNetworks:
    return FakeNetworks({"Gram": "pik-vani-2026", "Shala": "", "Bank": "kapus-1234"}, silent={"Bank"})


# -- the network that lets one in, and those that do not ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "passphrase", "outcome"),
    [
        ("Gram", "pik-vani-2026", "joined"),
        ("Shala", "", "joined"),
        ("Gram", "pik-vani-2025", "wrong_passphrase"),
        ("Gram", "short", "bad_form"),
        ("Gram", "पीक-वाणी", "bad_form"),
        ("Nowhere", "pik-vani-2026", "not_found"),
        ("Bank", "kapus-1234", "no_address"),
    ],
)
def test_given_a_try_then_its_outcome_is_told_in_the_language_of_the_page(
    networks: FakeNetworks, name: str, passphrase: str, outcome: str
) -> None:
    setup = Setup(networks)
    page = Browser(setup, KIOSK)
    told = page.ask("/?locale=hi-IN", {"network": name, "passphrase": passphrase})
    assert page.status == 202 and 'http-equiv="refresh"' in told
    setup.wait(5)
    for locale in words.LOCALES:
        assert words.say(outcome, locale, name) in page.ask(f"/?locale={locale}")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_given_any_outcome_then_it_says_what_to_do_in_marathi_hindi_and_english(outcome: str) -> None:
    said = [words.say(outcome, locale, "Gram") for locale in words.LOCALES]
    assert len(set(said)) == 3
    assert all(re.search("[\u0900-\u097f]", sentence) for sentence in said[:2])
    assert outcome == "joined" or all(sentence.count(".") >= 1 and len(sentence) > 25 for sentence in said)


def test_given_every_sentence_then_its_places_are_the_same_in_every_language() -> None:
    for key, said in words.WORDS.items():
        assert len({tuple(re.findall(r"\{\w+\}", sentence)) for sentence in said}) == 1, key


# -- who may ask --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "who",
    [
        {"REMOTE_ADDR": "192.168.1.7", "HTTP_HOST": "192.168.1.9:8081"},
        {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "evil.example:8081"},
        {"REMOTE_ADDR": "::1", "HTTP_HOST": "127.0.0.1:8081"},
        PHONE,
    ],
)
def test_given_somebody_who_is_neither_here_nor_on_our_hotspot_then_nothing_is_told(
    networks: FakeNetworks, who: dict[str, str]
) -> None:
    page = Browser(Setup(networks), who)
    assert "Gram" not in page.ask() and page.status == 403
    page.ask("/", {"network": "Gram", "passphrase": "pik-vani-2026"})
    assert page.status == 403 and not networks.joined


def test_given_a_form_of_another_page_then_it_is_refused(networks: FakeNetworks) -> None:
    page = Browser(Setup(networks), KIOSK)
    page.ask("/", {"network": "Shala", "passphrase": ""}, HTTP_ORIGIN="http://evil.example")
    assert page.status == 403 and not networks.joined


def test_given_a_body_without_end_then_it_is_refused(networks: FakeNetworks) -> None:
    page = Browser(Setup(networks), KIOSK)
    page.ask("/", {"network": "Gram", "passphrase": "x" * 3_000})
    assert page.status == 413


def test_given_a_network_with_a_hostile_name_then_the_page_shows_letters(networks: FakeNetworks) -> None:
    networks.passphrases = {'"><script>alert(1)</script>': "pik-vani-2026"}
    shown = Browser(Setup(networks), KIOSK).ask()
    assert "<script>alert" not in shown and "&lt;script&gt;" in shown


# -- the phone ----------------------------------------------------------------------------------------------------


def test_given_a_phone_when_its_try_fails_then_the_same_hotspot_is_back_and_says_why(networks: FakeNetworks) -> None:
    setup = Setup(networks)
    kiosk, phone = Browser(setup, KIOSK), Browser(setup, PHONE)
    shown = kiosk.ask("/hotspot?locale=en-IN", {"on": "1"})
    assert setup.hotspot and setup.hotspot.passphrase in shown and "data:image/svg" in shown
    before = setup.hotspot
    phone.ask("/?locale=en-IN", {"network": "Gram", "passphrase": "pik-vani-2025"})
    setup.wait(5)
    assert networks.own == "Pikvani" and setup.hotspot == before
    assert words.say("wrong_passphrase", "en-IN", "Gram") in phone.ask("/?locale=en-IN")
    phone.ask("/?locale=en-IN", {"network": "Gram", "passphrase": "pik-vani-2026"})
    setup.wait(5)
    assert networks.joined == "Gram" and setup.hotspot is None
    assert phone.ask() is not None and phone.status == 403, "the hotspot is gone, and so is the phone's way in"


def test_given_a_phone_on_the_hotspot_then_it_cannot_switch_it_off(networks: FakeNetworks) -> None:
    setup = Setup(networks)
    Browser(setup, KIOSK).ask("/hotspot", {"on": "1"})
    Browser(setup, PHONE).ask("/hotspot", {"off": "1"})
    assert setup.hotspot is not None


def test_given_the_kiosk_then_it_has_keys_and_a_way_back_and_the_phone_has_neither(networks: FakeNetworks) -> None:
    setup = Setup(networks)
    kiosk = Browser(setup, KIOSK)
    assert 'id="keys"' in kiosk.ask() and "/service/" in kiosk.ask()
    assert "getElementById" in kiosk.ask("/keys.js") and kiosk.headers["Content-Type"].startswith("text/javascript")
    kiosk.ask("/hotspot", {"on": "1"})
    assert 'id="keys"' not in Browser(setup, PHONE).ask()


def test_given_a_board_without_a_radio_then_the_page_says_what_to_plug_in() -> None:
    setup = Setup(FakeNetworks(broken="no_radio"))
    kiosk = Browser(setup, KIOSK)
    assert words.say("no_radio", "mr-IN") in kiosk.ask()
    assert words.say("no_radio", "mr-IN") in kiosk.ask("/hotspot", {"on": "1"})


# -- nmcli --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said", "outcome"),
    [
        (0, "Device 'wlan0' successfully activated", "joined"),
        (4, "Error: Connection activation failed: Secrets were required, but not provided.", "wrong_passphrase"),
        (10, "Error: No network with SSID 'Gram' found.", "not_found"),
        (4, "Error: Connection activation failed: IP configuration could not be reserved", "no_address"),
        (10, "Error: No Wi-Fi device found.", "no_radio"),
        (4, "Error: Failed to add/activate new connection: Not authorized to control networking.", "not_allowed"),
        (8, "Error: NetworkManager is not running.", "no_service"),
        (3, "Error: Timeout 60 sec expired.", "timed_out"),
        (4, "Error: something new", "failed"),
    ],
)
def test_given_nmclis_words_then_their_meaning(code: int, said: str, outcome: str) -> None:
    assert meaning(code, said) == outcome


@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\n"), max_size=12), min_size=1, max_size=5))
def test_given_any_fields_then_a_terse_line_is_taken_apart_as_it_was_put_together(parts: list[str]) -> None:
    line = ":".join(part.replace("\\", "\\\\").replace(":", "\\:") for part in parts)
    assert fields(line) == parts


@pytest.mark.parametrize(
    ("passphrase", "fits"), [("a" * 8, True), ("a" * 63, True), ("a" * 64, True), ("g" * 64, False), ("a" * 7, False)]
)
def test_given_a_passphrase_then_wpas_own_rule_holds(passphrase: str, fits: bool) -> None:
    assert passphrase_fits(passphrase) is fits


NMCLI = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
  *"wifi list"*) printf '*:80:WPA2:Gram\\n :40::Shala\\n :70:WPA2:Gram\\n :20:WPA2:Dukan\\\\:1\\n' ;;
  *"wifi connect"*) read -r given; [ "$given" = pik-vani-2026 ] && exit 0
    echo "Error: Connection activation failed: Secrets were required, but not provided. $given" >&2; exit 4 ;;
esac
"""


@pytest.fixture
def nmcli(tmp_path: Path) -> NmcliNetworks:
    program = tmp_path / "nmcli"
    program.write_text(NMCLI.format(log=tmp_path / "log"))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return NmcliNetworks(str(tmp_path))


def test_given_nmcli_then_networks_are_listed_once_each(nmcli: NmcliNetworks) -> None:
    assert [(n.name, n.percent, n.locked, n.joined) for n in nmcli.scan()] == [
        ("Gram", 80, True, True),
        ("Shala", 40, False, False),
        ("Dukan:1", 20, True, False),
    ]


def test_given_a_wrong_passphrase_then_it_stands_on_no_command_line_and_the_profile_is_gone(
    nmcli: NmcliNetworks, tmp_path: Path
) -> None:
    result = nmcli.join("Gram", "pik-vani-2025")
    assert result.outcome == "wrong_passphrase" and "pik-vani-2025" not in result.detail
    assert nmcli.join("Gram", "pik-vani-2026").outcome == "joined"
    log = (tmp_path / "log").read_text()
    assert "pik-vani" not in log and "connection delete pikvani Gram" in log


def test_given_no_nmcli_then_one_line_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match="apt install network-manager"):
        NmcliNetworks(str(tmp_path)).scan()


def test_given_the_commands_then_they_work_without_a_radio() -> None:
    run = CliRunner()
    listed = run.invoke(wifi, ["--networks", "fake", "list"])
    assert "Gram Panchayat" in listed.output and "open  Shala" in listed.output
    joined = run.invoke(wifi, ["--networks", "fake", "join", "Gram Panchayat"], input="pik-vani-2026\n")
    assert joined.exit_code == 0 and "Gram Panchayat" in joined.output
    wrong = run.invoke(wifi, ["--networks", "fake", "join", "Dukan", "--locale", "hi-IN"], input="nope-nope\n")
    assert "ग़लत" in str(wrong.exception)
    assert re.search(r"Pikvani: \w{10}\n", run.invoke(wifi, ["--networks", "fake", "hotspot"]).output)
