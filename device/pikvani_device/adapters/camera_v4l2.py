"""A USB camera through OpenCV's V4L2 backend, on a thread of its own so that a hung driver cannot hang the kiosk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np

from pikvani_device.errors import CameraError, CameraHungError
from pikvani_device.ports import RgbImage

WARM_UP_FRAMES = 4
"""Frames thrown away before each photograph: the driver buffers old ones, and exposure settles on them."""


class FrameSource(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def isOpened(self) -> bool: ...  # noqa: D102, N802
    def read(self) -> tuple[bool, np.ndarray | None]: ...  # noqa: D102
    def release(self) -> None: ...  # noqa: D102


def open_v4l2(index: int, width_px: int, height_px: int) -> FrameSource:
    """Open `/dev/video<index>` and ask for a size; the driver may give another one."""
    capture = cv2.VideoCapture(index, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, width_px)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height_px)
    return capture


OpenSource = Callable[[int, int, int], FrameSource]


class V4l2Camera:
    """A `Camera` over V4L2 with a time limit.

    Args:
        index: of the device file, `/dev/video<index>`.
        width_px: asked of the driver.
        height_px: asked of the driver.
        timeout_s: opening and each capture may take this long.
        open_source: opens the device; another one is given where there is no camera.

    Raises:
        CameraError: there is no such camera, or it did not answer in time.
    """

    def __init__(
        self,
        index: int,
        width_px: int = 1_280,
        height_px: int = 960,
        timeout_s: float = 10.0,
        open_source: OpenSource = open_v4l2,
    ) -> None:
        self._device = f"/dev/video{index}"
        self._timeout_s = timeout_s
        self._requests: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._frames: queue.SimpleQueue[RgbImage | str] = queue.SimpleQueue()
        self._broken = ""
        # A daemon thread: one stuck inside the driver cannot be ended, and must not keep the process alive.
        threading.Thread(
            target=self._serve, args=(open_source, index, width_px, height_px), name="camera", daemon=True
        ).start()
        self._wait("open")

    def capture(self) -> RgbImage:
        """See `Camera.capture`."""
        return self._take(WARM_UP_FRAMES)

    def preview(self) -> RgbImage:
        """See `Camera.preview`: the driver's next frame, without waiting for the exposure to settle."""
        return self._take(0)

    def _take(self, passed_over: int) -> RgbImage:
        if self._broken:
            raise CameraError(self._broken)
        self._requests.put(passed_over)
        return self._wait("give a photograph")

    def close(self) -> None:
        """See `Camera.close`."""
        self._broken = self._broken or f"camera {self._device} was closed; open it again"
        self._requests.put(None)

    def _wait(self, doing: str) -> RgbImage:
        try:
            answer = self._frames.get(timeout=self._timeout_s)
        except queue.Empty:
            self._broken = (
                f"camera {self._device} did not {doing} within {self._timeout_s:g} s: it hangs; "
                "unplug it, plug it in again and restart, or raise camera.timeout_s"
            )
            raise CameraHungError(self._broken) from None
        if isinstance(answer, str):
            self._broken = answer
            raise CameraError(answer)
        return answer

    def _serve(self, open_source: OpenSource, index: int, width_px: int, height_px: int) -> None:
        source = open_source(index, width_px, height_px)
        try:
            if not source.isOpened():
                self._frames.put(f"camera {self._device} is not there; plug it in, or set camera.index")
                return
            self._frames.put(np.zeros((1, 1, 3), np.uint8))
            while (passed_over := self._requests.get()) is not None:
                for _ in range(passed_over):
                    source.read()
                taken, frame = source.read()
                if not taken or frame is None:
                    self._frames.put(f"camera {self._device} gave no picture; check its cable and power")
                    return
                self._frames.put(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False))
        except Exception as error:  # the driver's own errors come in many classes; none may end the thread unheard
            self._frames.put(f"camera {self._device} failed: {error}; check its cable and power")
        finally:
            source.release()
