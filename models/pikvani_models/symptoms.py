"""What a condition looks like, whatever the crop: one symptom for each label. A table; it opens no file.

A crop that was photographed in laboratories alone has shown nothing of how its diseases look in a field, but others
have: rust on sugarcane is rust on maize. The network learns these symptoms beside the labels (`losses.py`), and
`sharing.py` lets such crops borrow them. Words as in plant pathology; a symptom that one label alone has is learnt,
too, so that the others need not stretch to it.
"""

from __future__ import annotations

from collections.abc import Sequence

SYMPTOM_OF: dict[str, str] = {
    "bell_pepper/bacterial_spot": "spots",
    "bell_pepper/healthy": "healthy",
    "blackgram/anthracnose": "spots",
    "blackgram/healthy": "healthy",
    "blackgram/leaf_crinkle": "curl",
    "blackgram/powdery_mildew": "white_powder",
    "blackgram/yellow_mosaic": "mosaic",
    "chilli/cercospora_leaf_spot": "pale_centred_spots",
    "chilli/healthy": "healthy",
    "chilli/leaf_curl_mites_thrips": "curl",
    "chilli/nutrient_deficiency": "yellowing",
    "chilli/powdery_mildew": "white_powder",
    "cotton/bacterial_blight": "spots",
    "cotton/fusarium_wilt": "wilt",
    "cotton/healthy": "healthy",
    "cotton/leaf_curl_virus": "curl",
    "grape/black_rot": "spots",
    "grape/esca_black_measles": "drying_between_veins",
    "grape/healthy": "healthy",
    "grape/leaf_blight": "dead_patches",
    "maize/common_rust": "rust",
    "maize/gray_leaf_spot": "stripes_between_veins",
    "maize/healthy": "healthy",
    "maize/northern_leaf_blight": "blight",
    "potato/early_blight": "ringed_spots",
    "potato/healthy": "healthy",
    "potato/late_blight": "wet_blight",
    "rice/bacterial_leaf_blight": "blight",
    "rice/blast": "blight",
    "rice/brown_spot": "spots",
    "sugarcane/healthy": "healthy",
    "sugarcane/mosaic": "mosaic",
    "sugarcane/red_rot": "red_midrib",
    "sugarcane/rust": "rust",
    "sugarcane/yellow_leaf": "yellowing",
    "tomato/bacterial_spot": "spots",
    "tomato/early_blight": "ringed_spots",
    "tomato/healthy": "healthy",
    "tomato/late_blight": "wet_blight",
    "tomato/leaf_mold": "mould",
    "tomato/mosaic_virus": "mosaic",
    "tomato/septoria_leaf_spot": "pale_centred_spots",
    "tomato/spider_mites": "stippling",
    "tomato/target_spot": "small_ringed_spots",
    "tomato/yellow_leaf_curl_virus": "curl",
}
SYMPTOMS: tuple[str, ...] = tuple(sorted(set(SYMPTOM_OF.values())))
UNTOLD = -1
"""The number of no symptom: of what must be refused, and of a disease that its source does not name."""


def numbered(labels: Sequence[str]) -> list[int]:
    """The place in `SYMPTOMS` of each label's symptom, or `UNTOLD`."""
    return [SYMPTOMS.index(SYMPTOM_OF[label]) if label in SYMPTOM_OF else UNTOLD for label in labels]
