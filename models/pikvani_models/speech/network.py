"""The acoustic network: 40 log-mels every 10 ms in, log probabilities of units every 30 ms out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_contract.speech.features import BANDS
from pikvani_contract.speech.phones import UNITS


class Block(nn.Module):
    """Depthwise convolution over time, pointwise over channels, with a residual (after QuartzNet, Kriman et al. 2020).

    Two-dimensional of height 1, which in channels-last order trains a third faster on a processor than Conv1d.
    """

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        pad = dilation * (kernel - 1) // 2
        self.over_time = nn.Conv2d(
            channels, channels, (1, kernel), padding=(0, pad), dilation=(1, dilation), groups=channels
        )
        self.over_channels = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, channels, 1, time]` to the same."""
        return self.dropout(functional.relu(x + self.norm(self.over_channels(self.over_time(x)))))


STRIDE = 3
"""Input frames of 10 ms in one output frame."""
_PLAN = ((7, 1), (7, 1), (9, 1), (9, 1), (9, 1), (11, 1), (11, 1), (11, 1), (9, 2), (9, 2), (7, 1), (7, 1))
"""Kernel and dilation of each block."""
FIRST_EIGHT = (0, 1, 2, 4, 5, 7, 8, 10)
"""Which of them the eight blocks of the packages up to 1.1.0 are."""


class SpeechNet(nn.Module):
    """About 0.9 million parameters; a frame sees a second and a half to either side.

    Args:
        channels: width.
        dropout: after every block; drawing it costs a seventh of a step, and hard clips are regularisation enough.
    """

    def __init__(self, channels: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.enter = nn.Conv2d(BANDS, channels, (1, 7), stride=(1, STRIDE), padding=(0, 3), bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(*(Block(channels, kernel, dilation, dropout) for kernel, dilation in _PLAN))
        self.leave = nn.Conv2d(channels, len(UNITS), 1)

    def forward(self, features: Tensor) -> Tensor:
        """`[n, frames, 40]` to log probabilities `[n, ceil(frames / 3), units]`."""
        x = features.transpose(1, 2).unsqueeze(2).contiguous(memory_format=torch.channels_last)
        x = functional.relu(self.norm(self.enter(x)))
        return functional.log_softmax(self.leave(self.blocks(x)).squeeze(2).transpose(1, 2), dim=-1)
