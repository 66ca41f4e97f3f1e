"""Weights on disk together with what they are of, so that nobody has to say it again, or can say it wrongly."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from pikvani_models.network import LeafNet
from pikvani_models.pair import PairedNet
from pikvani_models.records import DataError
from pikvani_models.scope import Scope, scope_of
from pikvani_models.sharing import borrow, lend
from pikvani_models.symptoms import SYMPTOMS

STATE_FILE = "state.pt"
WEIGHTS_FILE = "weights.pt"


def save(path: Path, scope: Scope, content: dict[str, Any]) -> None:
    """Write `content` and its scope: whole, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    about = {"labels": list(scope.labels), "redistributable_only": scope.redistributable_only}
    torch.save({**content, "scope": about}, partial)
    partial.replace(path)


def load(path: Path) -> tuple[Scope, dict[str, Any]]:
    """What `save` wrote.

    Raises:
        DataError: It is no such file, or the registry now has other labels for its crops.
    """
    try:
        content = torch.load(path, map_location="cpu")
        content = content if "net" in content else {"net": content}
        rows = len(content["net"]["classifier.bias"])
        about = content.get("scope") or _of_every_crop(rows)
        scope = Scope(tuple(about["labels"]), bool(about["redistributable_only"]))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no weights that say what they are of: give those that `train` wrote") from error
    if scope != scope_of(scope.crops, scope.redistributable_only):
        raise DataError(
            f"{path} is of {scope.told()}, and models/pikvani_models/registry.py has other labels for these crops now: "
            "train anew in an empty folder, or go back to the registry it was trained with"
        )
    return scope, content


def _of_every_crop(rows: int) -> dict[str, Any]:
    """What weights of before they remembered are of: then there was nothing else."""
    scope = scope_of()
    if rows != len(scope.labels):
        raise KeyError("scope")
    return {"labels": scope.labels, "redistributable_only": False}


def load_net(path: Path, lender: Path | None = None) -> tuple[Scope, LeafNet | PairedNet]:
    """A trained network at rest, as it is shipped: what its laboratory crops may borrow is mixed in.

    Args:
        path: Its weights.
        lender: Weights of the network whose symptoms are lent; its own, if left out.

    Raises:
        DataError: As `load`, or the weights are of another network, or the two do not go together.
    """
    scope, net = _alone(path)
    if lender is None:
        borrow(net, scope)
        return scope, net.eval()
    other, second = _alone(lender)
    if other != scope:
        raise DataError(f"{path} is of {scope.told()}, its lender {lender} of {other.told()}: train both with the same")
    return scope, lend(net, second, scope).eval()


def _alone(path: Path) -> tuple[Scope, LeafNet]:
    scope, content = load(path)
    net = empty_net(scope)
    fill(net, content["net"], path)
    return scope, net


def empty_net(scope: Scope, drop_path: float = 0.0, dropout: float = 0.0) -> LeafNet:
    """A network of the right size for a scope."""
    return LeafNet(len(scope.labels), len(SYMPTOMS), drop_path, dropout)


def fill(net: LeafNet, state: dict[str, Any], path: Path) -> None:
    """Load what `path` held into a network.

    Raises:
        DataError: It is of another network, such as those of before symptoms were learnt.
    """
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise DataError(
            f"{path} holds weights of another network than models/pikvani_models/network.py builds now: train anew in "
            "an empty folder, or go back to the version it was trained with"
        ) from error


def agreed(wanted: Scope | None, *begun: Path) -> Scope:
    """The scope of a training that goes on from files which exist or not.

    Args:
        wanted: What was asked for, or None where nothing was: then that of the files counts, else every crop.
        begun: State of the run's own folder, weights to start from.

    Raises:
        DataError: The files are of something else than was asked for, or of two things.
    """
    for path in begun:
        if not path.exists():
            continue
        found, _ = load(path)
        if wanted is not None and found != wanted:
            raise DataError(
                f"{path} is of {found.told()}, and this training would be of {wanted.told()}: name no --crop and no "
                "--redistributable-only to go on with what is there, or give another --out (or --start)"
            )
        wanted = found
    return wanted or scope_of()
