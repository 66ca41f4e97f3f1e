"""Drawings of leaves and what ails them, as SVG: a leaf in the shape of its crop, and the marks of a family of disease.

They are drawn, not traced from any photograph, and say to the eye what the name says to the ear. A condition this
module does not know is drawn with the plain question mark of the unknown.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

from flask import Blueprint, Response, abort

FAMILY = {
    "anthracnose": "rings",
    "bacterial_blight": "angular",
    "bacterial_leaf_blight": "burn",
    "bacterial_spot": "angular",
    "black_rot": "rings",
    "blast": "eyes",
    "brown_spot": "spots",
    "cercospora_leaf_spot": "spots",
    "common_rust": "rust",
    "diseased_unspecified": "unknown",
    "early_blight": "rings",
    "esca_black_measles": "stripes",
    "fusarium_wilt": "wilt",
    "gray_leaf_spot": "bars",
    "healthy": "healthy",
    "late_blight": "burn",
    "leaf_blight": "burn",
    "leaf_crinkle": "curl",
    "leaf_curl_mites_thrips": "curl",
    "leaf_curl_virus": "curl",
    "leaf_mold": "mould",
    "mosaic": "mosaic",
    "mosaic_virus": "mosaic",
    "northern_leaf_blight": "bars",
    "nutrient_deficiency": "yellow",
    "powdery_mildew": "powder",
    "red_rot": "rot",
    "rust": "rust",
    "septoria_leaf_spot": "spots",
    "spider_mites": "insects",
    "target_spot": "rings",
    "yellow_leaf": "yellow",
    "yellow_leaf_curl_virus": "curl",
    "yellow_mosaic": "mosaic",
}
"""Family of marks a condition is drawn with."""

SHAPES = {
    "bell_pepper": "oval",
    "blackgram": "oval",
    "chilli": "lance",
    "cotton": "lobed",
    "grape": "lobed",
    "maize": "blade",
    "potato": "oval",
    "rice": "blade",
    "sugarcane": "blade",
    "tomato": "cut",
}
"""Shape of a crop's leaf."""


@cache
def _pieces(kind: str) -> dict[str, str]:
    """The pieces of a drawing file: `<!-- name -->` before each."""
    text = resources.files("pikvani_device.web").joinpath(f"drawings/{kind}.svgt").read_text("utf-8")
    found = {}
    for piece in text.split("<!-- ")[1:]:
        name, _, body = piece.partition(" -->")
        found[name] = body.strip()
    return found


@cache
def leaf(shape: str, family: str) -> str:
    """One leaf with its marks, 200 x 200.

    Args:
        shape: a value of `SHAPES`.
        family: a value of `FAMILY`, or a symptom picture, which are families too.
    """
    marks = _pieces("marks")[family]
    outline, veins = _pieces("leaves")[shape].splitlines()
    colours = {"curl": "#8aa83a", "yellow": "#d9c04a", "wilt": "#9aa050"}
    body = f'<path d="{outline}" fill="{colours.get(family, "#4d8f3a")}"/>'
    lines = f'<path d="{veins}" fill="none" stroke="#2f5f24" stroke-width="3" stroke-linecap="round"/>'
    within, _, over = marks.partition("<!--over-->")
    turned = f'<g transform="{_TURN[family]}">' if family in _TURN else "<g>"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">'
        f'<clipPath id="l"><path d="{outline}"/></clipPath>{turned}{body}<g clip-path="url(#l)">{within}</g>{lines}'
        f'<path d="{outline}" fill="none" stroke="#2f5f24" stroke-width="4" stroke-linejoin="round"/></g>{over}</svg>'
    )


_TURN = {"wilt": "rotate(28 100 190) translate(8 14) scale(.9 .92)"}


def picture_of(label: str) -> tuple[str, str]:
    """Shape and family of a `crop/condition`."""
    crop, _, condition = label.partition("/")
    return SHAPES.get(crop, "oval"), FAMILY.get(condition, "unknown")


def blueprint() -> Blueprint:
    """The drawings, for any page."""
    drawings = Blueprint("drawings", __name__)

    @drawings.get("/drawing/<shape>/<family>.svg")
    def drawing(shape: str, family: str) -> Response:
        if shape not in _pieces("leaves") or family not in _pieces("marks"):
            abort(404)
        response = Response(leaf(shape, family), content_type="image/svg+xml")
        response.headers["Cache-Control"] = "public, max-age=86400"
        return response

    return drawings
