"""One photograph through a runtime: first view, and a closer second one only where the first leaves doubt.

It knows no runtime: `invoke` is any function from a model input to the three named outputs, as float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.model.manifest import Manifest, PackageError
from pikvani_contract.model.posterior import Evidence, decide, map_focus
from pikvani_contract.model.preprocess import CENTRE, focus_in_photo, model_input

Invoke = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.float32]]]


def look(manifest: Manifest, rgb: NDArray[np.uint8], invoke: Invoke, crop: str | None = None) -> Evidence:
    """Everything the model can say of one photograph.

    Args:
        manifest: The package's manifest.
        rgb: Photograph, uint8 `[h, w, 3]`, RGB.
        invoke: Runs the network: `[1, size, size, 3]` to `logits`, `maps` and `embedding`, dequantised.
        crop: The crop, where known: it decides whether the first view leaves doubt.

    Raises:
        PackageError: The outputs do not have the shapes the manifest promises.
    """
    evidence: Evidence | None = None
    focus = CENTRE
    for view in manifest.input.views:
        if evidence is not None and view.when == "unsure":
            diagnosis = decide(manifest, [evidence], crop)
            if diagnosis.confidence >= manifest.decision.second_view_below:
                return evidence
            label = manifest.labels.index(diagnosis.label)
            focus = focus_in_photo(rgb, manifest.input.views[0], map_focus(evidence.maps, label))
        evidence = _merged(evidence, _evidence(manifest, invoke(model_input(rgb, manifest.input, view, focus))))
    if evidence is None:
        raise PackageError("the manifest's input has no views: rebuild the package")
    return evidence


def _evidence(manifest: Manifest, outputs: Mapping[str, NDArray[np.float32]]) -> Evidence:
    shapes = manifest.outputs
    expected = {
        "logits": (1, shapes.classes),
        "maps": (1, shapes.side, shapes.side, shapes.classes),
        "embedding": (1, shapes.embedding),
    }
    for name, shape in expected.items():
        given = outputs[name].shape if name in outputs else None
        if given != shape:
            raise PackageError(f"model output {name} has shape {given}, the manifest says {shape}: rebuild the package")
    logits, embedding = outputs["logits"][0].astype(np.float64), outputs["embedding"][0].astype(np.float64)
    return Evidence(logits, embedding, outputs["maps"][0])


def _merged(before: Evidence | None, new: Evidence) -> Evidence:
    if before is None:
        return new
    n = before.views
    return Evidence(
        (before.logits * n + new.logits) / (n + 1),
        (before.embedding * n + new.embedding) / (n + 1),
        before.maps,
        n + 1,
    )
