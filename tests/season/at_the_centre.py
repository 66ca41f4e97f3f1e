"""Versions, erasure, theft and the ledger. Each chapter drives people's own interfaces and says what it promised."""

from __future__ import annotations

import json
import time

from tests.season.learning import exported
from tests.season.people import Farmer
from tests.season.places import GOOD_VERSION, until
from tests.season.shelf import PACKAGE, poor_version_of, version_of
from tests.season.stage import Season
from tests.season.village import Village

STEPS = ("--district", "Yavatmal", "--steps", "34,100", "--soak-hours", "0", "--by", "asha")


def rollout(season: Season) -> None:
    """One that fails its gates, one that passes them and is bad, and a good one."""
    centre, story = season.centre, season.story
    poor = poor_version_of(season.folder / "poor", "89.0.0", "cotton")
    gates = centre.judged(poor)
    failed = [name for name, passed in gates.items() if not passed]
    story.promise("a candidate that is worse at cotton fails a gate", bool(failed), ", ".join(failed))
    said = centre.sign(poor, gates, code=1)
    story.promise("and is not signed, stamp or no stamp", "was not passed" in said, said.strip().splitlines()[-1])
    for village in season.villages:
        village.ask(season.some(16), "cotton")  # what a new version is compared with
    here = json.loads((PACKAGE / "manifest.json").read_text())["version"]
    _bad(season, here)
    candidate = season.candidate or version_of(season.folder / "good", GOOD_VERSION)
    where = "the one the centre built" if season.candidate else "from the shelf"
    gates = centre.judged(candidate)
    story.promise(f"the good candidate, {where}, passes every gate", all(gates.values()), f"{len(gates)} gates")
    good = f"leaf@{GOOD_VERSION}"
    centre.sign(candidate, gates)
    centre.rollout("start", good, *STEPS)
    for _ in range(40):
        for village in season.villages:
            if village.check() == "watching":
                village.ask(season.some(5), "cotton")
        if centre.rollout_status(2)["state"] == "done":
            break
        time.sleep(1)
    done = centre.rollout_status(2)
    story.promise("the good version is everywhere on proof", done["state"] == "done", _counted(done["states"]))
    story.promise("every device answers with it", all(v.answers() == good for v in season.villages))
    season.shows(season.people[0], "/rollouts/2", "The good roll-out, as the centre's page tells it")


def _counted(states: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in states.items() if count)


def _bad(season: Season, here: str) -> None:
    """It passes the gates, for its network is sound; but it answers nobody, and that only the canary can show."""
    path = version_of(season.folder / "bad", "90.0.0", answer=1.0, more=0.0)
    season.centre.sign(path, season.centre.judged(path))
    bad = "leaf@90.0.0"
    told = season.centre.rollout("start", bad, *STEPS)
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
    season.shows(season.people[0], "/rollouts/1", "The bad roll-out, stopped")
    if state["state"] == "paused":
        # So few devices prove nothing to a test of significance: it asks a person, who looks and ends it.
        season.centre.rollout("abort", 1, "--by", "asha", "--because", "it answers nobody")
    others = [v for v in season.villages if v is not taker]
    season.story.promise("nobody else ever ran it", all(v.answers() == f"leaf@{here}" for v in others))


def _taker(season: Season, version: str) -> Village | None:
    """The device that takes an order for a version, within a while."""
    for _ in range(30):
        for village in season.villages:
            village.check()
            if village.answers() == version:
                return village
        time.sleep(1)
    return None


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
    season.story.promise(
        "the new device gets its certificate by itself", until(lambda: new.identity() == "enrolled", 120)
    )
    new.ask(season.some(2), "cotton")
    season.story.promise("and its cases arrive", until(lambda: set(new.told) <= set(season.centre.cases(new.id)), 120))
    time.sleep(5)
    season.story.promise("nothing more comes of the stolen one", season.centre.cases(village.id) == before)
    season.story.promise("what it sent before stays", len(before) > 0, f"{len(before)} cases")
    state = season.centre.devices()[village.id]["state"]
    season.story.promise("the centre's page calls it revoked", state == "revoked", state)
    village.told = [case for case in village.told if case in before]


def erasure(season: Season) -> None:
    """A farmer comes back with the code and has everything of a case erased, on the device and at the centre."""
    village, people = season.villages[1], season.people
    case, code = next(iter(season.codes.items()))
    outbox, seq = case.rsplit("-", 1)
    photo = f"/review/photo/{village.id}/{outbox}/{seq}.jpg"
    seen, photographs = people[0].status(photo), village.photographs()
    known = set(season.centre.cases(village.id))
    Farmer(village.base, "mr-IN").erases(code)
    gone = until(lambda: known - set(season.centre.cases(village.id)) == {case}, 120)
    season.story.promise("the centre has that case no more, and all others", gone, case)
    seen_now = until(lambda: people[0].status(photo) == 404, 60)
    season.story.promise("its picture is gone from the centre", seen == 200 and seen_now, f"{photo}: {seen}, then 404")
    season.centre.server("erasures", "obey", *season.config)
    lines = exported(season, "labels-after-erasure")
    fewer = season.exported - len(lines)
    season.story.promise(
        "its label goes to training no more", fewer == 1, f"{season.exported} labels before, {len(lines)} now"
    )
    away = photographs - village.photographs()
    season.story.promise("its photographs are gone from the device", 1 <= len(away) <= 6, f"{len(away)} files")
    told = season.centre.server("erasures", "list", *season.config)
    season.story.promise("a record of the erasure stays, without what was erased", len(told.splitlines()) >= 1)
    again = Farmer(village.base, "mr-IN")
    try:
        again.erases(code)
        used = True
    except RuntimeError:
        used = False
    season.story.promise("the code is good for nothing any more", not used)


def ledger(season: Season) -> None:
    """What farmers were told, against what the centre has."""
    total = 0
    for village in season.villages:
        stored = season.centre.cases(village.id)
        total += len(stored)
        once = len(stored) == len(set(stored))
        whole = set(village.told) <= set(stored)
        season.story.promise(
            f"{village.called}: all that farmers were told is at the centre, once",
            once and whole,
            f"{len(village.told)} looked for one by one, {len(stored)} there in all",
        )
    season.story.figure("whole devices", len(season.villages))
    season.story.figure("cases of theirs", total)
    letters = season.centre.api("dead-letters")["dead_letters"]
    season.story.promise("nothing that came could not be read", not letters, f"{len(letters)} dead letters")
