"""The bill of materials (CycloneDX 1.6) and the list of licences, read off the locks, the manifests and the registries.

Called by `scripts/sbom`. Asks no network: names, versions and hashes stand in the locks, licences in what is installed.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pikvani_models.registry import SOURCES

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("device", "server", "provision", "models")
"""Locks of what runs at somebody's place; other locks are tools of developers."""
SPDX = {
    "Apache Software License": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Public Domain": "LicenseRef-public-domain",
    "Zope Public License": "ZPL-2.1",
    "ZPL 2.1": "ZPL-2.1",
}
ELSEWHERE = {
    "axe-playwright-python": "MIT",
    "boolean-py": "BSD-2-Clause",
    "cachecontrol": "Apache-2.0",
    "colorama": "BSD-3-Clause",
    "cyclonedx-python-lib": "Apache-2.0",
    "defusedxml": "PSF-2.0",
    "filelock": "MIT",
    "ghp-import": "Apache-2.0",
    "license-expression": "Apache-2.0",
    "markdown": "BSD-3-Clause",
    "mergedeep": "MIT",
    "mkdocs": "BSD-2-Clause",
    "mkdocs-get-deps": "MIT",
    "msgpack": "Apache-2.0",
    "packageurl-python": "MIT",
    "pip-api": "Apache-2.0",
    "pip-audit": "Apache-2.0",
    "pip-requirements-parser": "MIT",
    "platformdirs": "MIT",
    "py-serializable": "Apache-2.0",
    "pyyaml-env-tag": "MIT",
    "tomli": "MIT",
    "tomli-w": "MIT",
    "watchdog": "Apache-2.0",
}
"""Licences of what is locked and not installed beside the product: tools of `scripts/docs` and `scripts/audit`, and
what does not say its own in a form a program reads. Each was read off the package itself."""
COPYLEFT = re.compile(r"GPL|MPL|EPL")


@dataclass(frozen=True)
class Locked:
    """A locked package: what it is, its files' SHA-256, which locks name it."""

    name: str
    version: str
    hashes: tuple[str, ...]
    locks: tuple[str, ...]

    @property
    def licence(self) -> str:
        """Its licence as an SPDX expression, or NOASSERTION where neither it nor we say."""
        try:
            said = importlib.metadata.metadata(self.name)
        except importlib.metadata.PackageNotFoundError:
            return ELSEWHERE.get(self.name, "NOASSERTION")
        if expression := said.get("License-Expression"):
            return str(expression)
        classes = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier", []) if c.startswith("License")]
        for word in (*classes, str(said.get("License") or "")):
            if word in SPDX or re.fullmatch(r"[A-Z][\w.-]+(?: (?:AND|OR) [A-Z][\w.-]+)*", word):
                return SPDX.get(word, word)
        return ELSEWHERE.get(self.name, "NOASSERTION")


def locked() -> list[Locked]:
    """Every package of every lock, sorted by name."""
    found: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        if lock.stem == "apt":
            continue
        for entry in re.split(r"\n(?=[a-zA-Z0-9])", lock.read_text()):
            if name := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;\\]+)", entry):
                hashes, locks = found.setdefault((name[1].lower(), name[2]), (set(), set()))
                hashes |= set(re.findall(r"sha256:([0-9a-f]{64})", entry))
                locks.add(lock.stem)
    return [Locked(n, v, tuple(sorted(h)), tuple(sorted(k))) for (n, v), (h, k) in sorted(found.items())]


def models() -> Iterator[dict[str, object]]:
    """The shipped packages of models and data, as components."""
    for manifest in sorted((ROOT / "models" / "packages").glob("*/manifest.json")):
        said = json.loads(manifest.read_text())
        name, version = said["name"], said["version"]
        files = said["files"] if isinstance(said["files"], list) else []
        yield {
            "type": "data" if name == "advice" else "machine-learning-model",
            "bom-ref": f"pikvani:{name}@{version}",
            "name": f"pikvani-{name}",
            "version": version,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(manifest.read_bytes()).hexdigest()}],
            "properties": [{"name": f"pikvani:file:{f['path']}", "value": f["sha256"]} for f in files],
        }


def bill() -> dict[str, object]:
    """The bill of materials. It holds no time of making: the same tree gives the same bytes."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    components: list[dict[str, object]] = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{each.name}@{each.version}",
            "name": each.name,
            "version": each.version,
            "purl": f"pkg:pypi/{each.name}@{each.version}",
            "scope": "required" if set(each.locks) & set(SHIPPED) else "excluded",
            "licenses": [{"expression": each.licence}],
            "properties": [
                {"name": "pikvani:locks", "value": " ".join(each.locks)},
                *({"name": "pikvani:sha256", "value": digest} for digest in each.hashes),
            ],
        }
        for each in locked()
    ]
    components += models()
    body = json.dumps(components, sort_keys=True).encode()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=hashlib.sha256(body).digest()[:16], version=4)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": f"pikvani@{project['version']}",
                "name": "pikvani",
                "version": project["version"],
                "licenses": [{"expression": project["license"]}],
            }
        },
        "components": components,
    }


def licences() -> str:
    """The page of licences."""
    lines = (ROOT / "docs" / "licences.md").read_text().partition(MARK)[0].rstrip().split("\n")
    lines += ["", MARK, "", "## Libraries", "", "| library | licence | where |", "|---|---|---|"]
    for each in locked():
        where = [name for name in SHIPPED if name in each.locks] or ["developers only"]
        lines.append(
            f"| {each.name} | {each.licence}{' *' if COPYLEFT.search(each.licence) else ''} | {', '.join(where)} |"
        )
    leaf = json.loads((ROOT / "models" / "packages" / "leaf" / "manifest.json").read_text())
    counts = {row["name"]: row["photographs"] for row in leaf["data"]}
    lines += ["", f"## Photographs behind leaf {leaf['version']}", ""]
    lines += ["| set | of what | licence | photographs in training | weights may go on |", "|---|---|---|---|---|"]
    for source in SOURCES:
        free = "yes" if source.redistributable else "**no: licence unknown**"
        lines.append(f"| {source.name} | {source.crop} | {source.licence} | {counts.get(source.name, 0):,} | {free} |")
    speech = json.loads((ROOT / "models" / "packages" / "speech" / "manifest.json").read_text())
    lines += ["", f"## Voices behind speech {speech['version']}", "", "| voices | clips | licence |", "|---|---|---|"]
    lines += [f"| {row['name']} | {row['clips']:,} | {row['licence']} |" for row in speech["corpora"]]
    return "\n".join(lines) + "\n"


MARK = "<!-- From here on made by `scripts/sbom --licences docs/licences.md`. -->"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/sbom", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, help="where the bill goes; else to standard output")
    parser.add_argument("--licences", type=Path, help="write the page of licences here instead")
    options = parser.parse_args()
    if options.licences:
        options.licences.write_text(licences())
        return
    text = json.dumps(bill(), indent=1, sort_keys=True) + "\n"
    if options.out:
        options.out.write_text(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
