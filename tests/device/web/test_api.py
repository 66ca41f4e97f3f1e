"""The JSON interface over a real device with the fake runtime."""

import pytest
from flask.testing import FlaskClient

from pikvani_device.app import Device
from pikvani_device.drawn_leaves import drawn_jpeg

from .conftest import form


def test_given_a_photo_then_the_api_answers_and_the_photo_is_kept_without_metadata(
    client: FlaskClient, device: Device
) -> None:
    answer = client.post("/api/v1/diagnose", data=form(drawn_jpeg(1), drawn_jpeg(2))).json
    assert answer["decision"] in ("answer", "more", "refuse")
    assert answer["condition"] in answer["probabilities"]
    case = device.latest_cases(1)[0]
    assert case.case_id == answer["case_id"]
    assert case.body.channel == "api"
    assert len(case.photo_names) == 2
    for name in case.photo_names:
        assert (device.data_dir / "photos" / name).read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (form(), "no_photo"),
        (form(*[b"x"] * 7), "too_many"),
        (form(b"text"), "unreadable"),
        (form(drawn_jpeg(1), crop="<script>"), "unknown_plant"),
    ],
)
def test_given_a_request_that_cannot_be_answered_then_it_says_why(client: FlaskClient, data: dict, reason: str) -> None:
    told = client.post("/api/v1/diagnose", data=data)
    assert (told.status_code, told.json["error"]) == (400, reason)


def test_given_a_device_that_is_well_then_healthz_says_so(client: FlaskClient) -> None:
    health = client.get("/healthz")
    assert (health.status_code, health.json["ok"], health.json["model"]) == (200, True, "sample@1.2.3")


def test_given_a_store_that_cannot_keep_the_case_then_its_photo_is_not_left_behind(
    client: FlaskClient, device: Device
) -> None:
    device.store._db.execute("PRAGMA max_page_count=1")  # no page more: what SQLite meets on a full disk
    kept = 0
    for _ in range(200):
        told = client.post("/api/v1/diagnose", data=form(drawn_jpeg(1)))
        assert told.status_code == 200, "the farmer is answered all the same"
        if not told.json["kept"]:
            break
        kept += 1
    assert told.json["case_id"] is None
    assert len(list((device.data_dir / "photos").iterdir())) == kept
