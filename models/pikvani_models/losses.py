"""What a training is held to: labels, crops and conditions within a crop; and symptoms across crops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pikvani_models.registry import NONE
from pikvani_models.symptoms import UNTOLD, numbered

LABORATORY_WEIGHT = 0.3


class HierarchicalLoss(nn.Module):
    """Cross-entropy over all labels, over crops (probabilities summed), and within the known crop.

    The last term is how the appliance is used: the farmer picks the crop. Sum of the three, weighted 1, 0.3, 0.7.
    """

    def __init__(self, labels: Sequence[str], smoothing: float = 0.1) -> None:
        super().__init__()
        crops = sorted({label.split("/")[0] for label in labels})
        self.smoothing = smoothing
        self.register_buffer("crop_of", torch.tensor([crops.index(label.split("/")[0]) for label in labels]))
        self.crops = len(crops)
        self.none = labels.index(NONE)

    def forward(self, logits: Tensor, target: Tensor, painted: Tensor | None = None) -> Tensor:
        """Loss of `logits [n, labels]` for `target [n]`, a scalar.

        Pictures that are `painted [n]` lie on another crop's leaf: they count within the crop alone.
        """
        crop_of: Tensor = self.crop_of  # type: ignore[assignment]
        crop = crop_of[target]
        members = torch.stack([crop_of == c for c in range(self.crops)])
        seen = torch.ones_like(target, dtype=torch.bool) if painted is None else ~painted
        loss = logits.sum() * 0.0
        if bool(seen.any()):
            loss = functional.cross_entropy(logits[seen], target[seen], label_smoothing=self.smoothing)
            by_crop = torch.stack([torch.logsumexp(logits[seen][:, m], dim=1) for m in members], dim=1)
            loss = loss + 0.3 * functional.cross_entropy(by_crop, crop[seen])
        named = target != self.none
        if not bool(named.any()):
            return loss
        inside = logits[named].masked_fill(~members[crop[named]], -1e4)
        log_p = functional.log_softmax(inside, dim=1)
        own = members[crop[named]].float()
        hit = functional.one_hot(target[named], logits.shape[1]).float()
        soft = hit * (1 - self.smoothing) + own / own.sum(1, keepdim=True) * self.smoothing
        return loss - 0.7 * (soft * log_p).sum(1).mean()


class SymptomLoss(nn.Module):
    """Cross-entropy over the symptoms of all crops together, pictures of `laboratory` crops weighing less.

    A laboratory's picture of rust says little of rust in a field; it is not left out, so that the features stay good
    for what no field shows. Labels without a symptom do not count.
    """

    def __init__(self, labels: Sequence[str], laboratory: Sequence[str], smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = smoothing
        weight = [LABORATORY_WEIGHT if label.split("/")[0] in laboratory else 1.0 for label in labels]
        self.register_buffer("symptom_of", torch.tensor(numbered(labels)))
        self.register_buffer("weight_of", torch.tensor(weight))

    def forward(self, logits: Tensor, target: Tensor, painted: Tensor | None = None) -> Tensor:
        """Loss of `logits [n, symptoms]` for labels `target [n]`, a scalar; 0 where none has a symptom.

        What is `painted [n]` weighs as a picture from a field.
        """
        symptom_of: Tensor = self.symptom_of  # type: ignore[assignment]
        weight_of: Tensor = self.weight_of  # type: ignore[assignment]
        told = symptom_of[target] != UNTOLD
        if not bool(told.any()):
            return logits.sum() * 0.0
        weight = weight_of[target] if painted is None else torch.where(painted, 1.0, weight_of[target])
        wanted, weight = symptom_of[target[told]], weight[told]
        each = functional.cross_entropy(logits[told], wanted, label_smoothing=self.smoothing, reduction="none")
        return (each * weight).sum() / weight.sum()


def imitation(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """How far a student's logits `[n, k]` are from a teacher's, a scalar (Hinton et al. 2015, "Distilling")."""
    ours, theirs = (functional.log_softmax(z / temperature, dim=1) for z in (student, teacher))
    return functional.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2
