"""What a farmer sees on the leaf, as pictures one can touch or words one can say, and which condition may show it.

No photograph of the data comes with a farmer's words, so the weight could not be fitted. It is held weak: what fits
none of the pictures becomes half as likely, never impossible. A condition this table does not know keeps its weight.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

MISFIT = 0.5
"""Likelihood of the farmer's pictures under a condition that shows none of them."""

SYMPTOMS: dict[str, frozenset[str]] = {
    "spots": frozenset({"sym_spot", "sym_small_spots", "sym_big_spots", "sym_angular_spot", "sym_water_soaked"}),
    "rings": frozenset({"sym_ring_spot"}),
    "burn": frozenset({"sym_dry", "sym_blight", "sym_stripes"}),
    "yellow": frozenset({"sym_yellowing"}),
    "mosaic": frozenset({"sym_mosaic"}),
    "curl": frozenset({"sym_curl", "sym_curl_up", "sym_curl_down", "sym_crinkle"}),
    "powder": frozenset({"sym_powder", "sym_white_mould"}),
    "rust": frozenset({"sym_rust_powder"}),
    "wilt": frozenset({"sym_wilt", "sym_whole_drying"}),
    "rot": frozenset({"sym_rot", "sym_red_inside"}),
    "insects": frozenset(
        {"sym_mites", "sym_web", "sym_stipple", "sym_whitefly", "sym_thrips", "sym_aphid", "sym_jassid"}
    ),
}
"""The pictures, each with the meanings of the spoken vocabulary it stands for."""

_SHOWN: dict[str, frozenset[str]] = {
    condition: frozenset(shown.split())
    for condition, shown in {
        "anthracnose": "spots rings burn",
        "bacterial_blight": "spots burn",
        "bacterial_leaf_blight": "burn yellow",
        "bacterial_spot": "spots",
        "black_rot": "spots rings rot",
        "blast": "spots burn",
        "brown_spot": "spots",
        "cercospora_leaf_spot": "spots rings",
        "common_rust": "rust",
        "early_blight": "spots rings burn",
        "esca_black_measles": "burn yellow",
        "fusarium_wilt": "wilt yellow",
        "gray_leaf_spot": "spots burn",
        "healthy": "",
        "late_blight": "spots burn rot",
        "leaf_blight": "spots burn",
        "leaf_crinkle": "curl",
        "leaf_curl_mites_thrips": "curl insects",
        "leaf_curl_virus": "curl yellow",
        "leaf_mold": "yellow powder",
        "mosaic": "mosaic",
        "mosaic_virus": "mosaic",
        "northern_leaf_blight": "burn",
        "nutrient_deficiency": "yellow",
        "powdery_mildew": "powder",
        "red_rot": "rot burn",
        "rust": "rust",
        "septoria_leaf_spot": "spots",
        "spider_mites": "insects yellow",
        "target_spot": "spots rings",
        "yellow_leaf": "yellow",
        "yellow_leaf_curl_virus": "curl yellow",
        "yellow_mosaic": "mosaic yellow",
    }.items()
}


def likelihoods(labels: Sequence[str], symptoms: Collection[str]) -> dict[str, float] | None:
    """How likely the farmer's pictures are under each `crop/condition`; None where none was touched.

    Args:
        labels: of the model package.
        symptoms: keys of `SYMPTOMS`; others count as a picture nothing shows.
    """
    if not symptoms:
        return None
    found = {}
    for label in labels:
        shown = _SHOWN.get(label.partition("/")[2])
        found[label] = 1.0 if shown is None or shown & set(symptoms) else MISFIT
    return found


def pictures_of(meanings: Collection[str]) -> frozenset[str]:
    """The pictures that stand for meanings of the spoken vocabulary."""
    return frozenset(picture for picture, stands_for in SYMPTOMS.items() if stands_for & set(meanings))
