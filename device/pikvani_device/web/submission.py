"""Takes a request's photographs, asks the device and keeps the case: what the page and the API share."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Request

from pikvani_device.app import Device
from pikvani_device.diagnosis.photo import MAX_BYTES
from pikvani_device.diagnosis.result import Diagnosis
from pikvani_device.errors import PhotoError
from pikvani_device.store import StoredCase


class SubmissionError(Exception):
    """A request that cannot be answered as it is.

    Args:
        reason: a key of the catalogue.
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


def answer(device: Device, request: Request, channel: str, locale: str) -> Answered:
    """Diagnose the photographs of a form (`photos`, and `crop` if picked) and record the case.

    Raises:
        SubmissionError: no photograph, too many, an unreadable one, or an unknown crop.
        DeviceError: the model failed.
    """
    uploads = [upload for upload in request.files.getlist("photos") if upload.filename]
    most = device.pipeline.max_photos
    if not uploads:
        raise SubmissionError("no_photo", "send 1 or more files in the form field 'photos'")
    if len(uploads) > most:
        raise SubmissionError("too_many", f"{len(uploads)} photographs are over the {most} allowed in one case")
    crop = request.form.get("crop") or None
    if crop is not None and crop not in device.package.manifest.crops:
        known = ", ".join(device.package.manifest.crops)
        raise SubmissionError("unknown_plant", f"crop {crop[:60]!r} is not one this model knows: take one of {known}")
    # A client's file name is not repeated anywhere; the number of the photograph is enough to find it again.
    files = [(f"photo {n}", upload.stream.read(MAX_BYTES + 1)) for n, upload in enumerate(uploads, start=1)]
    try:
        diagnosis, photos = device.diagnose(files, crop)
    except PhotoError as error:
        raise SubmissionError(error.reason, str(error)) from None
    return Answered(diagnosis, device.record_if_possible(diagnosis, photos, crop, channel, locale))
