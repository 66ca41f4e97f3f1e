"""What a farmer sees on the leaf, as pictures one can touch or words one can say, and which condition may show it.

The words and how likely each is stand in the advice package, with their sources. No photograph of the data comes with
a farmer's words, so the weight of the two against each other could not be fitted: the geometric mean keeps it weak.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pikvani_device.diagnosis.advice.symptom_table import SymptomTable

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


def likelihoods(labels: Sequence[str], told: Collection[str], table: SymptomTable | None) -> dict[str, float] | None:
    """How likely what the farmer told is under each `crop/condition`, the likeliest being 1.

    Args:
        labels: of the model package.
        told: keys of `SYMPTOMS` (a touched picture means any of its words) and ids of spoken words.
        table: of the advice package; None where none can be read.

    Returns:
        None where nothing was told, or nothing the table knows.
    """
    if table is None or not told:
        return None
    return table.likelihoods_of_any(labels, [SYMPTOMS.get(one, frozenset({one})) for one in sorted(told)])


def pictures_of(meanings: Collection[str]) -> frozenset[str]:
    """The pictures that stand for meanings of the spoken vocabulary."""
    return frozenset(picture for picture, stands_for in SYMPTOMS.items() if stands_for & set(meanings))
