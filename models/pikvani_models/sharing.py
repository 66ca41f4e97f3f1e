"""How crops that were learnt in laboratories alone borrow what their symptoms look like in other crops' fields.

It is one linear step on finished weights: the rows of such a crop's labels become a mix of its own rows and those of
the labels' symptoms. The symptoms are the network's own, which costs a device nothing, or another one's.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_models.looks import PAINTED
from pikvani_models.network import FEATURES, LeafNet
from pikvani_models.pair import PairedNet
from pikvani_models.records import DataError
from pikvani_models.registry import HELD_OUT_SOURCES
from pikvani_models.scope import Scope
from pikvani_models.symptoms import UNTOLD, numbered

SHARE, PAINTED_SHARE = 0.7, 0.8
"""How much of what tells a crop's conditions apart is borrowed, and of a crop whose diseases were painted (`looks.py`).

The second was chosen on half 0 of the held-out source, the first so that laboratory leaves of validation stay known.
"""


def borrowers(scope: Scope) -> tuple[str, ...]:
    """The crops whose photographs are all a laboratory's, held-out sources aside; none if no other crop can lend."""
    sources = [s for s in scope.sources if s.crop != "none" and s.name not in HELD_OUT_SOURCES]
    lenders = {s.crop for s in sources if s.kind != "laboratory"}
    return tuple(crop for crop in scope.crops if crop not in lenders) if lenders else ()


def share_of(crop: str) -> float:
    """How much a crop borrows."""
    return PAINTED_SHARE if crop in PAINTED else SHARE


def mixed(own: Tensor, borrowed: Tensor, share: float) -> Tensor:
    """Rows `[labels, n]` of one crop: their mean stays, what sets them apart is mixed.

    As the mean stays, and with it about how much the crop as a whole is believed, what is refused or taken for another
    crop stays as it was learnt.
    """
    middle = own.mean(0, keepdim=True)
    return middle + (1 - share) * (own - middle) + share * (borrowed - borrowed.mean(0, keepdim=True))


@torch.no_grad()
def borrow(net: LeafNet, scope: Scope, share: float | None = None) -> None:
    """Mix the symptoms' rows into the classifier's for every borrower. Not to be done twice.

    A crop with a label that has no symptom is left alone, and so is a network that never learnt symptoms. Each crop
    borrows its own share, or `share`.
    """
    _mix(net.classifier, net.symptoms.weight, net.symptoms.bias, scope, share)


@torch.no_grad()
def lend(first: LeafNet, second: LeafNet, scope: Scope, share: float | None = None) -> PairedNet:
    """One network of two, in which borrowers lean on the symptoms that the second one learnt, otherwise as `borrow`.

    Raises:
        DataError: The networks do not go together, or no crop of the scope has anything to borrow from the second.
    """
    try:
        pair = PairedNet(first, second)
    except ValueError as error:
        raise DataError(str(error)) from error
    if not borrowers(scope) or not bool(second.symptoms.weight.any()):
        raise DataError("there is nothing to lend: no crop is of laboratories alone, or the lender learnt no symptoms")
    _mix(pair.classifier, functional.pad(second.symptoms.weight, (FEATURES, 0)), second.symptoms.bias, scope, share)
    return pair


def _mix(classifier: nn.Conv2d, weights: Tensor, biases: Tensor, scope: Scope, share: float | None) -> None:
    if not bool(weights.any()):
        return
    symptom_of = numbered(scope.labels)
    for crop in borrowers(scope):
        rows = [i for i, label in enumerate(scope.labels) if label.startswith(f"{crop}/")]
        symptoms = [symptom_of[i] for i in rows]
        if UNTOLD in symptoms:
            continue
        weight, bias = classifier.weight[:, :, 0, 0], classifier.bias
        part = share_of(crop) if share is None else share
        weight[rows] = mixed(weight[rows], weights[symptoms], part)
        bias[rows] = mixed(bias[rows, None], biases[symptoms, None], part)[:, 0]
