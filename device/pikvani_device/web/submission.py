"""Takes a program's photographs, asks the device and keeps the case."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request

from pikvani_device.app import Device
from pikvani_device.diagnosis.photo import MAX_BYTES
from pikvani_device.diagnosis.result import Diagnosis
from pikvani_device.diagnosis.symptoms import SYMPTOMS
from pikvani_device.errors import PhotoError
from pikvani_device.store import StoredCase
from pikvani_device.web.catalogue import LOCALES


class SubmissionError(Exception):
    """A request that cannot be answered as it is.

    Args:
        reason: a stable id.
        detail: one line for whoever wrote the request.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True)
class Answered:
    """A case that was diagnosed, and kept where the disk took it; `case` is None where it did not."""

    diagnosis: Diagnosis
    case: StoredCase | None
    locale: str


def answer(device: Device, request: Request) -> Answered:
    """Diagnose the photographs of a form and record the case.

    Its fields: `photos`, one or more files; if wanted `crop`, `locale` and `symptoms`, each as `openapi.py` says.

    Raises:
        SubmissionError: no photograph, too many, an unreadable one, or a field or value nobody knows.
        DeviceError: the model failed.
    """
    strange = (set(request.form) | set(request.files) | set(request.args)) - {"photos", "crop", "locale", "symptoms"}
    if strange or request.args or "photos" in request.form:
        raise SubmissionError("bad_field", "send the form fields photos (files), crop, locale and symptoms, no other")
    uploads = [upload for upload in request.files.getlist("photos") if upload.filename]
    most = device.pipeline.max_photos
    if not uploads:
        raise SubmissionError("no_photo", "send 1 or more files in the form field 'photos'")
    if len(uploads) > most:
        raise SubmissionError("too_many", f"{len(uploads)} photographs are over the {most} allowed in one case")
    crop = _one_of(request, "crop", device.package.manifest.crops, "unknown_plant")
    locale = _one_of(request, "locale", tuple(LOCALES), "bad_field") or device.config.device.locale
    symptoms = request.form.getlist("symptoms")
    if not set(symptoms) <= set(SYMPTOMS) or len(symptoms) > len(SYMPTOMS):
        raise SubmissionError("bad_field", f"symptoms: take any of {', '.join(SYMPTOMS)}")
    # A client's file name is not repeated anywhere; the number of the photograph is enough to find it again.
    files = [(f"photo {n}", upload.stream.read(MAX_BYTES + 1)) for n, upload in enumerate(uploads, start=1)]
    try:
        diagnosis, photos = device.diagnose(files, crop, symptoms)
    except PhotoError as error:
        raise SubmissionError(error.reason, str(error)) from None
    return Answered(diagnosis, device.record_if_possible(diagnosis, photos, crop, "api", locale), locale)


def _one_of(request: Request, field: str, known: tuple[str, ...], reason: str) -> str | None:
    given = request.form.getlist(field)
    if not given:
        return None
    if len(given) > 1 or given[0] not in known:
        raise SubmissionError(reason, f"{field} {given[0][:60]!r} is not known here: take one of {', '.join(known)}")
    return given[0]
