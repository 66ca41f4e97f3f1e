"""One case from bytes to decision: decode, quality gate, model, decision.

Views, fusion, confidence and thresholds are rules of the model package and live in `pikvani_contract.model`, so that
what was evaluated is what runs; this module puts them in order around a runtime. It keeps nothing and is not
thread-safe: the caller lets one case in at a time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import numpy as np

from pikvani_contract.model.inference import look
from pikvani_contract.model.manifest import Manifest, PackageError
from pikvani_contract.model.posterior import decide
from pikvani_device.diagnosis.advice.symptom_table import SymptomTable
from pikvani_device.diagnosis.photo import Photo, read_photo
from pikvani_device.diagnosis.quality_gate import assess
from pikvani_device.diagnosis.result import Decision, Diagnosis
from pikvani_device.diagnosis.symptoms import likelihoods
from pikvani_device.errors import ModelError
from pikvani_device.ports import Runtime


def _at_once() -> None:
    """Nothing happens between two photographs."""


class Pipeline:
    """Diagnoses cases with one model on one runtime.

    Args:
        manifest: of the model package.
        runtime: with the package's model loaded.
        table: gives how likely farmers' words are under each condition, when first needed; None where no advice
            package can be read.
    """

    def __init__(
        self, manifest: Manifest, runtime: Runtime, table: Callable[[], SymptomTable | None] = lambda: None
    ) -> None:
        self._table = table
        self.manifest = manifest
        self.runtime = runtime
        self.model_version = f"{manifest.name}@{manifest.version}"

    @property
    def max_photos(self) -> int:
        """Photographs one case may have."""
        return self.manifest.decision.max_photos

    def read_and_diagnose(
        self,
        files: Sequence[tuple[str, bytes]],
        crop: str | None = None,
        symptoms: Collection[str] = (),
        between: Callable[[], None] = _at_once,
    ) -> tuple[Diagnosis, list[Photo]]:
        """Diagnose photographs as they lie in files: `(name, bytes)` each; the rest as `diagnose`.

        Returns:
            The diagnosis, and the decoded photographs for whoever keeps them.

        Raises:
            PhotoError: one of the files is no photograph.
            ModelError: no photograph, too many, a crop the model does not know, or a model that does not fit.
            RuntimeAdapterError: the runtime failed.
        """
        started_s = time.perf_counter()
        photos = []
        for name, data in files:
            between()
            photos.append(read_photo(data, name))
        return self.diagnose(photos, crop, started_s, symptoms, between), photos

    def diagnose(
        self,
        photos: Sequence[Photo],
        crop: str | None = None,
        started_s: float | None = None,
        symptoms: Collection[str] = (),
        between: Callable[[], None] = _at_once,
    ) -> Diagnosis:
        """Diagnose decoded photographs of one plant.

        Photographs the gate turned down do not count beside good ones. Where it turned down all of them the model
        still looks, so that the record says what it saw, and the decision is to ask again.

        Args:
            photos: 1 to `max_photos`.
            crop: the crop, where the farmer told it.
            started_s: `time.perf_counter()` when the case began; now, if left out.
            symptoms: what the farmer told: keys of `symptoms.SYMPTOMS`, ids of spoken words.
            between: called before each photograph; it may take its time.

        Raises:
            ModelError: as `read_and_diagnose`.
            RuntimeAdapterError: as `read_and_diagnose`.
        """
        started_s = time.perf_counter() if started_s is None else started_s
        quality = tuple(assess(photo) for photo in photos)
        good = [photo for photo, report in zip(photos, quality, strict=True) if report.accepted]
        try:
            evidence = []
            for photo in good or photos:
                between()
                evidence.append(look(self.manifest, photo.pixels, self.runtime.invoke, crop))
            told = likelihoods(self.manifest.labels, symptoms, self._table()) if symptoms else None
            said = decide(self.manifest, evidence, crop, told)
        except PackageError as error:
            raise ModelError(str(error)) from None
        decision: Decision = said.decision
        reason: str = "" if decision == "answer" else said.reason
        label = self.manifest.labels.index(said.label)
        maps = iter(e.maps[:, :, label] for e in evidence)
        if not good:
            decision, reason = "more", quality[0].reason
        return Diagnosis(
            decision=decision,
            reason=reason,
            crop=said.crop,
            condition=said.label,
            confidence=said.confidence,
            probabilities=said.probabilities,
            latency_ms=(time.perf_counter() - started_s) * 1000,
            model=self.model_version,
            runtime=self.runtime.name,
            quality=quality,
            heat=tuple(next(maps) if report.accepted or not good else None for report in quality),
            embedding=np.mean([e.embedding for e in evidence], axis=0),
        )
