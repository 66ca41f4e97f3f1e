"""A directory of photographs as a camera: each capture gives the next file in name order, then it is empty."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from pikvani_device.errors import CameraError, PhotoError
from pikvani_device.ports import RgbImage

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class FolderCamera:
    """A `Camera` over a directory.

    Args:
        directory: where the photographs lie; other files and hidden ones are passed over.
        decode: turns a file's bytes and name into pixels, raising `PhotoError`.

    Raises:
        CameraError: there is no such directory, or no photograph in it.
    """

    def __init__(self, directory: Path, decode: Callable[[bytes, str], RgbImage]) -> None:
        self._directory = directory
        self._decode = decode
        try:
            names = sorted(
                p for p in directory.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")
            )
        except OSError as error:
            raise CameraError(
                f"camera folder {directory}: {error.strerror}; set camera.path to a directory of photographs"
            ) from None
        if not names:
            raise CameraError(f"camera folder {directory} holds no .jpg, .png or .webp; put photographs into it")
        self._rest = deque(names)

    def capture(self) -> RgbImage:
        """See `Camera.capture`."""
        photograph = self.preview()
        self._rest.popleft()
        return photograph

    def preview(self) -> RgbImage:
        """See `Camera.preview`: the photograph that the next capture gives."""
        if not self._rest:
            raise CameraError(f"camera folder {self._directory} has no further photograph; add some and start again")
        path = self._rest[0]
        try:
            return self._decode(path.read_bytes(), path.name)
        except OSError as error:
            raise CameraError(f"camera folder: {path.name} cannot be read ({error.strerror})") from None
        except PhotoError as error:
            raise CameraError(f"camera folder: {error}") from None

    def close(self) -> None:
        """See `Camera.close`."""
        self._rest.clear()
