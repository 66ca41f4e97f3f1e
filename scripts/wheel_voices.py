"""The wheel takes along the prompt packs that `scripts/voices` made in this checkout, where there are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PromptPacks(BuildHookInterface):  # type: ignore[type-arg]
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add `models/packages/prompts-*`; an editable install finds them where they are."""
        if version == "editable":
            return
        for manifest in sorted(Path(self.root, "models", "packages").glob("prompts-*/manifest.json")):
            folder = manifest.parent
            build_data["force_include"][str(folder)] = f"pikvani_device/packages/{folder.name}"
