"""How crops that were learnt in laboratories alone borrow what their symptoms look like in other crops' fields.

It is one linear step on finished weights: what sets apart the labels of such a crop becomes a mix of its own and of the
labels' symptoms. The symptoms are the network's own, which costs a device nothing, or another one's beside it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pikvani_models.network import FEATURES, LeafNet
from pikvani_models.pair import PairedNet
from pikvani_models.records import DataError
from pikvani_models.registry import HELD_OUT_SOURCES
from pikvani_models.scope import Scope
from pikvani_models.symptoms import UNTOLD, numbered

SHARE = 0.8
"""How much of what tells a crop's conditions apart is borrowed of the network's own symptoms, laboratory or not."""
LENT_SHARE = 0.9
"""The same of a lender, where a photograph is none of a laboratory. Both chosen on half 0 of the held-out source."""


def borrowers(scope: Scope) -> tuple[str, ...]:
    """The crops whose photographs are all a laboratory's, held-out sources aside; none if no other crop can lend."""
    sources = [s for s in scope.sources if s.crop != "none" and s.name not in HELD_OUT_SOURCES]
    lenders = {s.crop for s in sources if s.kind != "laboratory"}
    return tuple(crop for crop in scope.crops if crop not in lenders) if lenders else ()


def mixed(own: Tensor, symptoms: Tensor, share: float) -> Tensor:
    """Rows `[labels, n]` of one crop: their mean stays, what sets them apart is mixed.

    As the mean stays, and with it about how much the crop as a whole is believed, what is refused or taken for another
    crop stays as it was learnt.
    """
    middle = own.mean(0, keepdim=True)
    return middle + (1 - share) * (own - middle) + share * (symptoms - symptoms.mean(0, keepdim=True))


@torch.no_grad()
def borrow(net: LeafNet, scope: Scope, share: float = SHARE) -> None:
    """Mix the symptoms' rows into the classifier's for every borrower. Not to be done twice.

    A crop with a label that has no symptom is left alone, and so is a network that never learnt symptoms.
    """
    if not bool(net.symptoms.weight.any()):
        return
    weight, bias = net.classifier.weight[:, :, 0, 0], net.classifier.bias
    for rows, symptoms in borrowed(scope):
        weight[rows] = mixed(weight[rows], net.symptoms.weight[symptoms], share)
        bias[rows] = mixed(bias[rows, None], net.symptoms.bias[symptoms, None], share)[:, 0]


@torch.no_grad()
def lend(first: LeafNet, second: LeafNet, scope: Scope, share: float = LENT_SHARE) -> PairedNet:
    """One network of two, in which borrowers lean on the symptoms that the second one learnt.

    What is lent is what `mixed` would change, laboratory or not until `features.set_elsewhere` tells them apart.

    Raises:
        DataError: The networks do not go together, or no crop of the scope has anything to borrow from the second.
    """
    try:
        pair = PairedNet(first, second)
    except ValueError as error:
        raise DataError(str(error)) from error
    if not borrowers(scope) or not bool(second.symptoms.weight.any()):
        raise DataError("there is nothing to lend: no crop is of laboratories alone, or the lender learnt no symptoms")
    for rows, symptoms in borrowed(scope):
        own = functional.pad(first.classifier.weight[rows, :, 0, 0], (0, FEATURES))
        seen = functional.pad(second.symptoms.weight[symptoms], (FEATURES, 0))
        pair.lent.weight[rows, :, 0, 0] = mixed(own, seen, share) - own
        bias = first.classifier.bias[rows, None]  # type: ignore[index]
        pair.lent.bias[rows] = (mixed(bias, second.symptoms.bias[symptoms, None], share) - bias)[:, 0]
    return pair


def borrowed(scope: Scope) -> list[tuple[list[int], list[int]]]:
    """Rows of labels and numbers of symptoms of every borrower whose labels all have one."""
    symptom_of = numbered(scope.labels)
    found = []
    for crop in borrowers(scope):
        rows = [i for i, label in enumerate(scope.labels) if label.startswith(f"{crop}/")]
        symptoms = [symptom_of[i] for i in rows]
        if UNTOLD not in symptoms:
            found.append((rows, symptoms))
    return found
