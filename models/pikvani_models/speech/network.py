"""The acoustic network: Whisper's features every 10 ms in, log probabilities of units every 30 ms out.

The first layers of an encoder of Whisper (Radford et al. 2022), which has heard real people where our clips are made by
voices. They were trained on a frame each 20 ms; here the second convolution takes a step of 30, and positions are
counted as before, so that every layer meets what it knows, with every third frame left out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_contract.speech.package import STRIDE
from pikvani_contract.speech.phones import UNITS
from pikvani_contract.speech.whisper import BANDS

_WHISPER_STRIDE = 2
_REACH = 3
"""Frames a convolution takes in."""
INNER = (1536, 1536, 1472)
"""Width inside each layer we keep: as in Whisper tiny, less what a file of six megabytes cannot hold."""


class Layer(nn.Module):
    """Self-attention and two wide layers, each after a norm and added to what came in."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.inner_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention_in, self.attention_out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner_in, self.inner_out = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, frames, width]` to the same."""
        n, _, width = x.shape
        size = width // self.heads
        query, key, value = (
            part.reshape(n, -1, self.heads, size).transpose(1, 2)
            for part in self.attention_in(self.attention_norm(x)).chunk(3, dim=-1)
        )
        found = torch.softmax((query * size**-0.5) @ key.transpose(-1, -2), dim=-1) @ value
        x = x + self.attention_out(found.transpose(1, 2).reshape(n, -1, width))
        wide: Tensor = self.inner_out(functional.gelu(self.inner_in(self.inner_norm(x))))
        return x + wide


class SpeechNet(nn.Module):
    """Whisper's convolutions as products of matrices (which INT8 serves best), its layers, and our units.

    Args:
        width: of a frame; 384 in Whisper tiny.
        inner: width of the two wide layers of each layer, in order; their count is that of the layers.
    """

    def __init__(self, width: int = 384, inner: tuple[int, ...] = INNER) -> None:
        super().__init__()
        self.width = width
        self.enter = nn.Linear(_REACH * BANDS, width)
        self.step = nn.Linear(_REACH * width, width)
        self.layers = nn.ModuleList(Layer(width, width // 64, size) for size in inner)
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, len(UNITS))
        half = width // 2
        turns = torch.exp(-math.log(10_000) / (half - 1) * torch.arange(half))
        self.register_buffer("turns", turns * (STRIDE / _WHISPER_STRIDE), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """`[n, frames, 80]` to log probabilities `[n, ceil(frames / 3), units]`."""
        x = functional.pad(features, (0, 0, 1, 1))
        x = functional.gelu(self.enter(torch.cat([x[:, :-2], x[:, 1:-1], x[:, 2:]], dim=-1)))
        count = (features.shape[1] - 1) // STRIDE + 1
        x = functional.pad(x, (0, 0, 1, _REACH))[:, : count * STRIDE]
        x = functional.gelu(self.step(x.reshape(x.shape[0], count, STRIDE * self.width)))
        angles = torch.arange(count, dtype=torch.float32)[:, None] * self.turns
        x = x + torch.cat([angles.sin(), angles.cos()], dim=1)
        for layer in self.layers:
            x = layer(x)
        return functional.log_softmax(self.leave(self.norm(x)), dim=-1)
