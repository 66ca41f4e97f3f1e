"""The Raspberry Pi's own camera through picamera2, which is imported only when this adapter is chosen."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np

from pikvani_device.errors import CameraError, CameraHungError
from pikvani_device.ports import RgbImage


class Picamera2Camera:
    """A `Camera` over picamera2.

    Args:
        index: of the camera on the board.
        width_px: of the photograph.
        height_px: of the photograph.
        timeout_s: each capture may take this long.

    Raises:
        CameraError: picamera2 is not installed, or it finds no camera.
    """

    def __init__(self, index: int = 0, width_px: int = 1_280, height_px: int = 960, timeout_s: float = 10.0) -> None:
        self._timeout_s = timeout_s
        try:
            library = importlib.import_module("picamera2")
        except ImportError as error:
            raise CameraError(
                f"camera picamera2 is chosen and its library is missing ({error}): install it with "
                "'apt install python3-picamera2', or set camera.adapter to v4l2"
            ) from None
        try:
            self._camera: Any = library.Picamera2(index)
            # picamera2 names formats by memory order reversed: "BGR888" arrives as R, G, B.
            self._camera.configure(
                self._camera.create_still_configuration(main={"size": (width_px, height_px), "format": "BGR888"})
            )
            self._camera.start()
        except Exception as error:  # libcamera's bindings raise RuntimeError, IndexError and their own
            raise CameraError(f"Raspberry Pi camera {index} cannot start: {error}; check its ribbon cable") from None

    def capture(self) -> RgbImage:
        """See `Camera.capture`."""
        if self._camera is None:
            raise CameraError("the Raspberry Pi camera was closed; open it again")
        result: list[RgbImage] = []
        failure: list[Exception] = []

        def take() -> None:
            try:
                result.append(np.ascontiguousarray(self._camera.capture_array("main")[:, :, :3], dtype=np.uint8))
            except Exception as error:
                failure.append(error)

        # A capture that hangs in the driver cannot be ended from Python; it is left to a daemon thread.
        thread = threading.Thread(target=take, name="picamera2", daemon=True)
        thread.start()
        thread.join(self._timeout_s)
        if failure:
            raise CameraError(f"the Raspberry Pi camera failed: {failure[0]}; check its ribbon cable")
        if not result:
            raise CameraHungError(
                f"the Raspberry Pi camera gave no picture within {self._timeout_s:g} s: it hangs; restart the device"
            )
        return result[0]

    def preview(self) -> RgbImage:
        """See `Camera.preview`: the camera runs all the time, so its next frame is both."""
        return self.capture()

    def close(self) -> None:
        """See `Camera.close`."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
