"""The names of crops and conditions in the farmer's languages. Ids are the model's; a missing one shows as its id.

The Marathi and Hindi names are those of extension literature as far as we know them and wait for a native
agronomist's eye.
"""

from __future__ import annotations

from pikvani_device.web.catalogue import LOCALES, strings

__all__ = ["LOCALES", "condition_name", "crop_name", "disease_name"]


def crop_name(crop: str, locale: str) -> str:
    """A crop in the farmer's language."""
    return strings(locale).get(f"crop.{crop}") or crop.replace("_", " ")


def disease_name(label: str, locale: str) -> str:
    """The condition of a `crop/condition` in the farmer's language, without the crop."""
    condition = label.partition("/")[2]
    return strings(locale).get(f"condition.{condition}") or condition.replace("_", " ")


def condition_name(label: str, locale: str) -> str:
    """A `crop/condition` in the farmer's language: crop, then condition."""
    return f"{crop_name(label.partition('/')[0], locale)}: {disease_name(label, locale)}"
