"""The data registry: every source of photographs, its licence, place and kind, and what its classes mean.

No pixels here; `photos` lists files, `splits` divides them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["field", "web", "laboratory", "refusal"]

BACKGROUND = "none/background"
WEED = "none/weed"
OTHER_LEAF = "none/other_leaf"


@dataclass(frozen=True)
class Source:
    """One set of photographs.

    Attributes:
        name: folder under `leaf/`.
        kind: where they were taken; `refusal` for what the product must not answer.
        licence: as far as it is known.
        redistributable: whether a model trained on it may be given away with certainty.
        place: where, as far as it is known.
        credit: whom to name.
        labels: folder of a class to a label id.
    """

    name: str
    kind: Kind
    licence: str
    redistributable: bool
    place: str
    credit: str
    labels: dict[str, str]


_PV_CREDIT = "Hughes and Salathe 2015, PlantVillage"
_PV_LICENCE = "CC BY-SA 3.0 (as credited; sources disagree)"


def _laboratory(name: str, labels: dict[str, str]) -> Source:
    return Source(name, "laboratory", _PV_LICENCE, True, "laboratory, USA", _PV_CREDIT, labels)


SOURCES: tuple[Source, ...] = (
    Source(
        "sugarcane_daphal_field",
        "field",
        "CC BY 4.0 (as remembered; the copy carries no licence file)",
        False,
        "Maharashtra, India",
        "Daphal and Koli, Mendeley Data",
        {
            "Healthy": "sugarcane/healthy",
            "Mosaic": "sugarcane/mosaic",
            "RedRot": "sugarcane/red_rot",
            "Rust": "sugarcane/rust",
            "Yellow": "sugarcane/yellow_leaf",
        },
    ),
    Source(
        "cotton_zade_field",
        "field",
        "no licence file",
        False,
        "India",
        "A. Zade, Kaggle",
        {
            "diseased_cotton_leaf": "cotton/diseased_unspecified",
            "diseased_cotton_plant": "cotton/diseased_unspecified",
            "fresh_cotton_leaf": "cotton/healthy",
            "fresh_cotton_plant": "cotton/healthy",
        },
    ),
    Source(
        "cotton4_web",
        "web",
        "no licence file; mixed web pictures",
        False,
        "unknown",
        "unknown",
        {
            "bacterial_blight": "cotton/bacterial_blight",
            "curl_virus": "cotton/leaf_curl_virus",
            "fussarium_wilt": "cotton/fusarium_wilt",
            "healthy": "cotton/healthy",
        },
    ),
    Source(
        "blackgram_field",
        "field",
        "CC BY 4.0",
        True,
        "India",
        "Black gram leaf data set, Mendeley Data",
        {
            "anthracnose": "blackgram/anthracnose",
            "healthy": "blackgram/healthy",
            "leaf_crinckle": "blackgram/leaf_crinkle",
            "powdery_mildew": "blackgram/powdery_mildew",
            "yellow_mosaic": "blackgram/yellow_mosaic",
        },
    ),
    Source(
        "chilli_field",
        "field",
        "CC BY 4.0",
        True,
        "India",
        "Chilli leaf data set, Mendeley Data",
        {
            "cercospora": "chilli/cercospora_leaf_spot",
            "healthy": "chilli/healthy",
            "murda_complex_mites_trips": "chilli/leaf_curl_mites_thrips",
            "nutritional": "chilli/nutrient_deficiency",
            "powdery_mildew": "chilli/powdery_mildew",
        },
    ),
    Source(
        "rice_aldrin_field",
        "field",
        "no licence file",
        False,
        "unknown",
        "Aldrin, Kaggle",
        {
            "bacterial_leaf_blight": "rice/bacterial_leaf_blight",
            "blast": "rice/blast",
            "brownspot": "rice/brown_spot",
        },
    ),
    Source(
        "corn_plantdoc_field",
        "field",
        "CC BY 4.0",
        True,
        "field and web",
        "Singh et al. 2020, PlantDoc",
        {
            "Blight": "maize/northern_leaf_blight",
            "Common_Rust": "maize/common_rust",
            "Gray_Leaf_Spot": "maize/gray_leaf_spot",
        },
    ),
    _laboratory(
        "pv_tomato_lab",
        {
            "Bacterial_spot": "tomato/bacterial_spot",
            "Early_blight": "tomato/early_blight",
            "Late_blight": "tomato/late_blight",
            "Leaf_Mold": "tomato/leaf_mold",
            "Septoria_leaf_spot": "tomato/septoria_leaf_spot",
            "Spider_mites_Two_spotted_spider_mite": "tomato/spider_mites",
            "Target_Spot": "tomato/target_spot",
            "Tomato_YellowLeaf__Curl_Virus": "tomato/yellow_leaf_curl_virus",
            "Tomato_mosaic_virus": "tomato/mosaic_virus",
            "healthy": "tomato/healthy",
        },
    ),
    _laboratory(
        "pv_potato_lab",
        {
            "Early_blight": "potato/early_blight",
            "Late_blight": "potato/late_blight",
            "healthy": "potato/healthy",
        },
    ),
    _laboratory(
        "pv_corn_lab",
        {
            "cercospora_leaf_spot_gray_leaf_spot": "maize/gray_leaf_spot",
            "common_rust": "maize/common_rust",
            "healthy": "maize/healthy",
            "northern_leaf_blight": "maize/northern_leaf_blight",
        },
    ),
    _laboratory(
        "pv_grape_lab",
        {
            "black_measles": "grape/esca_black_measles",
            "black_rot": "grape/black_rot",
            "healthy": "grape/healthy",
            "leaf_blight": "grape/leaf_blight",
        },
    ),
    _laboratory(
        "pv_pepper_lab", {"bacterial_spot": "bell_pepper/bacterial_spot", "healthy": "bell_pepper/healthy"}
    ),
    Source(
        "ood_background", "refusal", "no licence file", False, "unknown", "unknown", {"scene": BACKGROUND}
    ),
    Source(
        "ood_deepweeds",
        "refusal",
        "CC BY 4.0",
        True,
        "northern Australia",
        "Olsen et al. 2019, DeepWeeds",
        {"Lantana": WEED, "Negative": BACKGROUND, "Parthenium": WEED, "Siam_weed": WEED},
    ),
    Source(
        "ood_pv_apple_lab",
        "refusal",
        _PV_LICENCE,
        True,
        "laboratory, USA",
        _PV_CREDIT,
        {
            "Apple___Apple_scab": OTHER_LEAF,
            "Apple___Black_rot": OTHER_LEAF,
            "Apple___Cedar_apple_rust": OTHER_LEAF,
            "Apple___healthy": OTHER_LEAF,
        },
    ),
)

LABELS: tuple[str, ...] = tuple(
    sorted(
        {label for source in SOURCES for label in source.labels.values()},
        key=lambda label: (label.startswith("none/"), label),
    )
)
"""Every label id: `crop/condition` in alphabetical order, then the refusal classes."""


@dataclass(frozen=True)
class Photo:
    """One photograph of a source."""

    path: Path
    source: Source
    folder: str

    @property
    def label(self) -> str:
        """Its label id."""
        return self.source.labels[self.folder]


def datasets_root() -> Path:
    """Where the photographs lie: `PIKVANI_DATASETS`, or `../shared/datasets` beside the checkout.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    default = Path(__file__).resolve().parents[2].parent / "shared" / "datasets"
    root = Path(os.environ.get("PIKVANI_DATASETS", default))
    if not (root / "leaf").is_dir():
        raise FileNotFoundError(
            f"no photographs at {root / 'leaf'}: set PIKVANI_DATASETS to the folder that holds leaf/"
        )
    return root


def photos(root: Path, redistributable_only: bool = False, without: tuple[str, ...] = ()) -> Iterator[Photo]:
    """Every photograph of the registry under `root`, in a fixed order.

    Args:
        root: as `datasets_root` gives it.
        redistributable_only: leave out sources whose licence is not certain.
        without: names of sources to leave out.
    """
    for source in SOURCES:
        if source.name in without or (redistributable_only and not source.redistributable):
            continue
        for folder in sorted(source.labels):
            for path in sorted((root / "leaf" / source.name / folder).glob("*.jpg")):
                yield Photo(path, source, folder)
