"""Whatever advice is given on has a name people know, in each language: an id on a farmer's screen is no name."""

from __future__ import annotations

import csv

import pytest
from tests.docs.pages import ROOT

from pikvani_device.web.catalogue import LOCALES, strings

ADVISED = sorted({row["pair"] for row in csv.DictReader((ROOT / "models/advice/advice.csv").open())})


@pytest.mark.parametrize("locale", LOCALES)
def test_every_crop_and_condition_with_advice_has_a_name(locale: str) -> None:
    told = strings(locale)
    crops, conditions = zip(*(pair.split("/") for pair in ADVISED), strict=True)
    wanted = {f"crop.{crop}" for crop in crops} | {f"condition.{condition}" for condition in conditions}
    assert not sorted(name for name in wanted if not told.get(name)), "add them to web/translations/"
    assert len(ADVISED) > 40
