"""What happens at the centre. Each chapter drives people's own interfaces and says what it promised."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from tests.season.people import Agronomist, Farmer
from tests.season.places import PACKAGE, Village, until, version_of
from tests.season.stage import Season


def rollout(season: Season) -> None:
    """A bad version, then a good one."""
    for village in season.villages:
        village.ask(season.some(16), "cotton")  # what a new version is compared with
    here = json.loads((PACKAGE / "manifest.json").read_text())["version"]
    bad = season.centre.sign(version_of(season.folder / "bad", "90.0.0", answer=1.0, more=0.0))
    told = season.centre.rollout("start", bad, "--steps", "34,100", "--soak-hours", "0", "--by", "asha")
    season.story.tell(told.strip().splitlines()[0])
    taker = _taker(season, bad)
    season.story.promise("one device takes the bad version, as the canary", taker is not None)
    if taker is not None:
        for _ in range(6):
            taker.ask(season.some(4), "cotton")
            if taker.check() == "rolled_back":
                break
        season.story.promise(
            "it goes back by itself, since it answers nobody", taker.answers() == f"leaf@{here}", taker.answers()
        )
    halted = until(lambda: season.centre.rollout_status(1)["state"] in ("halted", "paused"), 90)
    state = season.centre.rollout_status(1)
    season.story.promise("the roll-out stops by itself", halted, f"{state['state']}: {state.get('reason', '')}")
    if state["state"] == "paused":
        # So few devices prove nothing to a test of significance: it asks a person, who looks and ends it.
        season.centre.rollout("abort", 1, "--by", "asha", "--because", "it answers nobody")
    others = [v for v in season.villages if v is not taker]
    season.story.promise("nobody else ever ran it", all(v.answers() == f"leaf@{here}" for v in others))
    good = season.centre.sign(version_of(season.folder / "good", "91.0.0"))
    season.centre.rollout("start", good, "--steps", "34,100", "--soak-hours", "0", "--by", "asha")
    for _ in range(40):
        for village in season.villages:
            if village.check() == "watching":
                village.ask(season.some(5), "cotton")
        if season.centre.rollout_status(2)["state"] == "done":
            break
        time.sleep(1)
    done = season.centre.rollout_status(2)
    season.story.promise("the good version is everywhere on proof", done["state"] == "done", done["states"])
    season.story.promise("every device answers with it", all(v.answers() == good for v in season.villages))


def _taker(season: Season, version: str) -> Village | None:
    """The device that takes an order for a version, within a while."""
    for _ in range(30):
        for village in season.villages:
            village.check()
            if village.answers() == version:
                return village
        time.sleep(1)
    return None


def drift(season: Season) -> None:
    """A fleet on fast-forward, with new cameras and a new disease."""
    before = sum(len(season.centre.cases(village.id)) for village in season.villages)
    devices, days = (48, 42) if season.short else (300, 120)
    words = ["--devices", str(devices), "--days", str(days), "--road", "light", "--database", season.centre.url]
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *words, "--seed", str(season.seed), "--faults", "camera,disease"],
        capture_output=True,
        text=True,
        timeout=1_800,
    )
    if not done.stdout:
        raise RuntimeError(done.stderr[-1500:])
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    season.story.tell(f"{devices} light devices lived {days} days: {told['cases_stored']} cases")
    places = {alarm["name"] for alarm in told["alarms"]}
    districts = sorted(name for name in places if not name.startswith("sim-"))
    season.story.promise("an alarm names the district of the new cameras", "Latur" in places, ", ".join(districts))
    lost = told["cases_committed"] + before - told["cases_stored"]
    evidence = f"{told['cases_committed']} cases, {max(0, lost)} missing"
    season.story.promise("no case of the fleet is missing", lost <= 0, evidence)
    season.story.promise("not the whole state is alarmed", len(districts) < 12, f"{len(districts)} districts named")


def stolen(season: Season) -> None:
    """Revoked and replaced."""
    village = season.villages[2]
    new = Village("khed-new", season.centre, 7, season.leaves, True)
    season.villages.append(new)
    told = season.centre.server(
        *("enrolment", "replace", village.id, new.id, "--reason", "stolen from the panchayat"),
        *("--config", season.centre.config),
    )
    season.story.tell(told.strip().splitlines()[-1])
    season.centre.server(
        *("enrolment", "revoke", village.id, "--reason", "stolen from the panchayat"),
        *("--config", season.centre.config),
    )
    before = season.centre.cases(village.id)
    village.ask(season.some(2), "cotton")
    season.story.promise("the new device is known by itself", until(lambda: new.identity() == "enrolled", 120))
    new.ask(season.some(2), "cotton")
    season.story.promise("and reports", until(lambda: set(new.told) <= set(season.centre.cases(new.id)), 120))
    time.sleep(5)
    season.story.promise("nothing more comes of the stolen one", season.centre.cases(village.id) == before)
    season.story.promise("what it sent before stays", len(before) > 0, f"{len(before)} cases")
    state = season.centre.devices()[village.id]["state"]
    season.story.promise("the centre's page calls it revoked", state == "revoked", state)
    village.told = [case for case in village.told if case in before]


def labels(season: Season) -> None:
    """Farmers allow their photographs; two people name each, a third settles what they see differently."""
    village, wanted = season.villages[1], 3 if season.short else 12
    for n in range(4 * wanted):
        farmer = Farmer(village.base, "mr-IN")
        # A cotton leaf shown as another crop: the model is unsure or refuses, and that is what people shall look at.
        # After six photographs it no longer asks for another one, which nobody would label.
        farmer.asks(("chilli", "tomato", "sugarcane")[n % 3], "spots", photographs=6)
        season.asked(village)
        season.codes.append(farmer.allows("photo", "training"))
        time.sleep(0.2)
        if n >= wanted - 1 and _unnamed(season) >= wanted:
            break
    until(lambda: _unnamed(season) >= wanted, 120)
    season.story.promise("what the model was unsure of waits for people", _unnamed(season) >= wanted)
    people = [
        Agronomist(
            season.centre.web, season.centre.server("users", "add", name, "--role", "agronomist", *season.config)
        )
        for name in ("asha", "bhau", "chhaya")
    ]
    named = 0
    while named < wanted and people[0].names("cotton/healthy"):
        named += 1
    for n in range(named):
        # The second sees one leaf differently.
        people[1].names("cotton/bacterial_blight" if n == 0 else "cotton/healthy")
    season.story.promise("two people named each", named >= wanted, f"{named} cases")
    season.story.promise("a third settles the one in dispute", people[2].names("cotton/healthy", "/review/disputed"))
    page = people[0].get("/review")
    season.story.promise("nothing is disputed any more", not people[2].waiting("/review/disputed").get("outbox"))
    season.story.promise("how far they agree is told", "kappa" in page)
    out = season.folder / "labels"
    season.centre.server("export-labels", out, *season.config)
    lines = [json.loads(line) for line in (out / "labels.jsonl").read_text().splitlines()]
    season.story.promise("the labels go to training with where they are from", len(lines) >= wanted, f"{len(lines)}")


def erasure(season: Season) -> None:
    """A farmer comes back with the code and has everything of a case erased, on the device and at the centre."""
    village, code = season.villages[1], season.codes[0]
    before = season.centre.cases(village.id)
    Farmer(village.base, "mr-IN").erases(code)
    gone = until(lambda: len(season.centre.cases(village.id)) == len(before) - 1, 120)
    season.story.promise("the centre has one case less", gone)
    erased = set(before) - set(season.centre.cases(village.id))
    season.centre.server("erasures", "obey", *season.config)
    told = season.centre.server("erasures", "list", *season.config)
    season.story.promise("a record of the erasure stays, without what was erased", len(told.splitlines()) >= 1)
    again = Farmer(village.base, "mr-IN")
    try:
        again.erases(code)
        used = True
    except RuntimeError:
        used = False
    season.story.promise("the code is good for nothing any more", not used)
    season.story.tell(f"erased: {', '.join(erased)}")


def _unnamed(season: Season) -> int:
    return int(season.centre.api("review")["items"].get("open", 0))


def ledger(season: Season) -> None:
    """What farmers were told, against what the centre has."""
    for village in season.villages:
        stored = season.centre.cases(village.id)
        once = len(stored) == len(set(stored))
        whole = set(village.told) <= set(stored)
        season.story.promise(
            f"{village.name}: told is stored, once",
            once and whole,
            f"{len(village.told)} known by id, {len(stored)} stored",
        )
    letters = season.centre.api("dead-letters")["dead_letters"]
    season.story.promise("nothing that came could not be read", not letters, f"{len(letters)} dead letters")
