"""What a run is about: the labels it tells apart and the photographs it may use.

Chosen once, when training begins (`pikvani-models train --crop ...`); the weights remember it (`weights.py`), so that
no later stage is told again. The refusal label is in every scope, and is its last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pikvani_models.records import DataError, Record
from pikvani_models.registry import CROPS, HELD_OUT_SOURCES, NONE, SOURCES, Source


@dataclass(frozen=True)
class Scope:
    """Labels in the order of the logits, and whether only sources with a known free licence may be used."""

    labels: tuple[str, ...]
    redistributable_only: bool = False

    @property
    def crops(self) -> tuple[str, ...]:
        """Its crops, in alphabetical order."""
        return tuple(sorted({label.split("/")[0] for label in self.labels if label != NONE}))

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of its crops and of what must be refused, in the registry's order."""
        return sources_of(self.crops, self.redistributable_only)

    @property
    def laboratory_only(self) -> tuple[str, ...]:
        """Its crops of which there is no photograph from anywhere but a laboratory."""
        return tuple(c for c in self.crops if all(s.kind == "laboratory" for s in self.sources if s.crop == c))

    @property
    def holds_out(self) -> bool:
        """Whether a source of one of its crops is held out, so that the unseen farm can be measured."""
        return any(source.name in HELD_OUT_SOURCES for source in self.sources)

    def told(self) -> str:
        """As people say it."""
        free = ", redistributable sources only" if self.redistributable_only else ""
        return f"crops {', '.join(self.crops)} ({len(self.labels)} labels{free})"


def sources_of(crops: Sequence[str], redistributable_only: bool = False) -> tuple[Source, ...]:
    """The registry's sources of these crops and of what must be refused."""
    wanted = {*crops, "none"}
    return tuple(s for s in SOURCES if s.crop in wanted and (s.redistributable or not redistributable_only))


def scope_of(crops: Sequence[str] = (), redistributable_only: bool = False) -> Scope:
    """The scope of some crops, or of every crop there are photographs of.

    Args:
        crops: ids, in any order; none for all.
        redistributable_only: leave out sources without a known free licence, and crops with no other.

    Raises:
        DataError: A crop is unknown, or has no source that may be used.
    """
    if unknown := sorted(set(crops) - set(CROPS)):
        raise DataError(f"no source of the registry has crop {', '.join(unknown)}: choose from {', '.join(CROPS)}")
    sources = sources_of(crops or CROPS, redistributable_only)
    if bare := sorted(set(crops) - {source.crop for source in sources}):
        raise DataError(
            f"no source of {', '.join(bare)} has a known free licence: leave the crop or --redistributable-only out"
        )
    named = {source.label(folder) for source in sources for folder in source.classes}
    return Scope((*sorted(named - {NONE}), NONE), redistributable_only)


def require_enough(records: Sequence[Record], scope: Scope) -> None:
    """Every label has a photograph to find its centre by, every crop some to fit and to measure on.

    Raises:
        DataError: One has none.
    """
    known = [r for r in records if r.source not in HELD_OUT_SOURCES]
    for split, wanted in (("train", scope.labels), ("val", (*scope.crops, "none")), ("test", (*scope.crops, "none"))):
        have = {name for r in known if r.split == split for name in (r.label, r.label.split("/")[0])}
        if bare := [name for name in wanted if name not in have]:
            raise DataError(
                f"no photograph of {', '.join(bare)} is in the {split} split: add photographs of it, "
                "or train without it"
            )
