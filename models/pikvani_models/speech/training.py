"""CTC training, resumable: synthetic shards and, where given, real clips, made hard each time anew."""

from __future__ import annotations

import copy
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pikvani_contract.speech.features import SAMPLE_RATE_HZ
from pikvani_contract.speech.phones import UNITS, phrase_pronunciations
from pikvani_contract.speech.whisper import BANDS, log_mel
from pikvani_models.speech.hardship import harden, noise, spoken
from pikvani_models.speech.network import SpeechNet
from pikvani_models.speech.scoring import read_clip

_INDEX = {unit: k for k, unit in enumerate(UNITS)}
_SAY_EVERY, _SAVE_EVERY = 50, 200
"""Batches."""
_LEAVE_FASTER = 7.0
"""Learning rate of the last layer, which begins by chance, beside that of the others."""
_LEAVE_ALONE = 100
"""Batches in which it learns alone."""
Batch = tuple[Tensor, Tensor, Tensor]
"""Features `[n, frames, 80]`, targets `[sum]`, target lengths `[n]`."""
SHARES = {"kokoro": 5.0, "espeak": 1.6, "festival": 1.2, "foreign": 3.0, "real": 0.9}
"""Odds of a clip's kind."""
_NOTHING = 0.05
"""Share of clips in which nobody speaks: what is heard in wind and engines otherwise is words."""
_ROOM = 2_400
"""Samples left before and after what is said in a real clip."""


@dataclass(frozen=True)
class Said:
    """A clip, int16 at 16 kHz, and what is heard in it."""

    samples: NDArray[np.int16]
    units: tuple[int, ...]
    kind: str


def read_shards(folder: Path, longest_s: float = 6.0) -> list[Said]:
    """Every finished shard of a corpus, clips up to `longest_s` of it; see `corpus`."""
    found = []
    for index in sorted(folder.glob("*.jsonl")):
        held = np.load(index.with_suffix(".npz"))
        ends = np.cumsum(held["sizes"])
        samples = held["samples"]
        kind = index.stem.split("-")[0]
        for line, begin, end in zip(index.read_text("utf-8").splitlines(), ends - held["sizes"], ends, strict=True):
            if end - begin <= longest_s * SAMPLE_RATE_HZ:
                units = tuple(_INDEX[u] for u in json.loads(line)["units"])
                found.append(Said(samples[begin:end], units, kind))
    return found


def read_real(folder: Path) -> list[Said]:
    """Real clips: `folder/text.json` maps a file's path below it to `{"text", "language"}`.

    `"units"`, parted by blanks, says which of the ways of saying the text is heard; else it is the likeliest.
    """
    found = []
    for name, entry in json.loads((folder / "text.json").read_text("utf-8")).items():
        samples = read_clip(folder / name)
        level = float(np.abs(samples).max(initial=1e-6))
        units = tuple(entry.get("units", "").split()) or phrase_pronunciations(entry["text"], entry["language"])[0]
        first, last = spoken(samples)
        samples = samples[max(first - _ROOM, 0) : last + _ROOM]
        found.append(Said((samples / level * 32_000).astype(np.int16), tuple(_INDEX[u] for u in units), "real"))
    return found


class SpeechStream(IterableDataset):  # type: ignore[type-arg]
    """Endless batches, hardened.

    Args:
        said: clips.
        share: odds of each kind of clip.
        batch: clips in a batch; those of a batch are of like length.
        seed: of everything.
    """

    def __init__(self, said: Sequence[Said], share: dict[str, float], batch: int, seed: int) -> None:
        self.said = list(said)
        self.batch, self.seed = batch, seed
        self.groups = {kind: [i for i, s in enumerate(said) if s.kind == kind] for kind in {s.kind for s in said}}
        self.kinds = sorted(self.groups)
        odds = np.array([share.get(kind, 1.0) for kind in self.kinds])
        self.odds = odds / odds.sum()
        counts = Counter(unit for one in said for unit in one.units)
        rare = np.array([np.mean([counts[unit] ** -0.5 for unit in one.units]) for one in said])
        # Within a kind, clips with rare units come oftener.
        self.within = {kind: np.cumsum(rare[group]) / rare[group].sum() for kind, group in self.groups.items()}

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng((self.seed, worker.id if worker else 0))
        babble = [self._clip(int(rng.integers(len(self.said)))) for _ in range(60)]
        backgrounds = [noise(48_000, babble, rng) for _ in range(150)]
        while True:
            backgrounds[int(rng.integers(len(backgrounds)))] = noise(48_000, babble, rng)
            pool = [self._one(rng) for _ in range(self.batch * 6)]
            pool.sort(key=lambda s: len(s.samples))
            for k in rng.permutation(6):
                yield self._batch(pool[k * self.batch : (k + 1) * self.batch], backgrounds, rng)

    def _one(self, rng: np.random.Generator) -> Said:
        if rng.random() < _NOTHING:
            return Said(np.zeros(int(rng.integers(6_000, 48_000)), np.int16), (), "nothing")
        kind = self.kinds[int(rng.choice(len(self.kinds), p=self.odds))]
        group = self.groups[kind]
        one = self.said[group[min(int(np.searchsorted(self.within[kind], rng.random())), len(group) - 1)]]
        if len(one.samples) < 12_000 and rng.random() < 0.08:
            two = self.said[group[int(rng.integers(len(group)))]]
            gap = np.zeros(int(rng.integers(800, 6_000)), np.int16)
            return Said(np.concatenate([one.samples, gap, two.samples]), one.units + two.units, one.kind)
        return one

    def _batch(
        self, chosen: Sequence[Said], backgrounds: Sequence[NDArray[np.float32]], rng: np.random.Generator
    ) -> Batch:
        length = int(max(len(s.samples) for s in chosen) * 1.1) + int(rng.integers(1_600, 6_400))
        length = -(-length // 1_600) * 1_600
        made = []
        for one in chosen:
            clip = harden(one.samples.astype(np.float32) / 32_768, backgrounds, length, rng)
            warp = float(rng.uniform(0.84, 1.2)) if rng.random() < 0.7 else 1.0
            made.append(_masked(log_mel(clip, warp), rng))
        targets = torch.tensor([u for s in chosen for u in s.units])
        return torch.from_numpy(np.stack(made)), targets, torch.tensor([len(s.units) for s in chosen])

    def _clip(self, i: int) -> NDArray[np.float32]:
        return self.said[i].samples.astype(np.float32) / 32_768


def _masked(features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """SpecAugment (Park et al. 2019), gentle: short words have few frames to spare."""
    quiet = features.min()
    for _ in range(int(rng.integers(0, 3))):
        width, at = int(rng.integers(1, 13)), int(rng.integers(0, BANDS))
        features[:, at : at + width] = quiet
    for _ in range(int(rng.integers(0, 3))):
        width, at = int(rng.integers(1, 7)), int(rng.integers(0, len(features)))
        features[at : at + width] = quiet
    return features


def train(
    stream: SpeechStream, folder: Path, steps: int, start: SpeechNet, rate: float = 3e-4, workers: int = 1
) -> Path:
    """Train for `steps` batches and return the averaged weights; a second call goes on.

    Args:
        stream: batches.
        folder: `log.jsonl`, `state.pt`, `weights.pt`.
        steps: batches in all.
        start: a network to begin from, see `pretrained`.
        rate: peak learning rate of what was trained before; `leave` learns faster, and first alone.
        workers: processes that make batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / "state.pt"
    held = torch.load(state, map_location="cpu") if state.exists() else None
    stream.seed += int(held["step"]) if held else 0
    batches = iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=8))
    net, average = start, copy.deepcopy(start)
    leave = list(net.leave.parameters())
    body = [p for name, p in net.named_parameters() if not name.startswith("leave.")]
    groups = [{"params": body, "lr": rate}, {"params": leave, "lr": rate * _LEAVE_FASTER}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98))
    if held:
        net.load_state_dict(held["net"])
        average.load_state_dict(held["average"])
        optimizer.load_state_dict(held["optimizer"])
    parts = {"net": net, "average": average, "optimizer": optimizer}
    net.train()
    began, running = time.process_time(), 0.0
    for step in range(int(held["step"]) if held else 0, steps):
        factor = min(1.0, (step + 1) / 300) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        optimizer.param_groups[0]["lr"] = rate * factor * (step >= _LEAVE_ALONE)
        optimizer.param_groups[1]["lr"] = rate * factor * _LEAVE_FASTER
        features, targets, lengths = next(batches)
        loss = _ctc(_heard(net, features), targets, lengths)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
        _draw(average, net, 1 - min(0.998, (1 + step) / (10 + step)))
        if (step + 1) % _SAY_EVERY == 0:
            used = round(time.process_time() - began)
            line = {"step": step + 1, "processor_s": used, "loss": round(running, 4), "clips": step * stream.batch}
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if (step + 1) % _SAVE_EVERY == 0:
            _keep(state, parts, step + 1)
            torch.save(average.state_dict(), folder / "weights.pt")
    _keep(state, parts, steps)
    torch.save(average.state_dict(), folder / "weights.pt")
    return folder / "weights.pt"


def _heard(net: SpeechNet, features: Tensor) -> Tensor:
    """Log probabilities `[n, frames, units]`."""
    with torch.autocast("cpu", torch.bfloat16):
        log_probs: Tensor = net(features)
    return log_probs.float()


def _ctc(log_probs: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    frames = torch.full((log_probs.shape[0],), log_probs.shape[1])
    return functional.ctc_loss(log_probs.transpose(0, 1), targets, frames, lengths, zero_infinity=True)


def _draw(slow_net: SpeechNet, fast_net: SpeechNet, share: float) -> None:
    with torch.no_grad():
        for slow, fast in zip(slow_net.state_dict().values(), fast_net.state_dict().values(), strict=True):
            slow.lerp_(fast, share) if slow.dtype.is_floating_point else slow.copy_(fast)


def _keep(path: Path, parts: Mapping[str, SpeechNet | torch.optim.Optimizer], step: int) -> None:
    held: dict[str, object] = {name: part.state_dict() for name, part in parts.items()}
    partial = path.with_suffix(".partial")
    torch.save(held | {"step": step}, partial)
    partial.replace(path)
