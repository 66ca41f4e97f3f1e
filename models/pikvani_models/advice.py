"""Builds the advice package out of the tables people edit: held to the rules, complete, the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec

from pikvani_contract.advice.package import (
    ADVICE_FILE,
    FILES,
    SCHEMA,
    SOURCES_FILE,
    SYMPTOMS_FILE,
    AdviceManifest,
    AdviceRequires,
    load_advice_package,
    read_tables,
)
from pikvani_contract.advice.rows import LANGUAGES, AdviceFileError, Row, Source, SymptomRow, write_table
from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry

NEEDS_APP = "0.1.0"
"""Software that reads this schema."""


@dataclass(frozen=True)
class Built:
    """What a package holds: sentences, of them read by an agronomist and withdrawn; symptoms; sources; conditions."""

    version: str
    sentences: int
    reviewed: int
    withdrawn: int
    symptoms: int
    sources: int
    conditions: int


def build_advice(tables: Path, out: Path, version: str, created_on: date, labels: Sequence[str] = ()) -> Built:
    """Check the tables and write the package.

    Args:
        tables: folder with `advice.csv`, `sources.csv` and `symptoms.csv`.
        out: folder of the package; its tables and manifest are replaced.
        version: of the package, above the one devices have.
        created_on: day of the build.
        labels: conditions that must have a row of advice and one of symptoms.

    Raises:
        AdviceFileError: a table is missing, cannot be read or breaks a rule, or a label has nothing.
    """
    rows, sources, symptoms = read_tables({name: _bytes(tables / name) for name in FILES})
    lacking = [f"{label} has no sentence" for label in labels if label not in {row.pair for row in rows}]
    lacking += [f"{label} has no symptom" for label in labels if label not in {row.pair for row in symptoms}]
    if lacking:
        raise AdviceFileError(f"{tables}: {'; '.join(lacking[:8])}; add rows")
    used = {row.source for row in rows} | {row.source for row in symptoms}
    cited = [source for source in sources if source.id in used]
    data = {
        ADVICE_FILE: write_table(sorted(rows, key=lambda row: row.id), Row),
        SOURCES_FILE: write_table(sorted(cited, key=lambda source: source.id), Source),
        SYMPTOMS_FILE: write_table(sorted(symptoms, key=lambda row: (row.pair, row.term)), SymptomRow),
    }
    manifest = AdviceManifest(
        schema=SCHEMA,
        kind="advice",
        name="advice",
        version=version,
        created_on=created_on,
        languages=LANGUAGES,
        files=tuple(FileEntry(name, hashlib.sha256(data[name]).hexdigest(), len(data[name])) for name in FILES),
        requires=AdviceRequires(NEEDS_APP),
    )
    _write(out, data | {MANIFEST_FILE: msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"})
    load_advice_package(out)
    return Built(
        version=version,
        sentences=len(rows),
        reviewed=sum(row.reviewed_on is not None for row in rows),
        withdrawn=sum(row.withdrawn is not None for row in rows),
        symptoms=len(symptoms),
        sources=len(cited),
        conditions=len({row.pair for row in rows}),
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AdviceFileError(f"{path} cannot be read ({error.strerror}): name the folder of the tables") from error


def _write(out: Path, data: dict[str, bytes]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in data.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise AdviceFileError(f"{out} cannot be written ({error.strerror}): name another with --out") from error
