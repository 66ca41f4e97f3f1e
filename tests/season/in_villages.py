"""What happens in the villages. Each chapter drives people's own interfaces and says what it promised."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.season.calendar import FAKETIME, days_ago, may_mount
from tests.season.people import Farmer, spoken
from tests.season.places import BIRTH_DAYS_AGO, until
from tests.season.stage import KISAN_CALL_CENTRE, Season, provision
from tests.season.village import Village
from tests.support import browser

LANGUAGES = {"mr-IN": "Marathi", "hi-IN": "Hindi", "en-IN": "English"}


def before_enrolment(season: Season) -> None:
    """Nobody knows the devices yet; they answer all the same."""
    for village, locale in zip(season.villages, ("mr-IN", "hi-IN", "mr-IN"), strict=True):
        page = season.visit(village, locale)
        season.story.promise(
            f"{village.called} answers in {LANGUAGES[locale]} with no centre", KISAN_CALL_CENTRE in page
        )
    said = season.villages[0].ask(season.some(3), "cotton")
    right = sum(row["decision"] == "answer" and row["condition"] == "cotton/healthy" for row in said)
    season.story.promise("three healthy cotton leaves are looked at", len(said) == 3, f"{right} of them called healthy")
    season.story.promise("what was said waits on the device", season.villages[0].waiting() >= 4)


def enrolment(season: Season) -> None:
    """By stick and by link."""
    first = season.villages[0]
    stick = first.sticks / "usb" / "pikvani-enrol"
    stick.mkdir(parents=True)
    laid = until((stick / f"{first.id}.pkvq").exists, 60)
    season.story.promise("the device puts its request on the stick by itself", laid)
    season.centre.open_desk()
    carry: list[object] = ["enrol", "--requests", stick.parent, "--offline-queue", season.folder / "laptop"]
    carry += ["--centre", f"https://127.0.0.1:{season.centre.centre.enrol_port}"]
    carry += ["--ca", season.centre.centre.folder / "ca" / "root.pem"]
    until(lambda: "cannot be reached" not in provision(*carry), 60)
    for village in season.villages:
        village.link.mend()
    for village in season.villages:
        known = until(lambda v=village: v.identity() == "enrolled", 120)  # type: ignore[misc]
        season.story.promise(
            f"{village.called} has its certificate", known, "by stick" if village is first else "by HTTPS"
        )
    for village in season.villages:
        empty = until(lambda v=village: v.waiting() == 0, 120)  # type: ignore[misc]
        season.story.promise(f"what {village.called} had kept is at the centre", empty and season.agrees(village))
    season.story.promise(
        "no device looks like a copy", not any(d.get("copies") for d in season.centre.devices().values())
    )


def kiosk(season: Season) -> None:
    """By touch, and by pages in three languages."""
    if browser.MISSING:
        season.story.tell(browser.MISSING)
    else:
        for village, locale in zip(season.villages, ("mr-IN", "hi-IN", "mr-IN"), strict=True):
            _by_touch(season, village, locale)
    for locale, crop in (("mr-IN", "cotton"), ("hi-IN", "cotton"), ("en-IN", "cotton")):
        page = season.visit(season.villages[1], locale, crop)
        language = f'lang="{locale}"'
        season.story.promise(
            f"the answer is in {LANGUAGES[locale]} and names whom to call",
            language in page and KISAN_CALL_CENTRE in page,
        )
    first = season.centre.cases(season.villages[1].id)
    arrives = until(lambda: len(season.centre.cases(season.villages[1].id)) >= season.expected(season.villages[1]), 60)
    season.story.promise("the centre hears of it within a minute", arrives, f"{len(first)} cases before")


def _by_touch(season: Season, village: Village, locale: str) -> None:
    """A person in a real browser: language, crop, photograph, symptom, answer."""
    with season.window.new_context(viewport={"width": 800, "height": 480}, has_touch=True) as context:
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(village.base + "/")
        if village is season.villages[0]:
            season.story.picture("The kiosk waits", page.screenshot())

        def tap(selector: str) -> None:
            with page.expect_navigation(wait_until="load", timeout=browser.TIMEOUT_MS):
                page.locator(selector).first.tap()

        try:
            tap(f'.language[lang="{locale}"]')
            tap('[data-pick$=":cotton"]')
            while not page.locator('[data-pick="next"], .verdict').count():
                tap('[data-pick="shoot"]')  # a photograph may be too dark or blurred, and is taken again
            if not page.locator(".verdict").count():  # a crop that comes again leads to the answer at once
                tap('[data-pick="next"]')
                page.locator('[data-pick="symptom:spots"]').check(force=True)
                tap('[data-pick="next"]')
        except Exception:
            season.story.picture("Where it ended", page.screenshot())
            raise
        season.story.picture(f"The answer at {village.called}, in {LANGUAGES[locale]}", page.screenshot())
        text = page.content()
        season.asked(village)
    season.story.promise(f"{village.called}: an answer by touch alone, in a real browser", KISAN_CALL_CENTRE in text)
    away = [url for url in asked if not url.startswith((village.base, "data:", "blob:"))]
    season.story.promise("the page asked nothing of anybody but the device", not away, f"{len(asked)} requests")


def outage(season: Season) -> None:
    """Two weeks without a link, the plug pulled again and again; then link and centre come back."""
    village = season.villages[1]
    village.link.cut()
    cuts, each = (3, 4) if season.short else (20, 20)
    asked: dict[str, datetime] = {}
    for number in range(cuts):
        today = BIRTH_DAYS_AGO * (1 - number / cuts)
        known = len(village.told)
        village.ask(season.some(each), "cotton")
        _asked_and_cut(season, village, each)
        when = datetime.now(UTC) - timedelta(days=today)
        asked |= dict.fromkeys(village.told[known:], when)
        village.reboot(days_ago(BIRTH_DAYS_AGO * (1 - (number + 1) / cuts)))
    season.story.tell(f"{cuts} power cuts in {BIRTH_DAYS_AGO:.0f} days; {len(asked)} farmers were told something")
    season.story.figure("days without a link", f"{BIRTH_DAYS_AGO:.0f}")
    season.story.figure("power cuts", cuts)
    season.story.promise("nothing goes out while there is no link", village.waiting() >= cuts * each)
    season.centre.kill()
    village.link.mend()
    season.story.tell("the link comes back while the centre is down; then the centre comes back")
    time.sleep(2)
    season.centre.come_back()
    for one in season.villages:
        if one is not village:
            one.reboot("")
    drained = until(lambda: village.waiting() == 0, 180)
    season.story.promise("everything reaches the centre when both are back", drained)
    stored = season.centre.cases(village.id)
    season.story.promise(
        "nothing a farmer was told is lost", set(village.told) <= set(stored), f"{len(village.told)} told"
    )
    season.story.promise("nothing is there twice", len(stored) == len(set(stored)), f"{len(stored)} stored")
    if may_mount():
        _on_their_days(season, village, asked)
    else:
        season.story.tell("power cuts are no boots here (nothing may be mounted), so days are not looked at")
    season.hundreds_more()


def _asked_and_cut(season: Season, village: Village, count: int) -> None:
    """The plug is pulled while farmers ask: what was printed was told to one, and must be there whatever was cut."""
    words = village.command("diagnose", "--record", "--each", "--jsonl", "--crop", "cotton", *season.some(count))
    asking = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=village.environment)
    time.sleep(season.rng.uniform(0.5, 3.0))
    asking.kill()
    told, _ = asking.communicate()
    village.told += [json.loads(line)["case_id"] for line in told.splitlines() if line.endswith("}")]


def _on_their_days(season: Season, village: Village, asked: dict[str, datetime]) -> None:
    """The device had no clock it could trust and was booted again and again: the days must be right all the same."""
    moments = season.centre.moments(village.id)
    away = [abs(moments[case] - when) for case, when in asked.items() if case in moments]
    off = max(away, default=timedelta.max)
    days = {moments[case].date() for case in asked if case in moments}
    season.story.promise(
        "each of their cases stands on the day it was asked on",
        off < timedelta(minutes=30),
        f"{len(days)} days from {min(days)} to {max(days)}, none off by more than {off.total_seconds():.0f} s",
    )


def stick(season: Season) -> None:
    """Records go and receipts come by hand."""
    village, stick = season.villages[2], season.folder / "usb"
    village.link.cut()
    stick.mkdir()
    village.ask(season.some(5), "cotton")
    village.device("export", "--to", stick)
    names = [path.name for path in stick.iterdir()]
    season.story.promise(
        "the stick tells a finder nothing", not _readable(stick, [b"cotton", village.id.encode()]), ", ".join(names)
    )
    take = ["import", stick, "--config", season.centre.config, "--keys", season.centre.stick_keys / "centre-secret.pem"]
    take += ["--ca", season.centre.centre.trust]
    season.centre.server(*take)
    again = season.centre.server(*take)
    season.story.promise(
        "a second time takes nothing twice", "0 records committed" in again, again.strip().splitlines()[0]
    )
    village.device("export", "--to", stick)
    season.story.promise("the receipt came back on the stick", village.waiting() == 0)
    season.story.promise("the centre has them", set(village.told) <= set(season.centre.cases(village.id)))
    village.link.mend()


def voice(season: Season) -> None:
    """Crop and complaint said in both languages; nothing is touched but the photograph."""
    village = season.villages[0]
    for locale, language, crop, complaint in (
        ("mr-IN", "mr", "कापूस", "पानांवर डाग आहेत"),
        ("hi-IN", "hi", "कपास", "पत्तों पर धब्बे हैं"),
    ):
        farmer = Farmer(village.base, locale)
        farmer.get(f"/language/{locale}")
        farmer.speaks("crop", *spoken(season.folder / "said", language, crop))
        farmer.post("/camera/shoot", [])
        page = farmer.speaks("symptoms", *spoken(season.folder / "said", language, complaint))
        season.asked(village)
        held = farmer.url.endswith("/answer") and KISAN_CALL_CENTRE in page
        again = f"{farmer.asked_again} of 2 notes said twice"
        season.story.promise(f"{crop}, {complaint}: understood, read back, answered", held, again)


def clocks(season: Season) -> None:
    """A device whose clock died, and one whose clock ran away. The centre puts their cases where they belong."""
    if not FAKETIME.exists():
        season.story.tell("libfaketime is not installed: Debian package faketime")
    for number, (name, lie) in enumerate((("nandgaon", "@1970-01-01 00:02:00"), ("shirur", "@2099-06-01 00:00:00")), 4):
        village = Village(name, season.centre, number, season.leaves, True, clock=lie)
        season.villages.append(village)
        page = season.visit(village, "mr-IN")
        year = lie[1:5]
        season.story.promise(f"{village.called}, which believes it is {year}, answers", KISAN_CALL_CENTRE in page)
        known = until(lambda v=village: v.identity() == "enrolled", 120)  # type: ignore[misc]
        season.story.promise(f"{village.called} gets its certificate", known)
        said = village.ask(season.some(3), "cotton")
        arrived = until(lambda v=village: set(v.told) <= set(season.centre.cases(v.id)), 120)  # type: ignore[misc]
        season.story.promise(f"what {village.called} said arrives", bool(said) and arrived)
        times = [row["happened_at"] for row in season.centre.api(f"cases?device={village.id}&limit=100")["cases"]]
        seen = [datetime.fromisoformat(text) for text in times]
        now = datetime.now(UTC)
        near = bool(seen) and all(abs(now - at) < timedelta(minutes=30) for at in seen)
        season.story.promise(
            "its cases stand at the hour they were asked, today", near, ", ".join(t[:16] for t in sorted(times)[:2])
        )


def full_card(season: Season) -> None:
    """No byte is left on the card; then somebody makes room."""
    try:
        village = Village("manchar", season.centre, 6, season.leaves, True, room_mb=64)
    except OSError as error:
        # Said, not promised: where nothing may be mounted, the suite's own tests of a full disk stand for it.
        season.story.tell(f"no card of its own can be mounted here: {error}")
        season.story.promise("the reason is a right that is missing, not a fault", "permission" in str(error).lower())
        return
    season.villages.append(village)
    until(lambda: village.identity() == "enrolled", 120)
    before = village.ask(season.some(2), "cotton")
    season.story.promise("with room, cases are kept", len(before) == 2 and all(row["case_id"] for row in before))
    assert village.card is not None
    village.card.fill()
    page = Farmer(village.base, "mr-IN").asks("cotton", "spots")
    season.story.promise("full to the last byte it still answers", KISAN_CALL_CENTRE in page)
    season.story.promise("and says that it could not keep the case", 'class="told"' in page)
    village.power_cut()
    village.start()
    page = Farmer(village.base, "hi-IN").asks("cotton", "spots")
    season.story.promise("also after the plug was pulled", KISAN_CALL_CENTRE in page)
    village.card.make_room()
    season.visit(village, "mr-IN")
    after = village.ask(season.some(2), "cotton")
    season.story.promise("with room again, cases are kept again", len(after) == 2)
    ended: list[str] = []

    def there() -> bool:
        ended.extend(village.tend())
        return set(village.told) <= set(season.centre.cases(village.id))

    arrived = until(there, 120)
    if ended:
        season.story.tell(f"without room these parts ended, and were started again: {', '.join(ended)}")
    season.story.promise("what was told before and after is at the centre", arrived, f"{len(village.told)} cases")


def _readable(folder: Path, words: list[bytes]) -> list[bytes]:
    """Words that stand in a file of the folder as they are."""
    return [word for path in folder.rglob("*") if path.is_file() for word in words if word in path.read_bytes()]
