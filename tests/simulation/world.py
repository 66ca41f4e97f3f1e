"""A made Maharashtra: districts with their own monsoon, villages with their own crops, and what goes wrong in it.

Everything is drawn from one seed. Farmers, pictures and diseases are invented; the shapes (seasons, outages, unlike
villages) are what drift must tell from a fault.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from math import cos, exp, log, pi

from pikvani_contract.messages import CaseBody

DISTRICTS = (
    ("Akola", "Vidarbha"), ("Amravati", "Vidarbha"), ("Yavatmal", "Vidarbha"), ("Wardha", "Vidarbha"),
    ("Nagpur", "Vidarbha"), ("Buldhana", "Vidarbha"), ("Aurangabad", "Marathwada"), ("Jalna", "Marathwada"),
    ("Beed", "Marathwada"), ("Latur", "Marathwada"), ("Nanded", "Marathwada"), ("Parbhani", "Marathwada"),
    ("Nashik", "North"), ("Dhule", "North"), ("Jalgaon", "North"), ("Ahmednagar", "North"),
    ("Pune", "West"), ("Satara", "West"), ("Sangli", "West"), ("Kolhapur", "West"), ("Solapur", "West"),
    ("Ratnagiri", "Konkan"), ("Raigad", "Konkan"), ("Thane", "Konkan"),
)  # fmt: skip
_MONSOON_LAG_DAYS = {"Konkan": -12, "West": -5, "North": 0, "Marathwada": 3, "Vidarbha": 5}
_CROPS = {
    # peak day of the year in which it is asked about, and its diseases
    "cotton": (250, ("bacterial_blight", "leaf_curl_virus", "fusarium_wilt")),
    "sugarcane": (330, ("red_rot", "rust", "mosaic")),
    "chilli": (300, ("leaf_curl_mites_thrips", "cercospora", "powdery_mildew")),
    "maize": (225, ("common_rust", "northern_leaf_blight")),
    "blackgram": (235, ("yellow_mosaic", "anthracnose")),
    "tomato": (20, ("early_blight", "late_blight")),
    "rice": (260, ("blast", "brown_spot")),
}
_REGION_CROPS = {
    "Vidarbha": {"cotton": 4, "blackgram": 2, "chilli": 1},
    "Marathwada": {"cotton": 3, "blackgram": 2, "sugarcane": 1},
    "North": {"maize": 2, "tomato": 2, "cotton": 1},
    "West": {"sugarcane": 4, "tomato": 1, "maize": 1},
    "Konkan": {"rice": 5, "chilli": 1},
}
_KINDS = (("pi4", 0.55), ("pi5", 0.3), ("jetson", 0.15))
LABELS = sum(1 + len(diseases) for _, diseases in _CROPS.values())


@dataclass(frozen=True)
class Village:
    """One device and where it stands."""

    device_id: str
    district: str
    region: str
    kind: str
    locale: str
    cases_a_day: float
    light: float
    crops: dict[str, float] = field(hash=False, compare=False, default_factory=dict)


@dataclass(frozen=True)
class Faults:
    """What goes wrong; None for nothing of the kind.

    Attributes:
        camera_from: a batch of cameras in `camera_district` sees darker and otherwise from that day.
        model_from: a tenth of the villages runs `BAD_MODEL`, which is stuck on one disease.
        disease_from: a new disease in `disease_district` looks like a known one: the model is sure and wrong.
        outbreak_from: a disease the model does not know takes half of `outbreak_crop` in `outbreak_district`: the model
            calls it most often by the name of what it resembles, and is unsure.
    """

    camera_from: date | None = None
    camera_district: str = "Latur"
    model_from: date | None = None
    disease_from: date | None = None
    disease_district: str = "Sangli"
    outbreak_from: date | None = None
    outbreak_district: str = "Amravati"
    outbreak_crop: str = "cotton"


GOOD_MODEL = "leaf@1.0.0"
BAD_MODEL = "leaf@1.1.0"
NEW_DISEASE = "{crop}/new_blight"
"""The true name of a disease no model knows."""
_RESEMBLED = "leaf_curl_virus"


def villages(
    count: int, seed: int, cases_a_day: float, districts: Sequence[tuple[str, str]] = DISTRICTS
) -> list[Village]:
    """`count` villages over the districts, each with its region."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        district, region = districts[number % len(districts)]
        kind = rng.choices([k for k, _ in _KINDS], [w for _, w in _KINDS])[0]
        mix = {crop: weight * rng.lognormvariate(0, 0.3) for crop, weight in _REGION_CROPS[region].items()}
        locale = "hi-IN" if rng.random() < (0.3 if region == "Vidarbha" else 0.05) else "mr-IN"
        busy = cases_a_day * rng.lognormvariate(-0.125, 0.5)
        light = rng.gauss(0, 0.04)
        found.append(Village(f"sim-{number:06d}", district, region, kind, locale, busy, light, mix))
    return found


@dataclass(frozen=True)
class Seen:
    """One case as the appliance made it: the record, its posterior's entropy, its embedding's directions, the truth."""

    body: CaseBody
    entropy: float
    directions: tuple[float, float, float, float]
    truth: str


class World:
    """What farmers of a village ask on a day."""

    def __init__(self, seed: int, faults: Faults) -> None:
        self._seed, self._faults = seed, faults

    def model_of(self, village: Village, day: date) -> str:
        """The model a village runs on a day."""
        start = self._faults.model_from
        canary = int(village.device_id.rsplit("-", 1)[1]) % 10 == 3
        return BAD_MODEL if start and day >= start and canary else GOOD_MODEL

    def _breaks_out(self, village: Village, day: date) -> bool:
        faults = self._faults
        began = bool(faults.outbreak_from and day >= faults.outbreak_from)
        return began and village.district == faults.outbreak_district

    def linked(self, village: Village, day: date) -> bool:
        """Whether a village has a link on a day: mostly, with stretches of some days without."""
        stretch = random.Random(f"{self._seed}/{village.device_id}/{day.toordinal() // 6}")
        return stretch.random() > 0.08

    def cases(self, village: Village, day: date) -> list[Seen]:
        """The day's cases, in order."""
        rng = random.Random(f"{self._seed}/{village.device_id}/{day.isoformat()}")
        turn = day.timetuple().tm_yday - _MONSOON_LAG_DAYS[village.region] - _year_lag(self._seed, day.year)
        monsoon = exp(2.5 * (cos(2 * pi * (turn - 215) / 365.25) - 1))
        festival = 0.4 if day.month == 11 and day.day <= 7 else 1.0
        mean = village.cases_a_day * festival * (0.7 + 0.6 * monsoon)
        count = _poisson(rng, mean)
        weights = {
            crop: weight * exp(1.2 * cos(2 * pi * (turn - _CROPS[crop][0]) / 365.25))
            for crop, weight in village.crops.items()
        }
        return [self._one(rng, village, day, weights, monsoon) for _ in range(count)]

    def _one(self, rng: random.Random, village: Village, day: date, weights: dict[str, float], monsoon: float) -> Seen:
        faults = self._faults
        crop = rng.choices(list(weights), list(weights.values()))[0]
        diseases = _CROPS[crop][1]
        sick = rng.random() < 0.45 + 0.35 * monsoon
        truth = f"{crop}/{rng.choice(diseases)}" if sick else f"{crop}/healthy"
        ill_camera = bool(
            faults.camera_from and day >= faults.camera_from and village.district == faults.camera_district
        )
        sureness = rng.betavariate(6, 1.6 + 1.2 * monsoon + 1.5 * ill_camera)
        right = rng.random() < sureness
        others = [f"{crop}/{name}" for name in (*diseases, "healthy") if f"{crop}/{name}" != truth]
        said = truth if right else rng.choice(others)
        new_disease = faults.disease_from and day >= faults.disease_from and village.district == faults.disease_district
        if new_disease and sick and rng.random() < 0.5:
            truth = NEW_DISEASE.format(crop=crop)
        if self._breaks_out(village, day) and crop == faults.outbreak_crop and rng.random() < 0.5:
            truth, sureness = NEW_DISEASE.format(crop=crop), rng.betavariate(4, 3)
            said = f"{crop}/{_RESEMBLED if _RESEMBLED in diseases and rng.random() < 0.8 else rng.choice(diseases)}"
            others = [f"{crop}/{name}" for name in (*diseases, "healthy") if f"{crop}/{name}" != said]
        model = self.model_of(village, day)
        if model == BAD_MODEL and rng.random() < 0.6:
            said, sureness = f"{crop}/{diseases[0]}", rng.betavariate(12, 1.2)
        decision = "answer" if sureness >= 0.6 else "more" if sureness >= 0.45 else "refuse"
        reason = "" if decision == "answer" else "unsure"
        if rng.random() < 0.06:
            decision, reason = "refuse", rng.choice(("not_a_leaf", "unknown_plant"))
        brightness = rng.gauss(0.56 + village.light - 0.14 * monsoon - 0.2 * ill_camera, 0.12)
        sharpness = rng.gauss(0.62 - 0.1 * ill_camera, 0.13)
        leaf = rng.gauss(0.5 + 0.08 * monsoon, 0.15)
        rest = 1.0 - sureness
        body = CaseBody(
            decision, reason, crop if rng.random() < 0.8 else "", said, _e4(sureness),
            [(others[0], _e4(rest * 0.7)), (others[-1], _e4(rest * 0.2))] if len(others) > 1 else [],
            model, "onnx" if village.kind != "pi4" else "tflite",
            1 + (rng.random() < 0.4), int(rng.lognormvariate(5.2, 0.3)),
            [_e4(sharpness), _e4(brightness), _e4(leaf)],
            "kiosk" if rng.random() < 0.8 else "lan", village.locale, rng.choices((0, 1, 5, 7), (45, 15, 30, 10))[0],
        )  # fmt: skip
        shift = 1.2 if ill_camera else 0.0
        directions = (
            rng.gauss(0.3 * monsoon + shift, 1),
            rng.gauss(0.2 * monsoon, 1),
            rng.gauss(-shift, 1),
            rng.gauss(0, 1),
        )
        return Seen(body, _entropy(sureness), directions, truth)


def _year_lag(seed: int, year: int) -> float:
    return random.Random(f"{seed}/monsoon/{year}").gauss(0, 6)


def _entropy(top: float) -> float:
    """Entropy of a posterior with its top at `top` and the rest spread evenly, as a share of the largest."""
    p, q = min(max(top, 1e-6), 1 - 1e-6), 1 - min(max(top, 1e-6), 1 - 1e-6)
    return -(p * log(p) + q * log(q / (LABELS - 1))) / log(LABELS)


def _poisson(rng: random.Random, mean: float) -> int:
    limit, product, count = exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _e4(share: float) -> int:
    return min(10_000, max(0, round(share * 10_000)))
