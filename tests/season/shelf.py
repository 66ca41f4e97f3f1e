"""The pipeline of a season: `python -m tests.season.shelf LABELS OUT VERSION` takes a candidate from the shelf.

To train a network takes hours (`pikvani-models train`). Here the package that was trained becomes a candidate again
under another version, where labels were exported to train with; without labels there is none.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "models" / "packages" / "leaf"


def version_of(folder: Path, version: str, **decision: float) -> Path:
    """The shipped package under another version, with other thresholds where given: a good or a bad candidate."""
    shutil.copytree(PACKAGE, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["version"] = version
    if decision:
        manifest["decision"]["overall"] = decision
        manifest["decision"]["crops"] = dict.fromkeys(manifest["decision"]["crops"], decision)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def poor_version_of(folder: Path, version: str, crop: str) -> Path:
    """One whose evaluation found it right in half of a crop's photographs only."""
    version_of(folder, version)
    manifest = json.loads((folder / "manifest.json").read_text())
    for metric in manifest["metrics"]:
        if metric["name"] == "accuracy" and metric["crop"] == crop:
            metric["value"] = 0.5
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def main() -> int:
    """As the centre's `learning.pipeline` calls it."""
    labels, out, version = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    lines = (labels / "labels.jsonl").read_text().splitlines()
    if not lines:
        print("no labels", file=sys.stderr)
        return 1
    version_of(out, version)
    print(f"{len(lines)} labels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
