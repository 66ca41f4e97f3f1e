"""How the centre learns: people name cases, a fleet brings drift, alarms say where, and training anew is proposed."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from tests.season.people import Agronomist, Farmer
from tests.season.places import until
from tests.season.stage import Season

FOUND_IN = timedelta(weeks=3)
NAMES = ("asha", "bhau", "chhaya")
NEW = "New blight"
"""As a person writes it; no list has it."""


def labels(season: Season) -> None:
    """Farmers allow their photographs; two people name each, a third settles what they see differently."""
    village, wanted = season.villages[1], 3 if season.short else 12
    before, codes = set(season.centre.cases(village.id)), dict[str, str]()
    for n in range(4 * wanted):
        farmer = Farmer(village.base, "mr-IN")
        # A cotton leaf shown as another crop: the model is unsure or refuses, and that is what people shall look at.
        # After six photographs it no longer asks for another one, which nobody would label.
        farmer.asks(("chilli", "tomato", "sugarcane")[n % 3], "spots", photographs=6)
        season.asked(village)
        code, known = farmer.allows("photo", "training"), set(codes)
        until(lambda known=known: set(season.centre.cases(village.id)) - before - known, 60)  # type: ignore[misc]
        codes |= dict.fromkeys(set(season.centre.cases(village.id)) - before - known, code)
        if n >= wanted - 1 and _unnamed(season) >= wanted:
            break
    until(lambda: _unnamed(season) >= wanted, 120)
    season.story.promise("what the model was unsure of waits for people", _unnamed(season) >= wanted)
    season.people = [
        Agronomist(
            season.centre.web, season.centre.server("users", "add", name, "--role", "agronomist", *season.config)
        )
        for name in NAMES
    ]
    people = season.people
    first, second = set[str](), set[str]()
    while case := people[0].names("cotton/healthy"):
        first.add(case)
    # The second sees one leaf differently.
    while case := people[1].names("cotton/healthy" if second else "cotton/bacterial_blight"):
        second.add(case)
    both = first & second
    season.codes = {case: code for case, code in codes.items() if case in both}
    season.story.promise("two people named each", len(both) >= wanted, f"{len(both)} cases")
    season.story.promise("a third settles the one in dispute", people[2].names("cotton/healthy", "/review/disputed"))
    page = people[0].get("/review")
    season.story.promise("nothing is disputed any more", not people[2].waiting("/review/disputed").get("outbox"))
    season.story.promise("how far they agree is told", "kappa" in page)


def drift(season: Season) -> None:
    """New cameras in one district, a new disease in another: the alarms say which."""
    assert season.fleet is not None
    told, fleet = season.fleet.lived(), season.fleet
    districts = len(season.districts)
    season.story.tell(
        f"{told['devices']} light devices in {districts} districts lived {fleet.days} days until {fleet.last}: "
        f"{told['cases']} farmers asked. From {told['began']} on, the cameras of {told['camera']} see darker, and in "
        f"{told['outbreak']} half of the {told['crop']} has a disease that no model knows."
    )
    season.story.figure("lighter devices", told["devices"])
    season.story.figure("districts", districts + 1)
    season.story.figure("farmers at those", f"{told['cases']:,}")
    wanted = districts * fleet.each
    known = [row for row in season.centre.devices().values() if row["district"] != "yavatmal"]
    enrolled = sum(row["state"] == "enrolled" for row in known)
    season.story.promise(
        "each light device has a certificate and a link of its own", enrolled == told["devices"] == wanted, enrolled
    )
    left = told["without_receipt"]
    season.story.promise(
        "for every record of theirs the centre gave a receipt", not left, f"{told['records']} records, {left} without"
    )
    counted = until(lambda: _cases_in(season) == told["cases"], 60)
    season.story.promise("no case of the fleet is missing", counted, f"{told['cases']} said, {_cases_in(season)} there")
    season.centre.server("drift", "run", *season.config, timeout_s=1_200)
    alarms = season.centre.api("drift/alarms?open=false&limit=1000&scope=district")["alarms"]
    alarms = [alarm for alarm in alarms if alarm["level"] == "alarm" and alarm["source"] == "sketch"]
    sick = [a for a in alarms if a["name"] == told["outbreak"] and a["label"].startswith(f"{told['crop']}/")]
    dark = [a for a in alarms if a["name"] == told["camera"] and a["feature"] != "classes"]
    began = date.fromisoformat(told["began"])
    for what, found in (("the new disease, and its crop", sick), ("the new cameras", dark)):
        first = min((date.fromisoformat(a["first_window"]) for a in found), default=None)
        in_time = first is not None and began <= first <= began + FOUND_IN
        season.story.promise(
            f"an alarm names the district of {what}, within three weeks",
            in_time,
            f"{found[0]['name']}: {_moved(found[0])}, {(first - began).days} days after it began"
            if found and first
            else ", ".join(f"{a['name']}: {a['feature']} {a['label']}" for a in alarms) or "no alarm",
        )
    others = sorted({a["name"] for a in alarms} - {told["outbreak"], told["camera"]})
    season.story.promise(
        "other districts are left in peace", len(others) <= districts // 8, ", ".join(others) or "none is named"
    )
    back = [person.signs_in(name) for person, name in zip(season.people, NAMES, strict=True)]
    season.story.promise("two weeks later the agronomists had to sign in again, and could", all(back))
    for found, caption in ((sick, "The alarm of the new disease"), (dark, "The alarm of the new cameras")):
        for alarm in found[:1]:
            page = season.people[0].get(f"/drift/alarms/{alarm['id']}")
            title = " ".join(re.sub(r"<[^>]+>", " ", re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)[1]).split())
            named = alarm["name"] in title and (found is dark or "Cotton: " in page)
            season.story.promise("the page of the alarm says it in words", named, title)
            season.shows(season.people[0], f"/drift/alarms/{alarm['id']}", caption)
    season.shows(season.people[0], "/", "The centre's first page")


def _moved(alarm: dict[str, Any]) -> str:
    return f"more that the model calls {alarm['label']}" if alarm["label"] else str(alarm["feature"])


def disease(season: Season) -> None:
    """Agronomists look at what the alarm is about, give it a name, and the centre says whether training pays."""
    assert season.fleet is not None
    wanted, people, truth = 5 if season.short else 120, season.people[:2], season.fleet.truth()
    name = f"cotton/{NEW.lower().replace(' ', '_')}"
    until(lambda: _unnamed(season) >= wanted, 120)
    named: list[set[tuple[str, str, str]]] = []
    shown = False
    for number, person in enumerate(people):
        mine: set[tuple[str, str, str]] = set()
        page = person.get("/review")
        while len(mine) < wanted and (fields := person.fields(page)).get("outbox"):
            case = fields["device"], fields["outbox"], fields["seq"]
            seen = truth.get(case, "cotton/healthy")
            if seen == name:
                mine.add(case)
                if not shown and number:
                    shown = f'value="{name}"' in page
                    season.shows(person, "/review", "A case of the new disease waits for its name")
            # The first to see it writes a name that no list has; the others find it in the list.
            written = f"Cotton: {NEW}" if "Crop: its name" in page else NEW
            words = (
                {"condition": "", "other": written}
                if seen == name and f'value="{name}"' not in page
                else {"condition": seen}
            )
            page = person.post("/review/label", [*fields.items(), *words.items()])
            again = person.fields(page)
            if (again.get("device"), again.get("outbox"), again.get("seq")) == case:
                raise AssertionError(f"the centre did not take {words} of {case} and shows the case again")
        named.append(mine)
    both = named[0] & named[1]
    season.story.promise(
        "two people named cases of the new disease", len(both) >= min(wanted, 5), f"{len(both)} named by both, {name}"
    )
    season.story.promise("the name one person wrote is in the list of the next", shown)
    until(lambda: season.centre.api("review")["items"].get("agreed", 0) >= len(both), 60)
    lines = exported(season, "labels-of-the-disease")
    season.exported = len(lines)
    learnt = sum(line["condition"] == name for line in lines)
    season.story.promise("its photographs go to training as far as farmers allowed it", learnt > 0, f"{learnt} cases")
    ours = len(season.codes)
    season.story.promise("so do those of Pimpri", len(lines) - learnt >= ours, f"{len(lines)} labels in all")
    pays = [json.loads(line) for line in _proposed(season).splitlines() if line.startswith("{")]
    reasons = "; ".join(reason for row in pays for reason in row["reasons"])
    if season.short:
        held = not any(row["pays"] for row in pays) and "100 are needed" in reasons
        season.story.promise("the centre says how many labels are wanting before training pays", held, reasons)
        return
    built = [row for row in pays if row["pays"] and row["built"]]
    season.story.promise("the centre says that training anew pays, and why", len(built) == 1, reasons)
    if not built:
        return
    number = built[0]["proposal"]
    season.centre.server("decide", number, "--approve", "--by", "asha", *season.config)
    line = next(row for row in season.centre.server("proposals", *season.config).splitlines() if row[:1].isdigit())
    season.candidate = Path(line.split("\t")[3])
    season.story.promise("a person approves the candidate it built", "\tapproved by asha" in line, line)


def _proposed(season: Season) -> str:
    build = [] if season.short else ["--build"]
    return season.centre.server("propose", "--json", *build, *season.config)


def exported(season: Season, name: str) -> list[dict[str, Any]]:
    """The labels as they go to training, into a folder of that name."""
    out = season.folder / name
    season.centre.server("export-labels", out, *season.config)
    return [json.loads(line) for line in (out / "labels.jsonl").read_text().splitlines()]


def _cases_in(season: Season) -> int:
    rows = season.centre.api("case-counts?by=district&days=200")["counts"]
    return sum(row["cases"] for row in rows if row["name"] in season.districts)


def _unnamed(season: Season) -> int:
    return int(season.centre.api("review")["items"].get("open", 0))
