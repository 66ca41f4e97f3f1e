"""The data registry: which sets of photographs exist, under which licence, and what their classes mean.

It is a table and nothing else: it opens no file. Scanning and splitting stand in `records.py`; which part of the table
a run is about, in `scope.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["field", "laboratory", "web", "scene"]
NONE = "none/background"


@dataclass(frozen=True)
class Source:
    """One set of photographs.

    Attributes:
        name: Folder below `datasets/leaf`.
        crop: Crop id, or "none" for what the product must refuse.
        kind: Where the photographs were taken.
        place: Where they come from, as far as it is known.
        licence: SPDX-like id, or "unknown" where the copy carries none.
        redistributable: Whether weights trained on it may go into a package built with `--redistributable-only`.
        classes: Folder name to the condition part of a label id.
    """

    name: str
    crop: str
    kind: Kind
    place: str
    licence: str
    redistributable: bool
    classes: dict[str, str]

    def label(self, folder: str) -> str:
        """The label id, `crop/condition`, of a class folder."""
        return NONE if self.crop == "none" else f"{self.crop}/{self.classes[folder]}"


def _same(*names: str, **renamed: str) -> dict[str, str]:
    return {**{name: name.lower() for name in names}, **renamed}


def _plant_village(name: str, crop: str, classes: dict[str, str]) -> Source:
    return Source(name, crop, "laboratory", "PlantVillage", "CC-BY-SA-3.0", True, classes)


SOURCES: tuple[Source, ...] = (
    Source(
        "sugarcane_daphal_field",
        "sugarcane",
        "field",
        "Maharashtra, India",
        "CC-BY-4.0",
        True,
        _same("Healthy", "Mosaic", "Rust", RedRot="red_rot", Yellow="yellow_leaf"),
    ),
    Source(
        "cotton_zade_field",
        "cotton",
        "field",
        "India, dark soil",
        "unknown",
        False,
        _same(
            diseased_cotton_leaf="diseased_unspecified",
            diseased_cotton_plant="diseased_unspecified",
            fresh_cotton_leaf="healthy",
            fresh_cotton_plant="healthy",
        ),
    ),
    Source(
        "cotton4_web",
        "cotton",
        "web",
        "mixed",
        "unknown",
        False,
        _same("bacterial_blight", "healthy", curl_virus="leaf_curl_virus", fussarium_wilt="fusarium_wilt"),
    ),
    Source(
        "blackgram_field",
        "blackgram",
        "field",
        "India",
        "CC-BY-4.0",
        True,
        _same("anthracnose", "healthy", "powdery_mildew", "yellow_mosaic", leaf_crinckle="leaf_crinkle"),
    ),
    Source(
        "chilli_field",
        "chilli",
        "field",
        "India",
        "CC-BY-4.0",
        True,
        _same(
            "healthy",
            "powdery_mildew",
            cercospora="cercospora_leaf_spot",
            murda_complex_mites_trips="leaf_curl_mites_thrips",
            nutritional="nutrient_deficiency",
        ),
    ),
    Source(
        "rice_aldrin_field",
        "rice",
        "field",
        "unknown",
        "unknown",
        False,
        _same("bacterial_leaf_blight", "blast", brownspot="brown_spot"),
    ),
    Source(
        "corn_plantdoc_field",
        "maize",
        "field",
        "PlantDoc, web and fields",
        "CC-BY-4.0",
        True,
        _same("Common_Rust", "Gray_Leaf_Spot", Blight="northern_leaf_blight"),
    ),
    _plant_village(
        "pv_corn_lab",
        "maize",
        _same(
            "common_rust",
            "healthy",
            "northern_leaf_blight",
            cercospora_leaf_spot_gray_leaf_spot="gray_leaf_spot",
        ),
    ),
    _plant_village(
        "pv_grape_lab",
        "grape",
        _same("black_rot", "healthy", "leaf_blight", black_measles="esca_black_measles"),
    ),
    _plant_village("pv_pepper_lab", "bell_pepper", _same("bacterial_spot", "healthy")),
    _plant_village("pv_potato_lab", "potato", _same("Early_blight", "Late_blight", "healthy")),
    _plant_village(
        "pv_tomato_lab",
        "tomato",
        _same(
            "Bacterial_spot",
            "Early_blight",
            "Late_blight",
            "Leaf_Mold",
            "Septoria_leaf_spot",
            "Target_Spot",
            "healthy",
            Spider_mites_Two_spotted_spider_mite="spider_mites",
            Tomato_YellowLeaf__Curl_Virus="yellow_leaf_curl_virus",
            Tomato_mosaic_virus="mosaic_virus",
        ),
    ),
    Source("ood_background", "none", "scene", "scenes", "unknown", False, _same("scene")),
    Source(
        "ood_deepweeds",
        "none",
        "field",
        "DeepWeeds, Australia",
        "CC-BY-4.0",
        True,
        _same("Lantana", "Negative", "Parthenium", "Siam_weed"),
    ),
    _plant_village(
        "ood_pv_apple_lab",
        "none",
        _same("Apple___Apple_scab", "Apple___Black_rot", "Apple___Cedar_apple_rust", "Apple___healthy"),
    ),
)
BY_NAME = {source.name: source for source in SOURCES}
CROPS: tuple[str, ...] = tuple(sorted({source.crop for source in SOURCES} - {"none"}))
HELD_OUT_SOURCES = ("corn_plantdoc_field",)
"""Sources that only the recipe `shipped` trains on: they stand for the unseen farm."""
