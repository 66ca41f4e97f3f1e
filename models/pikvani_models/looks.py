"""What handbooks say of the sick leaves of crops that no field has shown, as numbers. A table; it opens no file.

Such a crop has no sick leaf in a field to learn from, but words and healthy leaves in fields are there, so they are
painted on those (`painting.py`, `painted.py`). Sizes are shares of the picture's short side and wide, as nobody says
how near a farmer holds the camera. A label that is not here was painted and taught nothing (`models/EXPERIMENTS.md`),
or cannot be, as a leaf that curls.
"""

from __future__ import annotations

from pikvani_models.painting import Colour, Look

_YELLOW: Colour = (205, 200, 80)
_PALE: Colour = (165, 175, 105)

LOOKS: dict[str, tuple[Look, ...]] = {
    "maize/healthy": (),
    "potato/healthy": (),
    # "Golden to cinnamon-brown powdery raised pustules on both leaf sides, turning black when old" (UC IPM).
    "maize/common_rust": (
        Look(
            "oval",
            (0.008, 0.03),
            (1, 2.5),
            (25, 350),
            ((215, 150, 45), (165, 85, 35)),
            None,
            (_YELLOW, 0.8),
            False,
            0.6,
        ),
        Look(
            "oval", (0.015, 0.05), (1.2, 4), (12, 150), ((190, 95, 35), (105, 55, 30)), None, (_YELLOW, 0.4), False, 0.6
        ),
    ),
    # "Small spots grow along veins into tan to grey rectangles with straight edges and may join" (Univ. of Tennessee).
    "maize/gray_leaf_spot": (
        Look(
            "box",
            (0.04, 0.22),
            (2.5, 9),
            (6, 80),
            ((205, 180, 130), (165, 155, 140)),
            ((140, 95, 55), 0.3),
            (_YELLOW, 0.5),
        ),
        Look("box", (0.05, 0.25), (3, 10), (5, 60), ((170, 125, 75), (125, 85, 55)), None, (_YELLOW, 0.8), False, 0.3),
    ),
    # "Grey-green cigar-shaped spots 3-15 cm long, later dark and dirty-looking with spores" (Univ. of Illinois).
    "maize/northern_leaf_blight": (
        Look(
            "spindle",
            (0.22, 0.8),
            (3.5, 9),
            (1, 6),
            ((205, 190, 150), (150, 140, 115)),
            ((125, 100, 65), 0.2),
            (_YELLOW, 0.2),
        ),
        Look("blotch", (0.4, 1.1), (2, 6), (1, 4), ((200, 175, 125), (145, 115, 80)), None, (_YELLOW, 0.15)),
    ),
    # "Brown leaf spots that may or may not show rings" (ICAR-CPRI).
    "potato/early_blight": (
        Look("oval", (0.03, 0.16), (1, 1.5), (2, 25), ((130, 90, 50), (75, 50, 35)), None, (_YELLOW, 0.5), True),
    ),
    # "Brown to purple-black patches race over leaves" (Navsari), "pale-green wet patches" (ICAR-NCIPM), of tomato's.
    "potato/late_blight": (
        Look("blotch", (0.2, 0.8), (1, 2), (1, 4), ((115, 90, 60), (60, 50, 40)), None, (_PALE, 0.2)),
        Look("blotch", (0.2, 0.7), (1, 2), (1, 4), ((100, 105, 65), (120, 105, 70)), None, (_PALE, 0.3)),
    ),
}
"""The looks that a label is painted in; none for a healthy leaf, which is shown as it lies."""

PAINTED = frozenset(label.split("/")[0] for label in LOOKS)
"""The crops that are painted."""

GROUNDS: dict[str, tuple[str, ...]] = {"maize": ("sugarcane/healthy",)}
"""Whose healthy leaves in fields a crop's signs are painted on, beside its own of the laboratory."""
OTHER_GROUNDS = ("blackgram/healthy", "chilli/healthy", "cotton/healthy")
