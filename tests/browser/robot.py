"""Robots that want an answer: one that only touches, one that cannot read, one that only speaks and is misheard.

A robot sees what its person sees and no more. Whether it succeeded is judged from outside, by what was asked.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Page, Response
from tests.browser.stage import Stage

CROPS = (
    "bell_pepper", "blackgram", "chilli", "cotton", "grape", "maize", "potato", "rice", "sugarcane", "tomato",
)  # fmt: skip
SYMPTOMS = ("spots", "yellow", "curl", "powder", "wilt")
SPOKEN = dict(zip(SYMPTOMS, ("sym_spot", "sym_yellowing", "sym_curl", "sym_powder", "sym_wilt"), strict=True))
COMMANDS = ("ans_back", "ans_help", "ans_next", "ans_repeat", "ans_stop")
MOST_ACTS = 60


@dataclass
class Wish:
    """What a farmer came for."""

    locale: str
    crop: str
    symptom: str
    photos: int

    @classmethod
    def of(cls, rng: random.Random, locales: tuple[str, ...]) -> Wish:
        return cls(rng.choice(locales), rng.choice(CROPS), rng.choice(SYMPTOMS), rng.choice((1, 1, 1, 2, 3)))


@dataclass
class Robot:
    """What all robots can do.

    Attributes:
        page: what it sees.
        stage: the device it stands before.
        base: address of the pages.
        wish: what it came for.
        rng: of its choices.
    """

    page: Page
    stage: Stage
    base: str
    wish: Wish
    rng: random.Random
    acts: int = 0
    taken: int = 0
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """For robots that notice more."""

    @property
    def kind(self) -> str:
        return (self.page.locator("body").get_attribute("class") or "").split()[-1]

    def touch(self, selector: str) -> None:
        self.acts += 1
        with self.page.expect_navigation(wait_until="load"):
            self.page.locator(selector).first.tap()

    def run(self) -> bool:
        """Try for an answer; whether the right one was found, with what to do today."""
        self.page.goto(self.base + "/")
        while self.acts < MOST_ACTS:
            kind = self.kind
            self.seen.append(kind)
            if kind == "stage":
                return self.found()
            step = getattr(self, f"at_{kind}", None)
            if step is None:
                self.touch('[data-go="home"]')
            else:
                step()
        return False

    def found(self) -> bool:
        """Judged from outside: the last case is of the crop that was wanted, and its advice is on the screen."""
        latest = self.stage.device.latest_cases(1)[0].body
        return latest.crop == self.wish.crop and self.page.locator(".sentence").count() > 0

    def at_start(self) -> None:
        self.taken = 0
        self.touch(f'.language[lang="{self.wish.locale}"]')

    def at_help(self) -> None:
        self.touch('[data-go="back"]')


class Toucher(Robot):
    """Touches, hears nothing."""

    def at_crop(self) -> None:
        self.taken = 0
        self.touch(f'[data-pick$=":{self.wish.crop}"]')

    def at_camera(self) -> None:
        if self.taken < self.wish.photos and self.page.locator('[data-pick="shoot"]').count():
            self.taken += 1
            self.touch('[data-pick="shoot"]')
        else:
            self.touch('[data-pick="next"]')

    def at_symptoms(self) -> None:
        self.page.locator(f'[data-pick="symptom:{self.wish.symptom}"]').check(force=True)
        self.touch('[data-pick="next"]')

    def at_answer(self) -> None:
        self.touch('[data-pick="stage:today"]')


SAID = {
    "crop": {"crop_ask"},
    "camera": {"camera_ask"},
    "symptoms": {"symptoms_ask"},
    "stage": {"stage.today"},
}
"""What each page must have said aloud before the robot that cannot read goes on."""


class Listener(Toucher):
    """Cannot read: knows the pictures by what they show, and goes on only where it was told aloud what to do."""

    def __post_init__(self) -> None:
        self.sounds: list[tuple[str, str]] = []
        self.page.on("response", self._sounded)

    def _sounded(self, response: Response) -> None:
        path = unquote(urlsplit(response.url).path)
        if path.startswith("/speech/") and response.ok:
            _, _, locale, prompts = path.split("/", 3)
            self.sounds += [(locale, prompt) for prompt in prompts.split("+")]

    def heard(self) -> set[str]:
        """Sentences that sounded on this page, by ids."""
        return {prompt for _, prompt in self.sounds}

    def told(self, wanted: set[str]) -> bool:
        """Whether all of it has been said; the page is given a while."""
        for _ in range(200):
            if wanted <= self.heard():
                return True
            self.page.wait_for_timeout(50)
        return False

    def tap_picture(self, within: str, picture: str) -> None:
        """Touch the one that shows a picture, whatever is written beside it."""
        self.touch(f'{within}:has(img[src*="/{picture}"]), {within}:has(use[href$="#{picture}"])')

    def listen(self, wanted: set[str]) -> None:
        if not self.told(wanted):
            raise AssertionError(f"the page {self.kind} did not say {wanted - self.heard()}")
        self.sounds.clear()

    def at_start(self) -> None:
        self.taken = 0
        self.sounds.clear()
        self.page.locator(".welcome img").tap()  # anywhere: it greets in each language in turn
        for _ in range(40):
            if (self.wish.locale, "greeting") in self.sounds:
                break
            self.page.wait_for_timeout(50)
        else:
            raise AssertionError("nobody greeted in the farmer's language")
        self.touch(f'.language[lang="{self.wish.locale}"]')

    def at_crop(self) -> None:
        self.listen(SAID["crop"])
        self.tap_picture("button.tile", f"{self.wish.crop}.svg")

    def at_camera(self) -> None:
        self.listen(SAID["camera"])
        if self.taken < self.wish.photos:
            self.taken += 1
            self.tap_picture("button", "camera")
        else:
            self.tap_picture("main a", "next")

    def at_symptoms(self) -> None:
        self.listen(SAID["symptoms"])
        self.page.locator(f'label.tile:has(img[src*="/{self.wish.symptom}.svg"])').tap()
        self.tap_picture("main button", "next")

    def at_answer(self) -> None:
        latest = self.stage.device.latest_cases(1)[0].body
        crop, _, condition = latest.condition.partition("/")
        self.listen({f"crop.{crop}", f"condition.{condition}", "referral.answer"})
        self.tap_picture("main a", "today")

    def found(self) -> bool:
        return self.told(SAID["stage"]) and any(":today:" in prompt for prompt in self.heard()) and super().found()


class Speaker(Toucher):
    """Speaks; what is understood is wrong `errors` of the time. Touches only what the page asks to be touched."""

    errors = 0.4

    def say(self, at: str, **meant: str) -> None:
        self.acts += 1
        understood = meant if self.rng.random() >= self.errors else self.misheard()
        self.stage.hear(lambda: understood)
        there = self.page.evaluate(
            """async (at) => {
              const form = new FormData();
              form.append("at", at);
              form.append("note", new Blob(["note"]), "note");
              return (await fetch("/voice", { method: "POST", body: form })).url;
            }""",
            at,
        )
        self.page.goto(there)

    def misheard(self) -> dict[str, str]:
        return self.rng.choice(
            (
                {},
                {"crop": f"crop_{self.rng.choice(CROPS)}"},
                {"symptom": self.rng.choice(tuple(SPOKEN.values()))},
                {"answer": self.rng.choice(("ans_yes", "ans_no", "ans_dont_know"))},
                {"command": self.rng.choice(COMMANDS)},
            )
        )

    @property
    def urged_to_touch(self) -> bool:
        return self.page.locator("main.touch-first").count() > 0

    def at_crop(self) -> None:
        self.taken = 0
        if self.urged_to_touch:
            self.touch(f'[data-pick$=":{self.wish.crop}"]')
        else:
            self.say("crop", crop=f"crop_{self.wish.crop}")

    def at_confirm(self) -> None:
        shown = {one.get_attribute("data-heard") for one in self.page.locator("[data-heard]").all()}
        right = shown in ({f"crop:{self.wish.crop}"}, {f"symptoms:{self.wish.symptom}"})
        if self.urged_to_touch:
            self.touch('[data-pick="yes"]' if right else '[data-pick="no"]')
        else:
            self.say("confirm", answer="ans_yes" if right else "ans_no")

    def at_camera(self) -> None:
        shots = self.page.locator(".strip img").count()
        if self.urged_to_touch:
            self.touch('[data-pick="next"]' if shots else '[data-pick="shoot"]')
        elif shots:
            self.say("camera", command="ans_next")
        else:
            self.say("camera", answer="ans_yes")

    def at_symptoms(self) -> None:
        if self.urged_to_touch:
            super().at_symptoms()
        else:
            self.say("symptoms", symptom=SPOKEN[self.wish.symptom])

    def at_answer(self) -> None:
        # The answer names the crop; who hears another one than his begins again.
        said = self.page.locator("nav [data-auto]").get_attribute("href") or ""
        if f"crop.{self.wish.crop}+" in said:
            self.touch('[data-pick="stage:today"]')
        else:
            self.touch('[data-go="home"]')

    def at_take(self) -> None:
        self.touch('[data-go="back"]')


ROBOTS = {"touch": Toucher, "picture": Listener, "voice": Speaker}
