"""A camera that draws its leaves: the fake of the port, for demos and tests without a camera."""

from __future__ import annotations

from pikvani_device.drawn_leaves import draw_leaf
from pikvani_device.errors import CameraError
from pikvani_device.ports import RgbImage


class DrawnCamera:
    """Gives a new drawn leaf at every capture, the same ones for the same seed.

    Args:
        seed: of the first leaf; each capture takes the next.
    """

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._closed = False
        self._drawn: RgbImage | None = None

    def capture(self) -> RgbImage:
        """See `Camera.capture`."""
        if self._closed:
            raise CameraError("the drawn camera was closed; open a new one")
        leaf = self.preview()
        self._seed, self._drawn = self._seed + 1, None
        return leaf

    def preview(self) -> RgbImage:
        """See `Camera.preview`: the leaf that the next capture gives."""
        if self._closed:
            raise CameraError("the drawn camera was closed; open a new one")
        if self._drawn is None:
            self._drawn = draw_leaf(self._seed)
        return self._drawn.copy()

    def close(self) -> None:
        """See `Camera.close`."""
        self._closed = True
