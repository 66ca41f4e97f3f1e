"""Reads format, size and completeness of a JPEG, PNG or WebP from its bytes, without decoding a pixel.

This is the guard in front of the decoder: a 20,000 x 20,000 PNG costs here what a thumbnail costs. It trusts no
length it reads. It is not a decoder and does not promise that the picture data itself is sound.

Formats: ITU T.81 annex B (JPEG markers), W3C PNG section 5 (chunks), RFC 9649 (WebP container).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

MAX_JPEG_SCANS = 100
"""A progressive JPEG of a camera has about ten; thousands are an attack on the decoder's time."""

_PNG = b"\x89PNG\r\n\x1a\n"
# In entropy-coded data 0xFF is followed by 0x00 (stuffing), a restart marker or fill; anything else is a marker.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_SIZED = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_SOS, _EOI = 0xDA, 0xD9


class HeaderError(ValueError):
    """The bytes are not a whole picture of a known format; the message says why, without naming the file."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the header says.

    Attributes:
        kind: `jpeg`, `png` or `webp`.
        width_px: as stored, before any EXIF turn.
        height_px: as stored.
    """

    kind: str
    width_px: int
    height_px: int


def read_header(data: bytes) -> ImageHeader:
    """Read the header of a picture and check that its end is there.

    Raises:
        HeaderError: empty, of another format, torn, or truncated.
    """
    if not data:
        raise HeaderError("the file is empty")
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == _PNG:
        return _png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    raise HeaderError("it is not a JPEG, PNG or WebP picture, whatever its name says")


def _jpeg(data: bytes) -> ImageHeader:
    size: tuple[int, int] | None = None
    at, scans = 2, 0
    while True:
        found = _NEXT_MARKER.search(data, at)
        if found is None:
            raise HeaderError("the JPEG is cut off: its end is missing")
        marker, at = data[found.end() - 1], found.end()
        if marker == _EOI:
            if size is None or scans == 0:
                raise HeaderError("the JPEG holds no picture")
            return ImageHeader("jpeg", *size)
        if marker in (0xD8, 0x01):
            continue
        segment = data[at : at + 2]
        length = int.from_bytes(segment, "big")
        if len(segment) < 2 or length < 2 or at + length > len(data):
            raise HeaderError("the JPEG is cut off inside its header")
        if marker in _JPEG_SIZED:
            if length < 8 or size is not None:
                raise HeaderError("the JPEG's frame header is damaged")
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = (width, height)
        elif marker == _SOS:
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise HeaderError(f"the JPEG has more than {MAX_JPEG_SCANS} scans; no camera writes that")
        at += length


def _png(data: bytes) -> ImageHeader:
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise HeaderError("the PNG is cut off inside its header")
    width, height = struct.unpack_from(">II", data, 16)
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if data[at + 4 : at + 8] == b"IEND":
            return ImageHeader("png", width, height)
        at += 12 + length
    raise HeaderError("the PNG is cut off: its end is missing")


def _webp(data: bytes) -> ImageHeader:
    (length,) = struct.unpack_from("<I", data, 4)
    if len(data) < 30 or length + 8 > len(data):
        raise HeaderError("the WebP is cut off: its end is missing")
    form = data[12:16]
    if form == b"VP8X":
        return ImageHeader("webp", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if form == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return ImageHeader("webp", (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
    if form == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return ImageHeader("webp", width & 0x3FFF, height & 0x3FFF)
    raise HeaderError("the WebP's header is damaged")
