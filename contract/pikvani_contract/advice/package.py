"""The advice package: a folder of tables and a manifest, read and verified. TUF checks its signature, not this."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pikvani_contract.advice.rows import (
    LANGUAGES,
    MAX_TABLE_BYTES,
    AdviceFileError,
    Row,
    Source,
    SymptomRow,
    read_table,
)
from pikvani_contract.advice.rules import wrong_rows, wrong_symptoms
from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry, Part, Version

SCHEMA = 1
ADVICE_FILE = "advice.csv"
SOURCES_FILE = "sources.csv"
SYMPTOMS_FILE = "symptoms.csv"
FILES = (ADVICE_FILE, SOURCES_FILE, SYMPTOMS_FILE)
_MAX_MANIFEST_BYTES = 20_000


class AdviceRequires(Part, frozen=True):
    """What a device must have: at least this version of the software."""

    app: Version


class AdviceManifest(Part, frozen=True):
    """`manifest.json` of an advice package.

    Attributes:
        schema: of this file.
        kind: tells it from a model package.
        name: `advice`.
        version: of the tables.
        created_on: day it was built; no device believes to live before it.
        languages: of every sentence.
        files: the tables, each with hash and size.
        requires: of the device.
    """

    schema: int
    kind: Literal["advice"]
    name: Literal["advice"]
    version: Version
    created_on: date
    languages: tuple[str, ...]
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=len(FILES), max_length=len(FILES))]
    requires: AdviceRequires


@dataclass(frozen=True)
class AdvicePackage:
    """An advice package that was read, fits its manifest and keeps the rules.

    Attributes:
        folder: where it lies.
        manifest: what it says of itself.
        rows: sentences in all languages.
        sources: by id.
        symptoms: what conditions show.
    """

    folder: Path
    manifest: AdviceManifest
    rows: tuple[Row, ...]
    sources: dict[str, Source]
    symptoms: tuple[SymptomRow, ...]


def load_advice_package(folder: Path) -> AdvicePackage:
    """Read an advice package, verify every file and hold every row to the rules.

    Raises:
        AdviceFileError: anything is missing, changed, too large or breaks a rule.
    """
    manifest = parse_advice_manifest(_read(folder / MANIFEST_FILE, _MAX_MANIFEST_BYTES))
    data = {}
    for entry in manifest.files:
        data[entry.path] = _read(folder / entry.path, MAX_TABLE_BYTES)
        if len(data[entry.path]) != entry.size or hashlib.sha256(data[entry.path]).hexdigest() != entry.sha256:
            raise AdviceFileError(f"{folder / entry.path} differs from {MANIFEST_FILE}: fetch the package again")
    rows, sources, symptoms = read_tables(data)
    return AdvicePackage(folder, manifest, tuple(rows), {source.id: source for source in sources}, tuple(symptoms))


def read_tables(data: dict[str, bytes]) -> tuple[list[Row], list[Source], list[SymptomRow]]:
    """The three tables out of their bytes, held to the rules.

    Raises:
        AdviceFileError: a table cannot be read, or a row breaks a rule; the first few are named.
    """
    rows = read_table(data[ADVICE_FILE], Row, ADVICE_FILE)
    sources = read_table(data[SOURCES_FILE], Source, SOURCES_FILE)
    symptoms = read_table(data[SYMPTOMS_FILE], SymptomRow, SYMPTOMS_FILE)
    if len({source.id for source in sources}) != len(sources):
        raise AdviceFileError(f"{SOURCES_FILE}: an id repeats; give each source its own")
    if nowhere := [source.id for source in sources if not (source.url or source.page)]:
        raise AdviceFileError(f"{SOURCES_FILE}: {nowhere[0]} has neither url nor page; say where it can be read")
    if wrong := [*wrong_rows(rows, sources), *wrong_symptoms(symptoms, sources)]:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise AdviceFileError(f"the tables break {len(wrong)} rules: {'; '.join(wrong[:5])}{more}; mend these rows")
    return rows, sources, symptoms


def parse_advice_manifest(data: bytes) -> AdviceManifest:
    """Read and check the manifest.

    Raises:
        AdviceFileError: it is no manifest of an advice package this software reads.
    """
    try:
        manifest = msgspec.json.decode(data, type=AdviceManifest)
    except (msgspec.MsgspecError, ValueError) as error:
        raise AdviceFileError(f"{MANIFEST_FILE} is not an advice package's: {error}; build it again") from error
    if manifest.schema != SCHEMA:
        raise AdviceFileError(
            f"{MANIFEST_FILE} has schema {manifest.schema}, this software reads {SCHEMA}: update the software"
        )
    if sorted(entry.path for entry in manifest.files) != sorted(FILES):
        raise AdviceFileError(f"{MANIFEST_FILE} must list {', '.join(FILES)} and nothing else; build it again")
    if sorted(manifest.languages) != sorted(LANGUAGES):
        raise AdviceFileError(f"{MANIFEST_FILE} must have the languages {', '.join(LANGUAGES)}; build it again")
    return manifest


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise AdviceFileError(f"{path} cannot be read ({error.strerror}): fetch the package again") from error
    if len(data) > limit:
        raise AdviceFileError(f"{path} is larger than {limit} bytes: not part of an advice package")
    return data
