"""The pages and the JSON interface over a real device with the fake runtime."""

import io
import re
from pathlib import Path
from typing import get_args

import pytest
from flask.testing import FlaskClient

from pikvani_contract.model.posterior import Reason
from pikvani_device.app import Device
from pikvani_device.app.building import load_model
from pikvani_device.config import parse_config
from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.errors import ModelError
from pikvani_device.web import create_app
from pikvani_device.web.catalogue import STRINGS, say
from pikvani_device.web.names import CONDITIONS, CROPS, LOCALES, condition_name, crop_name


@pytest.fixture
def device(tmp_path: Path, sample_package: Path):
    text = (
        f'[device]\ndata_dir = "{tmp_path / "data"}"\n[model]\ndir = "{sample_package}"\n[runtime]\nadapter = "fake"\n'
    )
    device = Device(parse_config(text.encode(), "test"))
    yield device
    device.close()


@pytest.fixture
def client(device: Device) -> FlaskClient:
    return create_app(device).test_client()


def form(*photos: bytes, **fields: str) -> dict[str, object]:
    return {**fields, "photos": [(io.BytesIO(data), f"../{n}.jpg") for n, data in enumerate(photos)]}


def test_given_a_photo_then_the_answer_page_refers_and_the_case_waits_for_the_centre(client: FlaskClient) -> None:
    page = client.post("/answer", data=form(drawn_jpeg(1), crop="cotton"))
    assert page.status_code == 200
    assert "1800-180-1551" in page.text
    assert say("waiting", "mr-IN") in client.get("/").text


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
def test_given_a_request_that_cannot_be_answered_then_both_roads_say_why(
    client: FlaskClient, data: dict, reason: str
) -> None:
    told = client.post("/api/v1/diagnose", data=data)
    assert (told.status_code, told.json["error"]) == (400, reason)


def test_given_an_unreadable_photo_then_the_page_says_so_in_the_farmers_language(client: FlaskClient) -> None:
    client.get("/language/hi-IN")
    page = client.post("/answer", data=form(b"text"))
    assert page.status_code == 400
    assert say("unreadable", "hi-IN") in page.text


def test_given_an_upload_over_all_limits_then_it_is_refused_before_it_is_read(client: FlaskClient) -> None:
    page = client.post("/api/v1/diagnose", data=form(b"x"), environ_overrides={"CONTENT_LENGTH": str(10**9)})
    assert page.status_code == 413


@pytest.mark.parametrize("locale", LOCALES)
def test_given_a_language_then_the_page_is_in_it(client: FlaskClient, locale: str) -> None:
    client.get(f"/language/{locale}")
    page = client.get("/").text
    assert f'<html lang="{locale}">' in page
    assert say("ask", locale) in page


def test_given_any_page_then_it_asks_nothing_of_anybody_else_and_runs_no_script(client: FlaskClient) -> None:
    for response in (client.get("/"), client.post("/answer", data=form(drawn_jpeg(1))), client.get("/nowhere")):
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert not re.search(r'(?:src|href|action)="(?!/)', response.text)
        assert "<script" not in response.text
        assert "style=" not in response.text
    assert client.get("/static/pikvani.css").status_code == 200


def test_given_a_device_that_is_well_then_healthz_says_so(client: FlaskClient) -> None:
    health = client.get("/healthz")
    assert (health.status_code, health.json["ok"], health.json["model"]) == (200, True, "sample@1.2.3")


def test_given_a_model_that_is_gone_then_healthz_is_503_and_pages_say_whom_to_tell(tmp_path: Path) -> None:
    config = parse_config(f'[device]\ndata_dir = "{tmp_path}"\n[model]\ndir = "/nowhere"\n'.encode(), "test")
    client = create_app(Device(config)).test_client()
    assert client.get("/healthz").status_code == 503
    page = client.get("/")
    assert page.status_code == 500
    assert say("broken", "mr-IN") in page.text


@pytest.mark.parametrize("locale", LOCALES)
def test_given_any_sentence_then_it_stands_in_every_language_with_the_same_places(locale: str) -> None:
    for name, sentences in STRINGS.items():
        said = say(name, locale, count=6)
        assert said.strip(), name
        assert [("{count}" in sentence) for sentence in sentences].count("{count}" in sentences[0]) == 3, name
    for names in (*CROPS.values(), *CONDITIONS.values()):
        assert all(name.strip() for name in names)


def test_given_templates_then_they_have_no_words_of_their_own() -> None:
    folder = Path(create_app.__code__.co_filename).parent / "templates"
    for template in folder.glob("*.html"):
        text = re.sub(r"{%.*?%}|{{.*?}}|<[^>]*>", " ", template.read_text(), flags=re.DOTALL)
        assert not re.search(r"[^\W\d_]", text), template.name


def test_given_a_crop_or_condition_without_a_name_then_its_id_is_shown() -> None:
    assert crop_name("dragon_fruit", "mr-IN") == "dragon fruit"
    assert condition_name("cotton/strange_spots", "en-IN") == "Cotton: strange spots"


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


def test_given_the_shipped_model_then_everything_it_can_say_has_a_name_and_every_reason_a_sentence() -> None:
    try:
        labels = load_model("").manifest.labels
    except ModelError as error:
        pytest.skip(str(error))
    for label in labels:
        crop, _, condition = label.partition("/")
        assert crop == "none" or (crop in CROPS and condition in CONDITIONS), label
    assert set(get_args(Reason)) - {"sure"} <= set(STRINGS)
