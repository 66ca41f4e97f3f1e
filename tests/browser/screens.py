"""Every state of the farmer's pages and how to come into it by requests alone, to be looked at by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext, Page
from tests.browser.stage import KIOSK, PHONE, PIN, STAGES, Stage

from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.web.keys import ApiKeys

LEAF = drawn_jpeg(5)
Arrange = Callable[["Asker"], None]


@dataclass
class Asker:
    """Requests with the cookies of a browser."""

    context: BrowserContext
    stage: Stage
    base: str
    locale: str

    def get(self, path: str) -> None:
        self.context.request.get(self.base + path, max_redirects=0)

    def post(self, path: str, **form: str) -> None:
        self.context.request.post(self.base + path, form=form, max_redirects=0)

    def begin(self) -> None:
        self.get("/end")
        self.get(f"/language/{self.locale}")

    def picked(self, crop: str = "cotton") -> None:
        self.begin()
        self.post("/crop", crop=crop)

    def photos(self, count: int = 1) -> None:
        self.picked()
        for _ in range(count):
            if self.base.startswith(f"http://{PHONE}"):
                self.sent(LEAF)
            else:
                self.post("/camera/shoot")
        self.get("/camera")  # where a person sees, once, that the photograph is good

    def sent(self, data: bytes) -> None:
        self.context.request.post(
            self.base + "/photos",
            multipart={"photos": {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": data}},
            max_redirects=0,
        )

    def answered(self, decision: str = "answer", reason: str = "", condition: str = "") -> None:
        self.stage.decide(decision, reason, condition)
        self.photos()
        self.post("/symptoms", symptom="spots")

    def said_symptoms(self) -> None:
        self.stage.hear(dict)
        self.context.request.post(
            self.base + "/voice",
            multipart={"at": "symptoms", "note": {"name": "n", "mimeType": "audio/wav", "buffer": b"x"}},
            max_redirects=0,
        )

    def heard(self, **slots: str) -> None:
        self.stage.hear(lambda: slots)
        self.context.request.post(
            self.base + "/voice",
            multipart={
                "at": "crop" if "crop" in slots else "symptoms",
                "note": {"name": "n", "mimeType": "audio/wav", "buffer": b"x"},
            },
            max_redirects=0,
        )


@dataclass(frozen=True)
class Screen:
    """One state.

    Attributes:
        name: the page, and after a hyphen which state of it; for messages and screenshots.
        path: its address; `{locale}` stands for the language.
        arrange: brings the visit there.
        scrolls: whether its words may be longer than the kiosk's screen.
        act: done on the opened page; for states no address leads to.
    """

    name: str
    path: str
    arrange: Arrange
    scrolls: bool = False
    act: Callable[[Page], None] | None = None

    @property
    def kind(self) -> str:
        """The page it must be: the name up to its first hyphen."""
        return self.name.partition("-")[0]


def _crop_after_a_case(asker: Asker) -> None:
    asker.answered()
    asker.begin()


def _six(asker: Asker) -> None:
    asker.photos(6)


def _unreadable(asker: Asker) -> None:
    asker.picked()
    asker.sent(b"text")


def _camera_gone(asker: Asker) -> None:
    asker.picked()
    asker.stage.camera(False)
    asker.post("/camera/shoot")
    asker.stage.camera(True)


def _missed_twice(asker: Asker) -> None:
    asker.begin()
    for _ in range(2):
        asker.heard()
        asker.context.request.post(
            asker.base + "/voice",
            multipart={"at": "crop", "note": {"name": "n", "mimeType": "audio/wav", "buffer": b"x"}},
            max_redirects=0,
        )


def _confirm_crop(asker: Asker) -> None:
    asker.begin()
    asker.heard(crop="crop_sugarcane")


def _confirm_symptoms(asker: Asker) -> None:
    asker.photos()
    asker.heard(symptom="sym_spot,sym_whitefly,sym_yellowing")


def _helped(asker: Asker) -> None:
    asker.answered()
    asker.post("/answer/helpful", helpful="yes")


def _asked(asker: Asker) -> None:
    asker.answered()
    asker.get("/consent")


def _asked_for(who: str, spoke: bool = False) -> Arrange:
    def arrange(asker: Asker) -> None:
        asker.stage.decide("answer")
        asker.photos()
        if spoke:
            asker.said_symptoms()
        asker.post("/symptoms", symptom="spots")
        asker.post("/consent", who=who)

    return arrange


def _allowed(asker: Asker) -> None:
    _asked_for("self")(asker)
    asker.post("/consent/purposes", purpose="photo")


def _digits(asker: Asker) -> None:
    asker.begin()
    for digit in "1234":
        asker.post("/data", digit=digit)


def _unknown_digits(asker: Asker) -> None:
    asker.begin()
    for digit in "00000000":
        asker.post("/data", digit=digit)


def _technician(asker: Asker) -> None:
    asker.begin()
    asker.stage.forgive()
    asker.stage.enrol("waiting")
    for key in ApiKeys(asker.stage.device.store).all():
        ApiKeys(asker.stage.device.store).revoke(key.id)
    asker.post("/service/enter", pin=PIN)


def _left(asker: Asker) -> None:
    asker.begin()
    asker.stage.forgive()
    asker.post("/service/leave")


def _centre(state: str) -> Arrange:
    def arrange(asker: Asker) -> None:
        asker.begin()
        asker.stage.enrol(state)

    return arrange


def _beside_a_printer(asker: Asker) -> None:
    asker.answered()
    asker.stage.printer(True)


def _send(form: str, **fields: str) -> Callable[[Page], None]:
    """Fill a form of the page and send it."""

    def act(page: Page) -> None:
        for name, value in fields.items():
            page.fill(f'form[action$="{form}"] [name="{name}"]', value)
        with page.expect_navigation(wait_until="load"):
            page.locator(f'form[action$="{form}"] button').last.click()

    return act


def _lock(page: Page) -> None:
    wrong = _send("/service/enter", pin="111111")
    while page.locator('form[action$="/service/enter"]').count():
        wrong(page)


def _nobody_there(page: Page) -> None:
    page.evaluate("document.querySelector('dialog.still').showModal()")


LONGEST = "chilli/leaf_curl_mites_thrips"
FARMER: tuple[Screen, ...] = (
    Screen("start", "/?locale={locale}", lambda a: a.get("/end")),
    Screen("crop", "/crop", Asker.begin),
    Screen("crop-returning", "/crop", _crop_after_a_case),
    Screen("crop-touch-instead", "/crop", _missed_twice),
    Screen("crop-nobody-there", "/crop", Asker.begin, act=_nobody_there),
    Screen("confirm-crop", "/confirm", _confirm_crop),
    Screen("camera", "/camera", Asker.picked),
    Screen("camera-one", "/camera", Asker.photos),
    Screen("camera-six", "/camera", _six),
    Screen("camera-unreadable", "/camera", _unreadable),
    Screen("camera-gone", "/camera", _camera_gone),
    Screen("photo", "/photos/1", Asker.photos),
    Screen("symptoms", "/symptoms", Asker.photos),
    Screen("confirm-symptoms", "/confirm", _confirm_symptoms),
    Screen("answer", "/answer", Asker.answered),
    Screen("answer-longest", "/answer", lambda a: a.answered(condition=LONGEST)),
    Screen("answer-more", "/answer", lambda a: a.answered("more", "unsure")),
    Screen("answer-refuse", "/answer", lambda a: a.answered("refuse", "other_crop")),
    *(Screen(f"stage-{stage}", f"/answer/{stage}", Asker.answered, scrolls=True) for stage in STAGES),
    Screen("take", "/answer/take", Asker.answered),
    Screen("take-helped", "/answer/take", _helped),
    Screen("take-printer", "/answer/take", _beside_a_printer),
    Screen("consent", "/consent", _asked),
    Screen("purposes", "/consent/purposes", _asked_for("self")),
    Screen("purposes-parent-spoke", "/consent/purposes", _asked_for("parent", spoke=True)),
    Screen("answer-child", "/answer", _asked_for("child")),
    Screen("code", "/consent/code", _allowed),
    Screen("enter_code", "/data", _digits),
    Screen("enter_code-unknown", "/data", _unknown_digits),
    Screen("found", "/data/found", _asked),
    Screen("found-sent", "/data/found", _allowed),
    Screen("slip", "/answer/print", Asker.answered, scrolls=True),
    Screen("listen", "/listen?at=crop", Asker.begin),
    Screen("help", "/help", Asker.begin),
    Screen("phone", "/phone", Asker.begin),
    Screen("history", "/history", _crop_after_a_case, scrolls=True),
    Screen("problem", "/nowhere", Asker.begin),
)
TECHNICIAN: tuple[Screen, ...] = (
    Screen("service_enter", "/service/", _left, scrolls=True),
    Screen("service_enter-wrong", "/service/", _left, scrolls=True, act=_send("/service/enter", pin="111111")),
    Screen("service", "/service/", _technician, scrolls=True),
    Screen("service-key", "/service/", _technician, scrolls=True, act=_send("/service/keys", name="laptop")),
    Screen("service-unknown", "/service/", _technician, scrolls=True, act=_send("/service/erase", which="00000000")),
    Screen("centre", "/centre/", _centre("waiting"), scrolls=True),
    Screen("centre-refused", "/centre/", _centre("refused"), scrolls=True),
    Screen("centre-enrolled", "/centre/", _centre("enrolled"), scrolls=True),
    Screen("centre-not-for-us", "/centre/", _centre("waiting"), scrolls=True, act=_send("/centre/answer", text="?")),
    Screen("centre-nothing-seen", "/centre/", _centre("waiting"), scrolls=True, act=_send("/centre/scan")),
    Screen("service_enter-locked", "/service/", _left, scrolls=True, act=_lock),
)
ONLY_KIOSK = {"camera-gone", "phone", "take-printer", "centre-nothing-seen"}
"""Screens no phone is shown."""
SIZES = {"800x480": (800, 480), "1024x600": (1024, 600), "portrait": (600, 1024), "phone": (390, 844)}
"""Viewports; the first two are the kiosk's."""


@contextlib.contextmanager
def browsing(
    chromium: Browser, stage: Stage, size: str, locale: str, asked: list[str] | None = None
) -> Iterator[Asker]:
    width, height = SIZES[size]
    context = chromium.new_context(viewport={"width": width, "height": height}, has_touch=True)
    if asked is not None:
        context.on("request", lambda request: asked.append(request.url))
    host = PHONE if size == "phone" else KIOSK
    try:
        yield Asker(context, stage, f"http://{host}:{stage.port}", locale)
    finally:
        context.close()


def show(asker: Asker, page: Page, screen: Screen) -> None:
    asker.stage.printer(False)
    screen.arrange(asker)
    page.goto(asker.base + screen.path.format(locale=asker.locale))
    page.wait_for_load_state("load")
    if screen.act:
        screen.act(page)
    assert (page.locator("body").get_attribute("class") or "").split()[-1] == screen.kind, screen.name
