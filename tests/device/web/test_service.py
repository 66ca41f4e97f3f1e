"""The technician's page: its PIN, who is kept out, keys for programs, and what it shows."""

import io
import re
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from msgspec.structs import replace

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.messages import BlockBody
from pikvani_device.app import Device
from pikvani_device.cli import cli
from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.errors import DeviceError
from pikvani_device.store import Store, open_store
from pikvani_device.web.catalogue import LOCALES, say
from pikvani_device.web.keys import MAX_KEYS, ApiKeys
from pikvani_device.web.pin import FIRST_LOCK_S, FREE_TRIES, LONGEST_LOCK_S, Pin

from .conftest import PHONE, form

PIN = "270391"


class Watch:
    """A clock that goes on when told, and can reboot."""

    def __init__(self) -> None:
        self.moment = Moment("boot-1", 1_000, 1_800_000_000_000, ClockTrust.UNTRUSTED)

    def now(self) -> Moment:
        return self.moment

    def pass_s(self, seconds: float) -> None:
        self.moment = replace(self.moment, mono_ms=self.moment.mono_ms + int(seconds * 1_000))


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def store(tmp_path: Path, watch: Watch):
    store = open_store(tmp_path / "pin.sqlite3", watch)
    yield store
    store.close()


@pytest.fixture
def technician(client: FlaskClient, device: Device) -> FlaskClient:
    Pin(device.store, device.clock.now).set(PIN)
    assert client.post("/service/enter", data={"pin": PIN}).status_code == 303
    return client


@pytest.mark.parametrize("pin", ["", "12345", "1" * 13, "111111", "121212", "123456", "987654", "abcdef", "12 456"])
def test_given_a_pin_that_is_too_simple_then_it_is_not_taken(store: Store, watch: Watch, pin: str) -> None:
    with pytest.raises(DeviceError, match="PIN"):
        Pin(store, watch.now).set(pin)


def test_given_wrong_pins_then_even_the_right_one_waits_longer_each_time_and_no_clock_or_reboot_helps(
    store: Store, watch: Watch
) -> None:
    pin = Pin(store, watch.now)
    pin.set(PIN)
    for _ in range(FREE_TRIES):
        assert not pin.matches("000000", "lan")
    assert not pin.matches(PIN, "lan")
    assert pin.locked_s("lan") == FIRST_LOCK_S
    assert pin.matches(PIN, "kiosk"), "nobody on the Wi-Fi locks the screen"
    watch.moment = replace(watch.moment, wall_ms=watch.moment.wall_ms + 10**10)
    assert pin.locked_s("lan") == FIRST_LOCK_S, "the wall clock may lie"
    watch.moment = replace(watch.moment, boot_id="boot-2", mono_ms=5)
    assert Pin(store, watch.now).locked_s("lan") == FIRST_LOCK_S, "a reboot begins the lock anew"
    watch.pass_s(FIRST_LOCK_S)
    assert not pin.matches("000000", "lan")
    assert pin.locked_s("lan") == 2 * FIRST_LOCK_S
    for _ in range(12):
        watch.pass_s(LONGEST_LOCK_S)
        assert not pin.matches("000000", "lan")
    assert pin.locked_s("lan") == LONGEST_LOCK_S
    watch.pass_s(LONGEST_LOCK_S)
    assert pin.matches(PIN, "lan")
    assert pin.locked_s("lan") == 0


def test_given_a_pin_then_only_its_hash_is_on_the_disk(store: Store, watch: Watch, tmp_path: Path) -> None:
    Pin(store, watch.now).set(PIN)
    for path in tmp_path.glob("pin.sqlite3*"):
        assert PIN.encode() not in path.read_bytes()
    assert (store.fact("service.pin") or "").startswith("scrypt:")


def test_given_no_pin_then_nobody_enters_and_the_page_says_how_to_set_one(client: FlaskClient) -> None:
    assert "service-pin" in client.get("/service/").text
    assert client.post("/service/enter", data={"pin": ""}).status_code == 403


@pytest.mark.parametrize(
    "path", ["/service/camera.jpg", "/service/keys", "/service/self-test", "/service/export", "/service/pin"]
)
def test_given_no_pin_shown_then_nothing_of_the_service_is_done(client: FlaskClient, device: Device, path: str) -> None:
    Pin(device.store, device.clock.now).set(PIN)
    answer = client.get(path) if path.endswith(".jpg") else client.post(path, data={"name": "x", "pin": "828282"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/service/")
    assert ApiKeys(device.store).all() == []


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("203.0.113.9", {}, 403),
        ("2001:db8::1", {}, 403),
        ("192.168.4.7", {}, 200),
        ("::ffff:10.0.0.4", {}, 200),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("", {}, 403),
    ],
)
def test_given_an_address_outside_the_village_then_there_is_no_service_page(
    client: FlaskClient, address: str, headers: dict, status: int
) -> None:
    answer = client.get("/service/", headers=headers, environ_overrides={"REMOTE_ADDR": address})
    assert answer.status_code == status


@pytest.mark.parametrize("locale", LOCALES)
def test_given_the_pin_then_the_page_shows_how_the_device_is(technician: FlaskClient, locale: str) -> None:
    page = technician.get(f"/service/?locale={locale}").text
    for name in ("service.health", "service.queue", "service.budget", "service.update", "service.log"):
        assert say(name, locale) in page
    assert "sample@1.2.3" in page
    assert technician.get("/service/camera.jpg").data[:2] == b"\xff\xd8"


@pytest.mark.parametrize("locale", LOCALES)
def test_given_an_outbox_that_was_full_then_page_and_metrics_say_how_many_bytes_were_given_up(
    technician: FlaskClient, device: Device, locale: str
) -> None:
    device.store.enqueue("block", BlockBody(b"12345678", 1, "thumbnail", bytes(32), 5_000, 0, bytes(1_000)))
    (waiting,) = device.store.depths()
    assert device.store.shed(0) == waiting.bytes > 1_000
    page = technician.get(f"/service/?locale={locale}").text
    assert re.search(rf"{say('service.shed', locale)}\W.*?bulk: 1 \({waiting.bytes} B\)", page, re.DOTALL)
    assert f'pikvani_shed_bytes_total{{lane="bulk"}} {waiting.bytes}.0' in technician.get("/metrics").text


def test_given_leaving_then_the_pin_is_asked_again(technician: FlaskClient) -> None:
    technician.post("/service/leave")
    assert 'name="pin"' in technician.get("/service/").text
    assert technician.get("/service/camera.jpg").status_code == 303


def test_given_a_key_then_a_program_on_the_network_is_answered_until_it_is_revoked(
    technician: FlaskClient, device: Device
) -> None:
    asked = {**PHONE, "data": form(drawn_jpeg(1))}
    assert technician.post("/api/v1/diagnose", **asked).status_code == 401
    page = technician.post("/service/keys", data={"name": "  KVK   <b>app</b> "}).text
    key = re.search(r"pik_[\w-]+", page)[0]
    assert "KVK &lt;b&gt;app" in page and key not in technician.get("/service/").text
    for path in device.data_dir.glob("device.sqlite3*"):
        assert key.encode() not in path.read_bytes()
    asked = {**PHONE, "data": form(drawn_jpeg(1)), "headers": {"X-API-Key": key}}
    assert technician.post("/api/v1/diagnose", **asked).status_code == 200
    cases = technician.get("/api/v1/cases", **PHONE, headers={"X-API-Key": key}).json["cases"]
    assert [case["photos"] for case in cases] == [1]
    technician.post(f"/service/keys/{ApiKeys(device.store).all()[0].id}/revoke")
    assert technician.get("/api/v1/cases", **PHONE, headers={"X-API-Key": key}).status_code == 401


def test_given_many_keys_then_no_more_are_made(device: Device) -> None:
    keys = ApiKeys(device.store)
    assert all(keys.make(f"k{n}", 1) for n in range(MAX_KEYS))
    assert keys.make("one more", 1) is None


def test_given_a_note_then_the_microphone_is_judged_by_it(technician: FlaskClient) -> None:
    def note(amplitude: float) -> dict:
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            tone = amplitude * np.sin(np.arange(16_000) * 0.2) * np.linspace(0, 1, 16_000)
            file.writeframes((tone * 32_000).astype("<i2").tobytes())
        return {"note": (io.BytesIO(out.getvalue()), "n.wav")}

    assert say("service.passed", "mr-IN") in technician.post("/service/microphone", data=note(0.5)).text
    assert say("service.failed", "mr-IN") in technician.post("/service/microphone", data=note(0.0)).text
    assert say("service.failed", "mr-IN") in technician.post("/service/microphone").text


def test_given_a_folder_that_is_no_stick_then_nothing_is_exported(technician: FlaskClient, tmp_path: Path) -> None:
    assert technician.post("/service/export", data={"stick": str(tmp_path)}).status_code == 400


def test_given_the_self_test_then_its_outcome_is_shown(technician: FlaskClient) -> None:
    page = technician.post("/service/self-test").text
    assert say("service.passed", "mr-IN") in page and "ms" in page


def test_given_a_device_that_holds_much_memory_itself_then_the_package_is_judged_by_its_own(
    technician: FlaskClient, device: Device
) -> None:
    held = b"\x01" * (device.config.update.max_rss_mb << 20)
    page = technician.post("/service/self-test").text
    assert held and say("service.passed", "mr-IN") in page, page


def test_given_the_command_line_then_the_pin_is_set_and_a_bad_one_is_one_line(
    tmp_path: Path, sample_package: Path
) -> None:
    config = tmp_path / "device.toml"
    config.write_text(f'[device]\ndata_dir = "{tmp_path / "data"}"\n[model]\ndir = "{sample_package}"\n')
    done = CliRunner().invoke(cli, ["--config", str(config), "service-pin", "--pin", PIN])
    assert done.exit_code == 0, done.output
    bad = CliRunner().invoke(cli, ["--config", str(config), "service-pin", "--pin", "1"])
    assert isinstance(bad.exception, DeviceError)
