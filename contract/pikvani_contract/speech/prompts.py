"""The prompt pack: what the product says in one language, recorded ahead. `clips.bin` holds Ogg Opus files end to end.

A clip is found by the id of its sentence, and is only good for the very words it was made of: the manifest keeps their
hash, so that a sentence that has changed since is told from one that has not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry, PackageError, Version

CLIPS_FILE = "clips.bin"
MAX_MANIFEST_BYTES = 2_000_000
MAX_CLIPS_BYTES = 24_000_000
Locale = Literal["mr-IN", "hi-IN", "en-IN"]


class PromptClip(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence.

    Attributes:
        offset: where its file begins in `clips.bin`.
        size: bytes of it.
        ms: how long it is.
        text: `text_mark` of the words.
        voice: which voice speaks.
    """

    offset: Annotated[int, Meta(ge=0)]
    size: Annotated[int, Meta(ge=1)]
    ms: Annotated[int, Meta(ge=1, le=120_000)]
    text: str
    voice: str


class PromptManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`manifest.json` of a prompt pack."""

    schema: Literal[1]
    name: Annotated[str, Meta(pattern=r"^prompts-(mr|hi|en)$")]
    version: Version
    created: str
    locale: Locale
    rate_hz: Annotated[int, Meta(ge=8_000, le=48_000)]
    files: tuple[FileEntry, ...]
    licence: str
    clips: dict[str, PromptClip]


@dataclass(frozen=True)
class PromptPack:
    """A pack that was read and fits its manifest."""

    folder: Path
    manifest: PromptManifest

    @cached_property
    def _clips(self) -> bytes:
        return (self.folder / CLIPS_FILE).read_bytes()

    def clip(self, prompt: str, text: str) -> bytes | None:
        """The Ogg Opus file of a sentence; None where it is missing or was made of other words."""
        found = self.manifest.clips.get(prompt)
        if found is None or found.text != text_mark(text):
            return None
        return self._clips[found.offset : found.offset + found.size]


def text_mark(text: str) -> str:
    """Twelve hexadecimal digits that stand for some words."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:12]


def load_prompt_pack(folder: Path) -> PromptPack:
    """Read a prompt pack and verify it.

    Raises:
        PackageError: something is missing, changed or oversize.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise PackageError(f"{folder} holds no {MANIFEST_FILE}: give the folder of a prompt pack")
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise PackageError(f"{path} is larger than {MAX_MANIFEST_BYTES} bytes: not a manifest")
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=PromptManifest)
    except msgspec.MsgspecError as error:
        raise PackageError(f"{path} does not validate: {error}; fetch the pack again") from error
    if [entry.path for entry in manifest.files] != [CLIPS_FILE]:
        raise PackageError(f"{path} does not list {CLIPS_FILE} alone: fetch the pack again")
    entry, file = manifest.files[0], folder / CLIPS_FILE
    if not file.is_file() or file.stat().st_size != entry.size or entry.size > MAX_CLIPS_BYTES:
        raise PackageError(f"{file} is missing or has not the size {MANIFEST_FILE} says: fetch the pack again")
    with file.open("rb") as stream:
        if hashlib.file_digest(stream, "sha256").hexdigest() != entry.sha256:
            raise PackageError(f"{file} differs from its hash in {MANIFEST_FILE}: fetch the pack again")
    for prompt, clip in manifest.clips.items():
        if clip.offset + clip.size > entry.size:
            raise PackageError(f"{path}: {prompt} lies outside {CLIPS_FILE}: fetch the pack again")
    return PromptPack(folder, manifest)
