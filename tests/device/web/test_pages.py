"""What holds for every page: languages complete, no words of its own, nobody else asked, hostile requests refused."""

import io
import re
import struct
import zlib
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest
from flask.testing import FlaskClient

from pikvani_contract.model.posterior import Reason
from pikvani_device.app import Device
from pikvani_device.app.building import load_model
from pikvani_device.config import parse_config
from pikvani_device.diagnosis.symptoms import SYMPTOMS
from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.errors import ModelError
from pikvani_device.web import create_app, drawings
from pikvani_device.web.catalogue import LOCALES, number, say, strings
from pikvani_device.web.names import condition_name, crop_name
from pikvani_device.web.prompts import prompts

from .conftest import PHONE, form

WEB = Path(drawings.__file__).parent


def places(sentence: str) -> set[str]:
    return set(re.findall(r"{(\w*)}", sentence))


def test_given_any_sentence_then_it_stands_in_every_language_with_the_same_places() -> None:
    of = {locale: strings(locale) for locale in LOCALES}
    for name in set().union(*of.values()):
        said = [of[locale].get(name, "") for locale in LOCALES]
        assert all(text.strip() for text in said), name
        assert len({frozenset(places(text)) for text in said}) == 1, name
        assert len(set(said)) > 1 or name in ("language_name",), f"{name} is the same in all languages"


def test_given_the_pages_sources_then_every_sentence_they_name_exists_and_none_lies_unused() -> None:
    sources = [*WEB.glob("*.py"), *WEB.glob("templates/*.html")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    known = strings("en-IN")
    for name in re.findall(r"""\bt\('([\w.]+)'[,)]""", text):
        assert name in known, name
    families = ("crop.", "condition.", "aim.", "symptom.", "stage.", "consent.", "digit.")
    reasons = set(get_args(Reason)) | {"too_small", "too_dark", "too_bright", "blurred", "no_leaf", "unreadable"}
    for name in known:
        assert name.startswith(families) or name in reasons or re.search(rf"['\"]{re.escape(name)}['\"]", text), name


def test_given_templates_then_they_have_no_words_of_their_own() -> None:
    for template in WEB.glob("templates/*.html"):
        markup = r"{% block focus.*?endblock %}|{%.*?%}|{{.*?}}|<[^>]*>"
        text = re.sub(markup, " ", template.read_text(), flags=re.DOTALL)
        assert not re.search(r"[^\W\d_]", text), template.name


def test_given_the_shipped_model_then_everything_it_can_say_has_a_name_a_drawing_and_every_reason_a_sentence() -> None:
    try:
        labels = load_model("").manifest.labels
    except ModelError as error:
        pytest.skip(str(error))
    known = strings("en-IN")
    for label in labels:
        crop, _, condition = label.partition("/")
        if crop == "none":
            continue
        assert f"crop.{crop}" in known and f"condition.{condition}" in known, label
        assert (WEB / "static" / "crops" / f"{crop}.svg").is_file() and crop in drawings.SHAPES, label
        assert condition in drawings.FAMILY, label
        assert drawings.leaf(*drawings.picture_of(label)).startswith("<svg"), label
    assert set(get_args(Reason)) - {"sure"} <= set(known)
    for symptom in SYMPTOMS:
        assert f"symptom.{symptom}" in known and drawings.leaf("oval", symptom)


def test_given_a_crop_or_condition_without_a_name_then_its_id_is_shown_and_its_drawing_is_the_unknown() -> None:
    assert crop_name("dragon_fruit", "mr-IN") == "dragon fruit"
    assert condition_name("cotton/strange_spots", "en-IN") == "Cotton: strange spots"
    assert drawings.picture_of("dragon_fruit/strange") == ("oval", "unknown")


def test_given_what_can_be_spoken_then_ids_are_the_same_in_every_language_and_hold_no_gaps() -> None:
    ids = [[name for name, words in prompts(locale)] for locale in LOCALES]
    assert sorted(ids[0]) == sorted(ids[1]) == sorted(ids[2])
    assert {"crop.cotton", "condition.rust", "referral.refuse", "aim.closer"} <= set(ids[0])


def test_given_numbers_then_they_are_written_as_the_country_does() -> None:
    assert [number(123456.5, locale) for locale in LOCALES] == ["1,23,456.5"] * 3


def test_given_any_page_then_it_asks_nothing_of_anybody_else_and_runs_no_inline_script(client: FlaskClient) -> None:
    client.get("/language/en-IN")
    client.post("/crop", data={"crop": "cotton"})
    client.post("/camera/shoot")
    client.post("/symptoms")
    paths = ["/", "/crop", "/camera", "/photos/1", "/symptoms", "/answer", "/answer/take", "/answer/print"]
    for path in [*paths, "/help", "/phone", "/history", "/listen?at=crop", "/nowhere"]:
        response = client.get(path)
        assert response.status_code == (404 if path == "/nowhere" else 200), path
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'self'" in policy
        assert not re.search(r'(?:src|href|action)="(?!/|tel:)', response.text), path
        assert not re.search(r"<script(?![^>]+src=)|style=|\son\w+=", response.text), path
        assert response.headers["Cache-Control"] == "no-store", path


def test_given_the_first_page_then_it_weighs_less_than_60_kilobytes_with_all_it_loads(client: FlaskClient) -> None:
    page = client.get("/").text
    own = {address.split("#")[0] for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page)}
    own |= {f"/static/{name}.js" for name in ("speak", "live", "record", "still")}
    assert len(page.encode()) + sum(len(client.get(address).data) for address in own) < 60_000


@pytest.mark.parametrize("host", ["evil.example", "pikvani.local.evil.example", "127.0.0.1.evil.example", "["])
def test_given_a_name_that_is_not_ours_then_nothing_is_served_to_it(client: FlaskClient, host: str) -> None:
    assert client.get("/", headers={"Host": host}).status_code in (400, 403)


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_given_a_form_of_a_strangers_page_then_it_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    client.get("/language/mr-IN")
    assert client.post("/crop", data={"crop": "cotton"}, headers=headers).status_code == 403
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/crop", data={"crop": "cotton"}, headers=own).status_code == 303


def png_bomb() -> bytes:
    """100,000 x 100,000 pixels in a few kilobytes."""
    head = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(2**20))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


SCRIPT = b"<script>alert('pikvani-polyglot')</script><?php system('id'); ?>"
POLYGLOT = drawn_jpeg(1) + SCRIPT + b"PK\x03\x04"


def commented_jpeg() -> bytes:
    """A photograph whose comment is a program."""
    jpeg = drawn_jpeg(1)
    return jpeg[:2] + b"\xff\xfe" + struct.pack(">H", len(SCRIPT) + 2) + SCRIPT + jpeg[2:]


def texted_png() -> bytes:
    """A photograph whose text chunk is a program, with an archive behind its end."""
    png = cv2.imencode(".png", cv2.imdecode(np.frombuffer(drawn_jpeg(1), np.uint8), cv2.IMREAD_COLOR))[1].tobytes()
    text = b"tEXt" + b"Comment\0" + SCRIPT
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return png[:33] + chunk + png[33:] + b"PK\x03\x04" + SCRIPT


POLYGLOTS = {
    "jpeg and archive": (POLYGLOT, True),
    "jpeg with a comment": (commented_jpeg(), True),
    "png with text": (texted_png(), True),
    "jpeg behind a page": (b"<html>" + SCRIPT + drawn_jpeg(1), False),
    "jpeg behind a document": (b"%PDF-1.7\n" + SCRIPT + drawn_jpeg(1), False),
    "gif and program": (b"GIF89a=1;/*" + bytes(20) + b"*/" + SCRIPT, False),
    "drawing with a program": (b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>", False),
    "archive": (b"PK\x03\x04" + SCRIPT + b"PK\x05\x06" + bytes(18), False),
}
"""What is two things at once, and whether it is a photograph too."""


@pytest.mark.parametrize("name", POLYGLOTS)
def test_given_a_polyglot_then_nothing_of_its_other_half_is_kept_or_served(
    client: FlaskClient, device: Device, name: str
) -> None:
    data, is_photo = POLYGLOTS[name]
    client.get("/language/mr-IN", **PHONE)
    client.post("/crop", data={"crop": "cotton"}, **PHONE)
    assert client.post("/photos", data=form(data), **PHONE).status_code == 303
    page = client.get("/camera", **PHONE).text
    assert (say("unreadable", "mr-IN") in page) is not is_photo
    served = client.get("/photos/1.jpg", **PHONE)
    assert served.status_code == (200 if is_photo else 404)
    assert not is_photo or served.content_type == "image/jpeg"
    client.post("/symptoms", **PHONE)
    assert len(list((device.data_dir / "photos").glob("*"))) == is_photo
    kept = [path.read_bytes() for path in device.data_dir.rglob("*") if path.is_file()]
    assert not any(trace in one for trace in (b"pikvani-polyglot", b"<?php") for one in [served.data, *kept])


def test_given_a_bomb_then_it_is_refused_by_its_header(client: FlaskClient) -> None:
    client.get("/language/mr-IN", **PHONE)
    client.post("/crop", data={"crop": "cotton"}, **PHONE)
    client.post("/photos", data=form(png_bomb()), **PHONE)
    assert say("too_large", "mr-IN") in client.get("/camera", **PHONE).text


def test_given_a_polyglot_with_a_travelling_name_then_only_the_picture_is_kept(
    client: FlaskClient, device: Device
) -> None:
    client.get("/language/mr-IN", **PHONE)
    client.post("/crop", data={"crop": "cotton"}, **PHONE)
    names = ["../../../etc/cron.d/x", "..\\..\\x.php", "/etc/passwd", "a\x00b.jpg", "C:\\x.svg"]
    client.post("/photos", data={"photos": [(io.BytesIO(POLYGLOT), name) for name in names]}, **PHONE)
    assert b"script" not in client.get("/photos/1.jpg", **PHONE).data
    client.post("/symptoms", **PHONE)
    kept = list((device.data_dir / "photos").iterdir())
    assert len(kept) == 5
    for path in kept:
        assert re.fullmatch(r"[0-9a-f]{16}\.jpg", path.name)
        assert b"script" not in path.read_bytes() and b"php" not in path.read_bytes()


def test_given_ten_thousand_tiny_files_then_the_request_is_refused_and_the_device_still_answers(
    client: FlaskClient,
) -> None:
    client.get("/language/mr-IN", **PHONE)
    client.post("/crop", data={"crop": "cotton"}, **PHONE)
    flood = {"photos": [(io.BytesIO(b"x"), f"{n}.jpg") for n in range(10_000)]}
    assert client.post("/photos", data=flood, **PHONE).status_code == 400
    assert client.get("/camera", **PHONE).status_code == 200


def test_given_ten_thousand_tiny_files_in_forms_of_allowed_size_then_none_is_kept_and_the_next_leaf_is_answered(
    client: FlaskClient, device: Device
) -> None:
    client.get("/language/mr-IN", **PHONE)
    client.post("/crop", data={"crop": "cotton"}, **PHONE)
    before = {path for path in device.data_dir.rglob("*") if path.is_file()}
    tiny = [POLYGLOT[:n] for n in range(16)]
    for _ in range(10_000 // len(tiny)):
        assert client.post("/photos", data=form(*tiny), **PHONE).status_code == 303
    assert client.get("/photos/1.jpg", **PHONE).status_code == 404
    assert {path for path in device.data_dir.rglob("*") if path.is_file()} == before
    client.post("/photos", data=form(drawn_jpeg(1)), **PHONE)
    assert client.post("/symptoms", **PHONE).headers["Location"] == "/answer"


def test_given_an_upload_over_all_limits_then_it_is_refused_before_it_is_read(client: FlaskClient) -> None:
    client.get("/language/mr-IN", **PHONE)
    at = {**PHONE, "environ_overrides": {"REMOTE_ADDR": "192.168.4.20", "CONTENT_LENGTH": str(10**9)}}
    page = client.post("/photos", data=form(b"x"), **at)
    assert page.status_code == 413
    assert say("too_large", "mr-IN") in page.text


@pytest.mark.usefixtures("advised")
def test_given_a_phone_then_earlier_answers_are_one_touch_away_and_each_can_be_heard(client: FlaskClient) -> None:
    client.get("/language/hi-IN", **PHONE)
    client.post("/crop", data={"crop": "cotton"}, **PHONE)
    client.post("/photos", data=form(drawn_jpeg(1)), **PHONE)
    client.post("/symptoms", **PHONE)
    assert 'data-go="history"' in client.get("/", **PHONE).text and 'data-go="history"' not in client.get("/").text
    page = client.get("/history", **PHONE).text
    assert "/speech/hi-IN/crop.cotton+condition." in page and "/drawing/" in page and "crops/cotton.svg" in page
    assert 'class="qr"' not in client.get("/answer/take", **PHONE).text, "no camera looks at the phone that asks"


def test_given_a_refusal_then_the_number_to_call_stands_on_one_line(client: FlaskClient, decides) -> None:
    decides("refuse", "other_crop")
    client.get("/language/mr-IN")
    client.post("/crop", data={"crop": "cotton"})
    client.post("/camera/shoot")
    client.post("/symptoms")
    page = client.get("/answer").text
    assert page.count("1800-180-1551") == page.count('<span class="number">1800-180-1551</span>') == 2


def test_given_a_model_that_is_gone_then_pages_say_whom_to_tell(tmp_path: Path) -> None:
    config = parse_config(f'[device]\ndata_dir = "{tmp_path}"\n[model]\ndir = "/nowhere"\n'.encode(), "test")
    client = create_app(Device(config)).test_client()
    assert client.get("/healthz").status_code == 503
    client.get("/language/mr-IN")
    page = client.get("/crop")
    assert page.status_code == 500
    assert say("broken", "mr-IN") in page.text and "1800-180-1551" in page.text
