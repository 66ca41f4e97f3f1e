"""The farmer's road over a real device with the fake runtime: kiosk and phone, from the start to the answer."""

import re

import pytest
from flask.testing import FlaskClient

from pikvani_device.app import Device
from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.errors import CameraError
from pikvani_device.web import create_app
from pikvani_device.web.catalogue import LOCALES, say
from pikvani_device.web.visits import MAX_PHOTO_BYTES, MAX_VISITS, TIMEOUT_S, Visits

from .conftest import PHONE, form


def begin(client: FlaskClient, locale: str = "mr-IN", crop: str = "cotton", **at) -> None:
    client.get(f"/language/{locale}", **at)
    client.post("/crop", data={"crop": crop}, **at)


def to_answer(client: FlaskClient, locale: str = "mr-IN") -> str:
    begin(client, locale)
    client.post("/camera/shoot")
    client.post("/symptoms", data={"symptom": "spots"})
    return client.get("/answer").text


def test_given_the_kiosk_then_language_crop_photo_and_symptoms_lead_to_an_answer(
    client: FlaskClient, device: Device
) -> None:
    assert client.get("/language/hi-IN").headers["Location"] == "/crop"
    assert client.post("/crop", data={"crop": "cotton"}).headers["Location"] == "/camera"
    assert client.post("/camera/shoot").headers["Location"] == "/camera"
    assert say("photo_taken", "hi-IN") in client.get("/camera").text
    assert client.post("/symptoms", data={"symptom": ["spots", "<script>"]}).headers["Location"] == "/answer"
    page = client.get("/answer").text
    assert "1800-180-1551" in page and '<html lang="hi-IN">' in page
    case = device.latest_cases(1)[0]
    assert (case.body.channel, case.body.locale, case.body.crop) == ("kiosk", "hi-IN", "cotton")


def test_given_a_returning_crop_then_three_touches_lead_to_the_answer(client: FlaskClient) -> None:
    to_answer(client)
    client.get("/end")
    client.get("/language/mr-IN")
    assert re.search(r'class="tile last" name="returning" value="cotton"', client.get("/crop").text)
    client.post("/crop", data={"returning": "cotton"})
    assert client.post("/camera/shoot").headers["Location"] == "/answer"


def test_given_a_phone_then_it_sends_photos_and_is_never_shown_the_kiosks_camera(
    client: FlaskClient, device: Device
) -> None:
    begin(client, crop="maize", **PHONE)
    page = client.get("/camera", **PHONE).text
    assert 'capture="environment"' in page and "/camera/frame.jpg" not in page
    assert client.get("/camera/frame.jpg", **PHONE).status_code == 404
    assert client.post("/camera/shoot", **PHONE).status_code == 404
    assert client.post("/photos", data=form(drawn_jpeg(1), drawn_jpeg(2)), **PHONE).headers["Location"] == "/camera"
    client.post("/symptoms", **PHONE)
    assert client.get("/answer", **PHONE).status_code == 200
    case = device.latest_cases(1)[0]
    assert (case.body.channel, case.body.photos, len(case.photo_names)) == ("lan", 2, 2)


def test_given_the_live_view_then_each_picture_comes_with_what_to_tell_the_person_who_aims(client: FlaskClient) -> None:
    assert client.get("/camera/frame.jpg").status_code == 404, "nobody asked for a picture"
    begin(client)
    frame = client.get("/camera/frame.jpg")
    assert frame.data[:2] == b"\xff\xd8"
    assert frame.headers["X-Hint"] == "good"


def test_given_a_camera_that_fails_then_the_page_says_so_and_a_phone_may_help(
    client: FlaskClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client)

    def gone() -> None:
        raise CameraError("gone")

    monkeypatch.setattr(device.camera, "capture", gone)
    monkeypatch.setattr(device.camera, "preview", gone)
    assert client.get("/camera/frame.jpg").status_code == 503
    client.post("/camera/shoot")
    assert say("camera_gone", "mr-IN") in client.get("/camera").text


@pytest.mark.parametrize(
    ("photo", "told"),
    [(b"text", "unreadable"), (b"", "unreadable"), (drawn_jpeg(1)[:2_000], "unreadable")],
)
def test_given_a_file_that_is_no_photo_then_the_camera_page_says_so_in_the_farmers_language(
    client: FlaskClient, photo: bytes, told: str
) -> None:
    begin(client, "hi-IN", **PHONE)
    client.post("/photos", data=form(photo), **PHONE)
    page = client.get("/camera", **PHONE).text
    assert say(told, "hi-IN") in page
    assert "/photos/1.jpg" not in page


def test_given_six_photos_then_no_more_are_taken_and_one_can_be_removed(client: FlaskClient) -> None:
    begin(client, **PHONE)
    client.post("/photos", data=form(*(drawn_jpeg(n) for n in range(1, 7))), **PHONE)
    page = client.get("/camera", **PHONE).text
    assert page.count('src="/photos/') == 6 and 'type="file"' not in page
    client.post("/photos", data=form(drawn_jpeg(7)), **PHONE)
    assert say("photos_full", "mr-IN") in client.get("/camera", **PHONE).text
    client.post("/photos/6/remove", **PHONE)
    assert client.get("/photos/6.jpg", **PHONE).status_code == 404
    assert client.get("/photos/5.jpg", **PHONE).data[:2] == b"\xff\xd8"


@pytest.mark.usefixtures("advised")
@pytest.mark.parametrize("locale", LOCALES)
def test_given_an_answer_then_name_sureness_advice_by_stage_with_sources_and_the_way_to_the_kvk(
    client: FlaskClient, locale: str
) -> None:
    page = to_answer(client, locale)
    assert say("crop.cotton", locale) in page and say("sure", locale) in page and "1800-180-1551" in page
    today = client.get("/answer/today").text
    assert "Pick the sick leaves." in today and "ICAR" in today and say("not_reviewed", locale) in today
    assert "Burn &lt;b&gt;nothing" in today
    avoid = client.get("/answer/avoid").text
    assert "Do not spray today." in avoid and say("not_reviewed", locale) not in avoid
    assert client.get("/answer/next_season").headers["Location"] == "/answer", "no row, no page"
    slip = client.get("/answer/print").text
    assert "Look at ten plants." in slip and "1800-180-1551" in slip


@pytest.mark.parametrize(
    ("decision", "reason", "title"),
    [
        ("refuse", "unknown_plant", "refused_title"),
        ("more", "blurred", "more_title"),
        ("more", "unsure", "more_leaf_title"),
    ],
)
def test_given_a_refusal_then_it_is_honest_gives_no_advice_and_names_whom_to_ask(
    client: FlaskClient, decides, decision: str, reason: str, title: str
) -> None:
    decides(decision, reason)
    page = to_answer(client)
    assert say(title, "mr-IN") in page and say(reason, "mr-IN") in page
    assert "1800-180-1551" in page and 'data-pick="stage:' not in page
    assert client.get("/answer/today").headers["Location"] == "/answer"
    assert client.get("/answer/qr.svg").data.startswith(b"<svg")


@pytest.mark.usefixtures("advised")
def test_given_was_this_helpful_then_it_is_counted_once(client: FlaskClient, device: Device) -> None:
    to_answer(client)
    for _ in range(2):
        client.post("/answer/helpful", data={"helpful": "yes"})
    assert device.store.fact("helpful.yes") == "1"
    assert say("helpful_thanks", "mr-IN") in client.get("/answer").text
    assert client.post("/answer/helpful", data={"helpful": "maybe"}).status_code == 400


def test_given_home_then_nothing_of_the_farmer_is_left(client: FlaskClient) -> None:
    to_answer(client)
    cookie = client.get_cookie("pikvani-visit")
    assert cookie is not None
    client.get("/end")
    client.set_cookie("pikvani-visit", cookie.value)
    for page in ("/answer", "/camera", "/crop", "/symptoms", "/answer/take", "/answer/print", "/answer/today"):
        assert client.get(page).headers["Location"] == "/", page
    for picture in ("/photos/1.jpg", "/answer/leaf.jpg", "/answer/qr.svg", "/camera/frame.jpg"):
        assert client.get(picture).status_code == 404, picture
    assert client.post("/stay").status_code == 410


@pytest.mark.parametrize("path", ["/answer", "/camera", "/crop", "/symptoms", "/confirm", "/listen", "/answer/take"])
def test_given_no_visit_then_every_page_of_it_leads_to_the_start(client: FlaskClient, path: str) -> None:
    assert client.get(path).headers["Location"] == "/"


def test_given_a_visit_nobody_touches_then_it_ends_by_itself_sooner_at_the_kiosk() -> None:
    now = [0.0]
    visits = Visits(lambda: now[0])
    kiosk, phone = visits.begin("kiosk", "mr-IN"), visits.begin("lan", "mr-IN")
    now[0] = TIMEOUT_S["kiosk"] + 1
    assert visits.find(kiosk.id) is None
    assert visits.find(phone.id) is phone
    now[0] += TIMEOUT_S["lan"] + 1
    assert visits.find(phone.id) is None
    assert len(visits) == 0


def test_given_more_visitors_than_memory_then_phones_give_way_and_the_kiosk_stays() -> None:
    now = [0.0]
    visits = Visits(lambda: now[0])
    kiosk = visits.begin("kiosk", "mr-IN")
    phones = []
    for _ in range(MAX_VISITS + 5):
        now[0] += 1
        phones.append(visits.begin("lan", "mr-IN"))
    assert len(visits) == MAX_VISITS
    assert visits.find(kiosk.id) is kiosk and visits.find(phones[0].id) is None
    for phone in phones[-6:]:
        visits.add_shot(phone, bytes(MAX_PHOTO_BYTES // 4))
    assert sum(v.photo_bytes for v in visits._open.values()) <= MAX_PHOTO_BYTES
    assert visits.find(kiosk.id) is kiosk and visits.find(phones[-1].id) is phones[-1]


def test_given_no_voice_then_its_address_is_not_found_and_with_one_it_is_asked_in_the_pages_words(
    client: FlaskClient, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client)
    address = re.search(r'class="key speak" href="([^"]+)"', client.get("/camera").text)[1]
    monkeypatch.setattr(device, "spoken", lambda locale, sentences: None)
    assert client.get(address).status_code == 404
    asked = []
    monkeypatch.setattr(device, "spoken", lambda locale, said: asked.append((locale, said)) or b"RIFFxxxxWAVE")
    sound = client.get(address)
    assert sound.content_type == "audio/wav"
    assert asked == [("mr-IN", [("camera_ask", say("camera_ask", "mr-IN"))])]
    for wrong in ("/speech/mr-IN/nonsense", "/speech/xx/yes", "/speech/mr-IN/" + "+".join(["yes"] * 50)):
        assert client.get(wrong).status_code == 404, wrong


def test_given_a_qr_for_phones_then_the_kiosk_shows_it_and_a_phone_does_not(tmp_path, sample_package) -> None:
    from .conftest import device_at

    device = device_at(tmp_path, sample_package, '[web]\nwifi_name = "Wadi"\nwifi_password = "secret;12"\n')
    client = create_app(device).test_client()
    assert "Wadi" in client.get("/phone").text and "http://pikvani.local" in client.get("/phone").text
    assert client.get("/phone/wifi.svg").data.startswith(b"<svg")
    assert client.get("/phone/page.svg").data.startswith(b"<svg")
    assert client.get("/phone/wifi.svg", **PHONE).status_code == 404
    device.close()
