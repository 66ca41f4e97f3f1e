"""CTC training against a clock, resumable: synthetic shards and, where given, real clips, made hard each time anew."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from pikvani_contract.speech.features import BANDS, SAMPLE_RATE_HZ, log_mel
from pikvani_contract.speech.phones import UNITS, phrase_pronunciations
from pikvani_models.speech.hardship import harden, noise
from pikvani_models.speech.network import SpeechNet
from pikvani_models.speech.scoring import read_clip

_INDEX = {unit: k for k, unit in enumerate(UNITS)}
_SAVE_EVERY_S = 90.0
SHARES = {"kokoro": 5.0, "espeak": 2.0, "festival": 1.2, "real": 0.6}
"""Odds of a clip's kind."""


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
    """Real clips: `folder/text.json` maps a file's path below it to `{"text", "language"}`."""
    found = []
    for name, entry in json.loads((folder / "text.json").read_text("utf-8")).items():
        samples = read_clip(folder / name)
        level = float(np.abs(samples).max(initial=1e-6))
        units = phrase_pronunciations(entry["text"], entry["language"])[0]
        found.append(Said((samples / level * 32_000).astype(np.int16), tuple(_INDEX[u] for u in units), "real"))
    return found


class SpeechStream(IterableDataset):  # type: ignore[type-arg]
    """Endless batches `(features [n, frames, 40], targets [sum], target lengths [n])`, hardened.

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

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
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
    ) -> tuple[Tensor, Tensor, Tensor]:
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
    for _ in range(int(rng.integers(0, 3))):
        width, at = int(rng.integers(1, 7)), int(rng.integers(0, BANDS))
        features[:, at : at + width] = 0
    for _ in range(int(rng.integers(0, 3))):
        width, at = int(rng.integers(1, 7)), int(rng.integers(0, len(features)))
        features[at : at + width] = 0
    return features


def train(
    stream: SpeechStream,
    folder: Path,
    budget_s: float,
    start: Path | None = None,
    rate: float = 1.5e-3,
    channels: int = 256,
    workers: int = 1,
) -> Path:
    """Train for `budget_s` seconds of wall time and return the averaged weights; a second call goes on.

    Args:
        stream: batches.
        folder: `log.jsonl`, `state.pt`, `weights.pt`.
        budget_s: wall time in all, pauses between calls left out.
        start: weights to begin from instead of chance.
        rate: peak learning rate.
        channels: of the network.
        workers: processes that make batches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    net, average = SpeechNet(channels), SpeechNet(channels)
    if start is not None:
        net.load_state_dict(torch.load(start, map_location="cpu"))
    average.load_state_dict(net.state_dict())
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02, betas=(0.9, 0.98))
    spent, step, state = 0.0, 0, folder / "state.pt"
    if state.exists():
        held = torch.load(state, map_location="cpu")
        net.load_state_dict(held["net"])
        average.load_state_dict(held["average"])
        optimizer.load_state_dict(held["optimizer"])
        spent, step = float(held["spent"]), int(held["step"])
    stream.seed += step
    batches = iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=8))
    loss_of = nn.CTCLoss(zero_infinity=True)
    net.train()
    begun, saved, shown, running = time.monotonic() - spent, time.monotonic(), 0.0, 0.0
    while (elapsed := time.monotonic() - begun) < budget_s:
        progress = elapsed / budget_s
        factor = min(1.0, (step + 1) / 400) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        features, targets, lengths = next(batches)
        with torch.autocast("cpu", torch.bfloat16):
            log_probs = net(features)
        log_probs = log_probs.float().transpose(0, 1)
        frames = torch.full((features.shape[0],), log_probs.shape[0])
        loss = loss_of(log_probs, targets, frames, lengths)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        step += 1
        running = loss.item() if running == 0 else 0.98 * running + 0.02 * loss.item()
        keep = min(0.998, (1 + step) / (10 + step))
        with torch.no_grad():
            for slow, fast in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
                slow.lerp_(fast, 1 - keep) if slow.dtype.is_floating_point else slow.copy_(fast)
        now = time.monotonic()
        if now - shown > 20:
            line = {"step": step, "elapsed_s": round(elapsed), "loss": round(running, 4), "clips": step * stream.batch}
            with (folder / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
            shown = now
        if now - saved > _SAVE_EVERY_S:
            _keep(state, {"net": net, "average": average, "optimizer": optimizer}, elapsed, step)
            torch.save(average.state_dict(), folder / "weights.pt")
            saved = now
    _keep(state, {"net": net, "average": average, "optimizer": optimizer}, budget_s, step)
    torch.save(average.state_dict(), folder / "weights.pt")
    return folder / "weights.pt"


def _keep(path: Path, parts: dict[str, SpeechNet | torch.optim.Optimizer], spent: float, step: int) -> None:
    held: dict[str, object] = {name: part.state_dict() for name, part in parts.items()}
    partial = path.with_suffix(".partial")
    torch.save(held | {"spent": spent, "step": step}, partial)
    partial.replace(path)
