"""The kiosk's live view: one camera, looked at by whoever asks, no more often than a picture is new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2

from pikvani_device.diagnosis.aiming import Glance, Hint, glance, hint
from pikvani_device.errors import CameraError
from pikvani_device.ports import Camera, RgbImage

FRESH_S = 0.1
"""A picture younger than this is given again."""
_RELATED_S = 1.5
_WIDTH_PX = 640
_QUALITY = 72


@dataclass(frozen=True)
class Look:
    """One picture of the live view.

    Attributes:
        jpeg: as a browser shows it.
        hint: what to tell the person who aims.
    """

    jpeg: bytes
    hint: Hint


class LiveView:
    """Looks through a camera, one caller at a time.

    Args:
        camera: gives the camera, and opens it when first asked.
    """

    def __init__(self, camera: Callable[[], Camera]) -> None:
        self._camera = camera
        self._lock = threading.Lock()
        self._last: tuple[float, Look, Glance] | None = None

    def look(self) -> Look:
        """What the camera sees now.

        Raises:
            CameraError: there is no camera, or it failed.
        """
        with self._lock:
            now_s = time.monotonic()
            if self._last is not None and now_s - self._last[0] < FRESH_S:
                return self._last[1]
            frame = _shown(self._camera().preview())
            related = self._last is not None and now_s - self._last[0] < _RELATED_S
            said = hint(frame, self._last[2] if related and self._last else None)
            done, jpeg = cv2.imencode(
                ".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
            )
            if not done:
                raise CameraError("the camera's picture cannot be shown; restart the device")
            look = Look(jpeg.tobytes(), said)
            self._last = (time.monotonic(), look, glance(frame))
            return look

    def capture(self) -> RgbImage:
        """Take the photograph.

        Raises:
            CameraError: as `look`.
        """
        with self._lock:
            self._last = None
            return self._camera().capture()


def _shown(frame: RgbImage) -> RgbImage:
    height, width = frame.shape[:2]
    if width <= _WIDTH_PX:
        return frame
    size = (_WIDTH_PX, max(1, round(height * _WIDTH_PX / width)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
