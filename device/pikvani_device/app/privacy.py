"""Consent and erasure on this device: what leaves, what is kept how long, and what goes and stays away.

Database, files and the link's queue are reached from here; the centre is reached by the tombstone that is queued.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pikvani_contract.consent import Consent
from pikvani_device.diagnosis.photo import Photo, encode_for_keeping, read_photo
from pikvani_device.durable_files import sync_folder
from pikvani_device.errors import PhotoError, StoreError
from pikvani_device.store.consents import ConsentShelf, Given, GivenBy, Sent
from pikvani_device.store.ledger import LEDGER_FILE, Ledger
from pikvani_device.store.rescue import DAMAGED

if TYPE_CHECKING:
    from pikvani_device.app import Device

log = logging.getLogger(__name__)

NOTICE = "2026-11"
"""Version of the words in the catalogue: raise it when what they promise changes."""
THUMBNAIL_SIDE_PX = 480
THUMBNAIL_QUALITY = 70
DAY_MS = 86_400_000


class PrivacyRoom:
    """What farmers allowed, and what they took back. Safe to share between threads.

    Args:
        device: whose store, files and configuration.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.shelf = ConsentShelf(device.store)
        self._ledger = Ledger(device.data_dir / LEDGER_FILE)

    @property
    def contact(self) -> str:
        """To whom complaints go; without one nobody is asked to allow anything."""
        return self._device.config.privacy.contact

    def allow(
        self, case: str, purposes: Consent, given_by: GivenBy, locale: str, best: int = 0, pcm: bytes = b""
    ) -> str:
        """Record a consent and queue what leaves with it.

        Args:
            case: its name.
            purposes: what is allowed.
            given_by: `self`, or `parent` for a child.
            locale: the language it was asked in.
            best: which photograph an expert should see, from 0.
            pcm: what the farmer said, as `voice.notes.pcm_of` gives it.

        Returns:
            The code that takes it back.

        Raises:
            DeviceError: it could not be recorded: then nothing leaves.
        """
        sent, names = [], []
        if purposes & Consent.PHOTO and (thumbnail := self._thumbnail(case, best)):
            sent.append(Sent("thumbnail", thumbnail))
        if purposes & Consent.VOICE and pcm:
            from pikvani_device.voice.notes import encode_note

            note = encode_note(pcm)
            sent.append(Sent("voice", note))
            if self._device.config.privacy.voice_note_days:
                names.append(self._keep_note(note))
        try:
            return self.shelf.give(case, purposes, given_by, NOTICE, locale, sent, names)
        except StoreError:
            self._unlink(self._notes_dir, names)
            raise

    def find(self, code_or_case: str) -> str | None:
        """The case that a code, or its own name, means; None for neither."""
        digits = "".join(code_or_case.split())
        given = self.shelf.find(digits)
        if given is not None:
            return given.case_id
        cases = {case.case_id for case in self._device.store.latest_cases(100_000)} if "-" in digits else set()
        return digits if digits in cases else None

    def given(self, case: str) -> Given | None:
        """What is allowed for a case."""
        return self.shelf.of(case)

    def erase(self, case: str, whole: bool, asked_at: str) -> None:
        """Erase what was allowed and sent of a case, or all of it, here; and have it erased at the centre.

        Args:
            case: its name; one this device has forgotten may be meant too.
            whole: the case, its photographs and its record as well.
            asked_at: `kiosk`, `lan`, `service` or `centre`.

        Raises:
            StoreError: the disk failed; what is written down is done as soon as it can be.
        """
        self._ledger.add(case, whole)
        self._obey(case, whole, asked_at)
        self.shelf.scrub()
        log.info("an erasure was asked at %s and done here", asked_at)

    def catch_up(self) -> None:
        """Finish what was cut short, and erase again what an old copy of the database brought back.

        Raises:
            StoreError: the disk failed.
        """
        for case, whole in self._ledger.entries():
            if not self.shelf.is_erased(case, whole):
                self._obey(case, whole, "ledger")
        self.shelf.scrub(patiently=True)

    def drop_old_notes(self) -> int:
        """Remove voice notes kept longer than `privacy.voice_note_days`; returns how many."""
        age_ms = self._device.config.privacy.voice_note_days * DAY_MS
        names = self.shelf.drop_notes_before(self._device.clock.now().wall_ms - age_ms)
        self._unlink(self._notes_dir, names)
        return len(names)

    # -- files ---------------------------------------------------------------------------------------------

    def _obey(self, case: str, whole: bool, asked_at: str) -> None:
        given = self.shelf.of(case)
        if given:
            self._unlink(self._notes_dir, given.notes)
        if whole:
            self._unlink(self._photo_dir, self.shelf.photos_of(case))
        # A damaged database that was replaced may hold the case too; all that could be read of it is in the new one.
        self._unlink(self._device.data_dir, [path.name for path in self._device.data_dir.glob(f"*{DAMAGED}*")])
        self.shelf.erase(case, whole, asked_at)

    @property
    def _photo_dir(self) -> Path:
        return self._device.data_dir / "photos"

    @property
    def _notes_dir(self) -> Path:
        return self._device.data_dir / "notes"

    def _thumbnail(self, case: str, best: int) -> bytes | None:
        """A small fresh JPEG of one kept photograph: neither place nor owner is in it; None where none is kept."""
        names = self.shelf.photos_of(case)
        try:
            photo = read_photo((self._photo_dir / names[min(best, len(names) - 1)]).read_bytes(), "photo")
        except (IndexError, OSError, PhotoError) as error:
            log.warning("no thumbnail can be made: %s", error)
            return None
        height, width = photo.pixels.shape[:2]
        scale = THUMBNAIL_SIDE_PX / max(height, width)
        if scale < 1:
            size = (round(width * scale), round(height * scale))
            small = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
            photo = Photo("thumbnail", small, *size)
        return encode_for_keeping(photo, THUMBNAIL_QUALITY)

    def _keep_note(self, note: bytes) -> str:
        name = f"{secrets.token_hex(8)}.ogg"
        try:
            self._notes_dir.mkdir(parents=True, exist_ok=True)
            with (self._notes_dir / name).open("wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self._unlink(self._notes_dir, [name])
            raise StoreError(
                f"{self._notes_dir}: the voice note cannot be kept ({error.strerror}); free some space on the disk"
            ) from None
        return name

    def _unlink(self, folder: Path, names: Collection[str]) -> None:
        try:
            for name in names:
                (folder / name).unlink(missing_ok=True)
            if names and folder.is_dir():
                sync_folder(folder)
        except OSError as error:
            raise StoreError(f"{folder}: a file cannot be removed ({error.strerror}); check the disk") from None


def forget_old(device: Device) -> int:
    """See `Device.forget_old`."""
    room = device.privacy
    room.catch_up()
    room.drop_old_notes()
    age_ms = device.config.store.keep_synced_days * DAY_MS
    names = device.store.forget_synced_before(device.clock.now().wall_ms - age_ms)
    for name in names:
        with suppress(OSError):
            (device.data_dir / "photos" / name).unlink(missing_ok=True)
    return len(names)
