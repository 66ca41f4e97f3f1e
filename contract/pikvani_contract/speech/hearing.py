"""A clip is heard several times, each time a little differently, and what was heard is averaged.

The network forgives neither an edge it does not know nor a throat of another length. Faint noise of several levels goes
before and after a clip, since a tightly cut one needs context and exact zeros are no room anybody spoke in; and the
frequency axis is stretched a little, as a shorter or longer throat does (vocal tract length: Jaitly and Hinton 2013).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.package import STRIDE, FrontEnd, View

EDGE_S = 0.2
"""Noise before a clip, and as much after it."""
_CORE, _MARGIN = 522, 99
"""Frames of a long clip that are heard at once, and as many as are heard along on either side, both whole strides. An
encoder's attention takes room with the square of a clip, and the network was taught by clips of up to seven seconds."""
_NOISE = np.random.default_rng(0).standard_normal(int(EDGE_S * SAMPLE_RATE_HZ)).astype(np.float32)


def features_of(samples: NDArray[np.float32], view: View, front_end: FrontEnd) -> NDArray[np.float32]:
    """Features of a clip of mono 16 kHz samples with its edges, `[frames, bands]`."""
    faint = _NOISE * (view.edge * float(np.abs(samples).max(initial=1e-3)))
    return front_end(np.concatenate([faint, samples, faint[::-1]]), view.warp)


def heard(
    samples: NDArray[np.float32],
    views: Sequence[View],
    front_end: FrontEnd,
    invoke: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Log probabilities of a clip: the geometric mean over its views, each frame summing to 1 again.

    Args:
        samples: `[n]`, mono, 16 kHz, -1 to 1.
        views: at least one.
        front_end: of the package.
        invoke: the network, from features to log probabilities `[frames, units]`.
    """
    mean = np.mean([_by_parts(features_of(samples, view, front_end), invoke) for view in views], axis=0)
    if len(views) > 1:
        top = mean.max(axis=1, keepdims=True)
        mean = mean - top - np.log(np.exp(mean - top).sum(axis=1, keepdims=True))
    return np.asarray(mean, np.float32)


def _by_parts(
    features: NDArray[np.float32], invoke: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    if len(features) <= _CORE + 2 * _MARGIN:
        return invoke(features)
    parts = []
    for first in range(0, len(features), _CORE):
        begin, end = max(0, first - _MARGIN), min(first + _CORE, len(features))
        skip = (first - begin) // STRIDE
        found = invoke(features[begin : end + _MARGIN])
        parts.append(found[skip : skip - (first - end) // STRIDE])
    return np.concatenate(parts)
