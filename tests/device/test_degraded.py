"""The appliance without its disk, its camera or its link: it answers, and says what it does without."""

import socket
import time
import urllib.request
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from pikvani_contract.health import Health
from pikvani_device.adapters.camera_v4l2 import V4l2Camera
from pikvani_device.app import Device
from pikvani_device.app.degraded import photographing, thinking
from pikvani_device.config import parse_config
from pikvani_device.errors import CameraError, CameraHungError
from pikvani_device.serving import _probe
from pikvani_device.web import create_app


def appliance(tmp_path: Path, package: Path, more: str = "") -> Device:
    text = (
        f'[device]\nid = "village-7"\ndata_dir = "{tmp_path / "data"}"\n[model]\ndir = "{package}"\n'
        f'[runtime]\nadapter = "fake"\n{more}'
    )
    return Device(parse_config(text.encode(), "test"))


def ask(client: FlaskClient, drawn_leaf: Path, path: str = "/api/v1/diagnose"):
    return client.post(path, data={"photos": (BytesIO(drawn_leaf.read_bytes()), "leaf.jpg")})


def test_given_no_data_partition_then_the_farmer_is_answered_and_told_it_was_not_kept(
    tmp_path: Path, sample_package: Path, drawn_leaf: Path
) -> None:
    device = appliance(tmp_path, sample_package, '[store]\nmarker = ".pikvani-data"\n')
    client = create_app(device).test_client()
    told = ask(client, drawn_leaf)
    assert (told.status_code, told.json["kept"], told.json["case_id"]) == (200, False, None)
    assert told.json["decision"] in ("answer", "more", "refuse")
    health = client.get("/healthz")
    assert health.status_code == 200
    assert "not mounted" in health.json["without"]["store"]
    assert not (tmp_path / "data").exists(), "a case must not be kept where the next boot does not find it"
    for locale, words in (("mr-IN", "साठवता"), ("hi-IN", "सहेजा"), ("en-IN", "could not be kept")):
        client.get(f"/language/{locale}")
        assert client.post("/crop", data={"crop": "cotton"}).status_code == 303
        ask(client, drawn_leaf, "/photos")
        client.post("/symptoms")
        page = client.get("/answer")
        assert page.status_code == 200 and words in page.text
        assert client.get(f"/?locale={locale}").status_code == 200


def test_given_a_data_partition_that_comes_back_then_cases_are_kept_again(
    tmp_path: Path, sample_package: Path, drawn_leaf: Path
) -> None:
    device = appliance(tmp_path, sample_package, '[store]\nmarker = ".pikvani-data"\n')
    client = create_app(device).test_client()
    assert ask(client, drawn_leaf).json["kept"] is False
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".pikvani-data").touch()
    told = ask(client, drawn_leaf)
    assert told.json["kept"] is True and told.json["case_id"]
    assert client.get("/healthz").json["without"] == {}
    device.close()


def test_given_a_data_folder_that_is_a_broken_file_then_answers_go_on(
    tmp_path: Path, sample_package: Path, drawn_leaf: Path
) -> None:
    (tmp_path / "data").write_text("not a folder")
    client = create_app(appliance(tmp_path, sample_package)).test_client()
    assert ask(client, drawn_leaf).json["kept"] is False


class Driver:
    """A camera driver that can be told to hang or to be unplugged."""

    def __init__(self) -> None:
        self.hangs = self.unplugged = False

    def isOpened(self) -> bool:  # noqa: N802
        return not self.unplugged

    def read(self) -> tuple[bool, np.ndarray | None]:
        while self.hangs:
            time.sleep(0.01)
        return not self.unplugged, None if self.unplugged else np.full((240, 320, 3), 90, np.uint8)

    def release(self) -> None: ...


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch):
    driver = Driver()
    monkeypatch.setattr(
        "pikvani_device.app.build_camera", lambda config: V4l2Camera(0, timeout_s=0.2, open_source=lambda *_: driver)
    )
    yield driver
    driver.hangs = False


def test_given_a_camera_that_worked_and_then_hangs_then_a_new_process_is_asked_for(
    tmp_path: Path, sample_package: Path, driver: Driver
) -> None:
    device = appliance(tmp_path, sample_package)
    device.photograph()
    assert device.health.stuck() == []
    driver.hangs = True
    with pytest.raises(CameraHungError):
        device.photograph()
    assert device.health.stuck()[0].startswith("camera: ")


def test_given_a_camera_that_hung_from_the_start_then_the_rest_goes_on(
    tmp_path: Path, sample_package: Path, driver: Driver
) -> None:
    driver.hangs = True
    device = appliance(tmp_path, sample_package)
    with pytest.raises(CameraError):
        device.photograph()
    assert device.health.stuck() == []
    assert "hangs" in device.health.missing()["camera"]


def test_given_a_camera_that_was_pulled_out_and_put_back_then_the_next_photograph_is_taken(
    tmp_path: Path, sample_package: Path, driver: Driver
) -> None:
    device = appliance(tmp_path, sample_package)
    device.photograph()
    driver.unplugged = True
    with pytest.raises(CameraError):
        device.photograph()
    assert device.health.stuck() == [] and "camera" in device.health.missing()
    driver.unplugged = False
    device.photograph()
    assert device.health.missing() == {}


def test_given_a_diagnosis_that_does_not_end_then_it_is_stuck_and_one_that_ends_is_not() -> None:
    now = [0.0]
    health = Health(lambda: now[0])
    with thinking(health):
        now[0] = 1_000.0
        assert health.stuck()[0].startswith("diagnosis")
    assert health.stuck() == []


def test_given_another_error_than_the_cameras_then_the_camera_is_not_blamed() -> None:
    health = Health()
    with pytest.raises(ZeroDivisionError), photographing(health, lambda: None):
        raise ZeroDivisionError
    assert health.missing() == {} and health.stuck() == []


def test_given_pages_that_do_not_answer_then_the_probe_leaves_the_watchdog_unfed(
    tmp_path: Path, sample_package: Path
) -> None:
    """A socket that takes the connection and never answers: what a stopped loop looks like from outside."""
    now = [0.0]
    device = appliance(tmp_path, sample_package)
    device.health = Health(lambda: now[0])
    device.health.expect("web", 5)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        now[0] = 6.0
        _probe(device, port)  # nobody listens
        assert device.health.stuck()


def test_given_pages_that_answer_then_the_probe_beats(tmp_path: Path, sample_package: Path) -> None:
    from threading import Thread

    from werkzeug.serving import make_server

    now = [0.0]
    device = appliance(tmp_path, sample_package)
    device.health = Health(lambda: now[0])
    device.health.expect("web", 5)
    server = make_server("127.0.0.1", 0, create_app(device), threaded=True)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    now[0] = 6.0
    _probe(device, server.server_port)
    assert device.health.stuck() == []
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/livez", timeout=10) as answer:
        assert answer.read() == b"alive\n"
    server.shutdown()
    thread.join(10)
