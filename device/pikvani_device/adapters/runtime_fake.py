"""A runtime without a network: the fake of the port, for rehearsals and tests. Its answers follow the colours.

It is deterministic and reacts to its input, so a red photograph and a green one get different answers. It knows
nothing about plants and says so in its name.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pikvani_device.errors import RuntimeAdapterError


class FakeRuntime:
    """A `Runtime` of arithmetic.

    Args:
        shapes: shape of every output, batch dimension included, by name.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)
        self._closed = False

    @property
    def name(self) -> str:
        """See `Runtime.name`."""
        return "fake"

    def invoke(self, view: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """See `Runtime.invoke`."""
        if self._closed:
            raise RuntimeAdapterError("runtime fake was closed; build it again")
        if view.ndim != 4 or view.shape[0] != 1:
            raise RuntimeAdapterError(f"runtime fake failed on an input of {view.shape}: it takes one view at a time")
        mood = np.array([view.mean(), view.std(), view[..., ::2].mean()], np.float64)
        outputs = {}
        for name, shape in self._shapes.items():
            angles = np.arange(np.prod(shape), dtype=np.float64)[:, None] * np.array([0.7, 1.3, 2.1])
            outputs[name] = (4 * np.sin(angles + mood)).mean(axis=1).reshape(shape).astype(np.float32)
        return outputs

    def close(self) -> None:
        """See `Runtime.close`."""
        self._closed = True
