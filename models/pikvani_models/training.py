"""Fine-tuning on two cores, against a clock: the schedule follows elapsed time, so it ends when it must.

Resumable: the state is saved about every two minutes and a second start goes on from it. The losses are `losses.py`,
data is `stream.py`, the network `network.py`, the choice of splits `recipes.py`.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pikvani_models import weights
from pikvani_models.losses import HierarchicalLoss, SymptomLoss, imitation
from pikvani_models.network import LeafNet
from pikvani_models.scope import Scope
from pikvani_models.sharing import borrowers
from pikvani_models.stream import TrainingStream
from pikvani_models.teacher import Batch, taught
from pikvani_models.tracking import Run

SAVE_EVERY_S = 120.0


@dataclass(frozen=True)
class Schedule:
    """How long and how hard to train. Rates are peaks of one warm-up and one cosine."""

    budget_s: float
    body_rate: float = 5e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    warm_up: float = 0.06
    average: float = 0.997
    frozen_blocks: int = 3
    mix_style: float = 0.5

    def factor(self, progress: float) -> float:
        """Share of the peak rate at `progress` 0..1."""
        if progress < self.warm_up:
            return 0.05 + 0.95 * progress / self.warm_up
        rest = (progress - self.warm_up) / (1 - self.warm_up)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))


def mix_style(x: Tensor, probability: float) -> Tensor:
    """Mix the channel means and spreads of pictures of a batch (Zhou et al. 2021, MixStyle)."""
    if torch.rand(()) >= probability:
        return x
    mean = x.mean((2, 3), keepdim=True).detach()
    spread = (x.var((2, 3), keepdim=True) + 1e-6).sqrt().detach()
    order = torch.randperm(len(x))
    share = torch.distributions.Beta(0.1, 0.1).sample((len(x), 1, 1, 1))
    new_mean = share * mean + (1 - share) * mean[order]
    new_spread = share * spread + (1 - share) * spread[order]
    return (x - mean) / spread * new_spread + new_mean


def train(
    net: LeafNet,
    average: LeafNet,
    scope: Scope,
    stream: TrainingStream,
    schedule: Schedule,
    folder: Path,
    run: Run,
    untouched: LeafNet | None = None,
) -> None:
    """Train `net` for `schedule.budget_s` and leave its exponential moving average in `average`.

    Given an `untouched` body, the network is held to what `teacher.py` reads off it; its fitting is not on the clock.

    Progress goes to standard error, `folder/log.jsonl` and `run`, the resumable state to `folder/state.pt`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    frozen = [net.stem, *net.blocks[: schedule.frozen_blocks]] if schedule.frozen_blocks else []
    for part in frozen:
        part.requires_grad_(False)
    hooks = [
        net.blocks[i].register_forward_hook(
            lambda module, _, out: mix_style(out, schedule.mix_style) if module.training else out
        )
        for i in (3, 5)
    ]
    head = [*net.classifier.parameters(), *net.symptoms.parameters()]
    known = {id(p) for p in head}
    body = [p for p in net.parameters() if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.AdamW(
        [{"params": body, "peak": schedule.body_rate}, {"params": head, "peak": schedule.head_rate}],
        lr=schedule.body_rate,
        weight_decay=schedule.weight_decay,
    )
    state = folder / weights.STATE_FILE
    spent, step = _restore(state, net, average, optimizer)
    label_loss, symptom_loss = HierarchicalLoss(scope.labels), SymptomLoss(scope.labels, borrowers(scope))
    stream.seed += step
    batches = _batches(stream)
    teacher = taught(untouched, batches, symptom_loss, folder) if untouched is not None else None
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    net.train()
    for part in frozen:
        part.eval()
    begun, saved, shown, running = time.monotonic() - spent, time.monotonic(), time.monotonic(), 0.0
    while (elapsed := time.monotonic() - begun) < schedule.budget_s:
        factor = schedule.factor(elapsed / schedule.budget_s)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        x, target, painted = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            pooled = net.pooled(x)
        labels, symptoms = net.classify(pooled.float())
        loss = label_loss(labels, target, painted) + symptom_loss(symptoms, target, painted)
        named = target != label_loss.none
        if teacher is not None and bool(named.any()):
            loss = loss + imitation(symptoms[named], teacher(x[named]))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(body, 5.0)
        optimizer.step()
        step += 1
        running = loss.item() if running == 0 else 0.97 * running + 0.03 * loss.item()
        _follow(average, net, min(schedule.average, (1 + step) / (10 + step)))
        now = time.monotonic()
        if now - shown > 20:
            line = {
                "step": step,
                "elapsed_s": round(elapsed),
                "loss": round(running, 4),
                "pictures": step * stream.batch,
            }
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            run.progress(step, {"loss": running, "pictures": step * stream.batch})
            minutes = f"{elapsed / 60:.1f} of {schedule.budget_s / 60:.0f} minutes"
            print(f"train: {minutes}, {step * stream.batch} pictures, loss {running:.3f}", file=sys.stderr, flush=True)
            shown = now
        if now - saved > SAVE_EVERY_S:
            _save(state, scope, net, average, optimizer, elapsed, step)
            saved = now
    for hook in hooks:
        hook.remove()
    _save(state, scope, net, average, optimizer, schedule.budget_s, step)


def _batches(stream: TrainingStream) -> Iterator[Batch]:
    for pictures, target, painted in DataLoader(stream, batch_size=None, num_workers=1, prefetch_factor=6):
        yield normalise(pictures), target, painted


def normalise(pictures: Tensor) -> Tensor:
    """uint8 `[n, h, w, 3]` to float `[n, 3, h, w]` as Lite0 was pretrained: (x - 127) / 128."""
    return ((pictures.permute(0, 3, 1, 2).float() - 127.0) / 128.0).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def _follow(average: LeafNet, net: LeafNet, keep: float) -> None:
    for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if slow.dtype.is_floating_point:
            slow.lerp_(fast, 1 - keep)
        else:
            slow.copy_(fast)


def _save(
    path: Path,
    scope: Scope,
    net: LeafNet,
    average: LeafNet,
    optimizer: torch.optim.Optimizer,
    spent: float,
    step: int,
) -> None:
    state = {
        "net": net.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "spent": spent,
        "step": step,
    }
    weights.save(path, scope, state)


def _restore(path: Path, net: LeafNet, average: LeafNet, optimizer: torch.optim.Optimizer) -> tuple[float, int]:
    if not path.exists():
        return 0.0, 0
    _, state = weights.load(path)
    weights.fill(net, state["net"], path)
    weights.fill(average, state["average"], path)
    optimizer.load_state_dict(state["optimizer"])
    return float(state["spent"]), int(state["step"])
