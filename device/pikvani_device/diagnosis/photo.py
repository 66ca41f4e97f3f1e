"""Reads a photograph out of hostile bytes: judged by its header first, decoded small, turned upright.

It refuses what is no photograph (`PhotoError`) and never raises anything else, whatever the bytes. It does not
judge whether the photograph is a good one; that is `quality_gate`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from pikvani_device.diagnosis.image_header import HeaderError, ImageHeader, read_header
from pikvani_device.errors import PhotoError
from pikvani_device.ports import RgbImage

MAX_BYTES = 25 * 2**20
"""The largest file taken."""
MAX_PIXELS = 24_000_000
"""The largest picture taken, as its header says: three bytes a pixel must fit beside the model in 300 MB."""
MAX_ASPECT = 8.0
"""Longest side over shortest: a panorama or a ruler-thin strip is no leaf."""
MIN_SIDE_PX = 16
"""Under this there is nothing to look at; between this and the quality gate's limit a person is asked again."""
WORK_SIDE_PX = 512
"""Big JPEGs are decoded at 1/2, 1/4 or 1/8 scale so long as the short side keeps this many pixels."""

# libjpeg scales by 2, 4 and 8 inside the inverse DCT, which makes a 12-megapixel photo six times cheaper.
_REDUCED = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4), (2, cv2.IMREAD_REDUCED_COLOR_2))


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photograph, upright.

    Attributes:
        name: what a person calls it: a file name or a camera.
        pixels: height x width x 3, RGB, 0 to 255, possibly reduced.
        width_px: of the photograph as taken, as stored in the file.
        height_px: of the photograph as taken.
    """

    name: str
    pixels: RgbImage
    width_px: int
    height_px: int


def read_photo(data: bytes, name: str) -> Photo:
    """Decode a JPEG, PNG or WebP, honouring its EXIF orientation.

    Args:
        data: the whole file.
        name: what to call it in errors and results.

    Raises:
        PhotoError: not a picture, torn, or over the limits of this module.
    """
    if len(data) > MAX_BYTES:
        raise PhotoError(
            f"{name}: {len(data) / 2**20:.0f} MB is over the {MAX_BYTES // 2**20} MB allowed; send a smaller photo",
            "too_large",
        )
    try:
        header = read_header(data)
    except HeaderError as error:
        raise PhotoError(f"{name}: {error}; take the photo again or send the original file") from None
    _check_size(header, name)
    return Photo(name, _decode(data, header, name), header.width_px, header.height_px)


def photo_of_frame(pixels: RgbImage, name: str) -> Photo:
    """Take a camera's frame as a photograph.

    Raises:
        PhotoError: it is not height x width x 3 of bytes, or outside the limits of this module.
    """
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise PhotoError(f"{name}: a frame of shape {pixels.shape} and type {pixels.dtype} is not an RGB photograph")
    height, width = pixels.shape[:2]
    _check_size(ImageHeader("frame", width, height), name)
    return Photo(name, pixels, width, height)


def encode_for_keeping(photo: Photo, quality: int = 88) -> bytes:
    """The photograph as a fresh JPEG: nothing of the sender's file survives, neither place nor owner nor payload."""
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not done:
        raise PhotoError(f"{photo.name}: could not be written as JPEG")
    return encoded.tobytes()


def _check_size(header: ImageHeader, name: str) -> None:
    width, height = header.width_px, header.height_px
    if width * height > MAX_PIXELS:
        raise PhotoError(
            f"{name}: {width} x {height} pixels is over the {MAX_PIXELS // 10**6} megapixels allowed; "
            "set the camera to a smaller size",
            "too_large",
        )
    short, long = min(width, height), max(width, height)
    if short < MIN_SIDE_PX or long > MAX_ASPECT * short:
        raise PhotoError(f"{name}: {width} x {height} pixels is not the shape of a photograph; take another one")


def _decode(data: bytes, header: ImageHeader, name: str) -> RgbImage:
    flag = cv2.IMREAD_COLOR
    if header.kind == "jpeg":
        short = min(header.width_px, header.height_px)
        flag = next((f for scale, f in _REDUCED if short // scale >= WORK_SIDE_PX), flag)
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except (cv2.error, MemoryError):
        decoded = None
    if decoded is None or decoded.ndim != 3 or decoded.size == 0:
        raise PhotoError(f"{name}: the {header.kind.upper()} is damaged and cannot be decoded; take the photo again")
    if header.kind != "jpeg":
        decoded = _shrink(decoded)
    cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)
    return decoded.astype(np.uint8, copy=False)


def _shrink(decoded: MatLike) -> MatLike:
    """Bring a PNG or WebP to the size a JPEG of the same photograph is decoded at, so that both are read alike."""
    scale = next((s for s, _ in _REDUCED if min(decoded.shape[:2]) // s >= WORK_SIDE_PX), 1)
    if scale == 1:
        return decoded
    size = (decoded.shape[1] // scale, decoded.shape[0] // scale)
    return cv2.resize(decoded, size, interpolation=cv2.INTER_AREA)
