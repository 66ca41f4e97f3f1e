"""The packages beside the leaf model that signed updates carry: advice, speech, prompts. Same trust, same steps.

Each has slots, state and orders of its own under `update/`; the trusted metadata is one. A part that was never updated
answers from what came with the software.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pikvani_contract.errors import ContractError
from pikvani_contract.messages import CaseBody
from pikvani_contract.model.manifest import MANIFEST_FILE, FileEntry
from pikvani_contract.packages import LOADERS, AnyPackage
from pikvani_contract.speech.prompts import CLIPS_FILE, Locale, PromptManifest
from pikvani_device.app.update import Around, OneLook, build_engine, fits, rules_of
from pikvani_device.durable_files import replace_file
from pikvani_device.errors import DeviceError, ModelError
from pikvani_device.update.engine import Engine
from pikvani_device.update.slots import Slots
from pikvani_device.update.watching import Seen

if TYPE_CHECKING:
    from pikvani_device.app import Device

log = logging.getLogger(__name__)

PARTS = {
    "advice": "advice",
    "speech": "speech",
    "prompts-mr": "prompts",
    "prompts-hi": "prompts",
    "prompts-en": "prompts",
}
"""Names of the packages, and their kinds."""
_EMPTY = "empty"
_LOCALES: dict[str, Locale] = {"prompts-mr": "mr-IN", "prompts-hi": "hi-IN", "prompts-en": "en-IN"}


def part_slots(data_dir: Path, name: str) -> Slots:
    """The slots of a part."""
    return Slots(data_dir / "update" / name / "slots", LOADERS[PARTS[name]])


def answering(slots: Slots, birth: Callable[[], AnyPackage]) -> AnyPackage:
    """The package of a part that answers: a verified slot, else what came with the software."""
    return slots.load() or birth()


def engines(
    device: Device, source: Path | None = None, births: dict[str, AnyPackage] | None = None
) -> dict[str, Engine]:
    """The updates of every package of this device, the leaf model's first.

    A part that cannot be read at all has none: its room says so, and the others go on.

    Args:
        device: whose.
        source: a folder or stick to take them from, instead of what is configured.
        births: remembers from call to call what the parts were installed with.
    """
    births = {} if births is None else births
    shared = OneLook(device, source)
    found = {device.birth_package.manifest.name: build_engine(device, source, shared)}
    for name in PARTS:
        if name in found:
            continue
        try:
            birth = births[name] = births.get(name) or _birth(device, name)
        except DeviceError as error:
            log.warning("no updates of %s: %s", name, error)
            continue
        found[name] = Engine(
            device.update_dir / name,
            birth,
            _PartAround(device, source, name, shared),
            rules_of(device.config, source),
            fits(device.config),
            LOADERS[PARTS[name]],
        )
    return found


def told(engine: Engine) -> dict[str, Any]:
    """What answers and how its last update stands, as JSON can carry it."""
    manifest = engine.active().manifest
    found: dict[str, Any] = msgspec.to_builtins(engine.state)
    return {"answers": f"{manifest.name}@{manifest.version}"} | found


class _PartAround(Around):
    """As for the model, but no case is decided by a part: it is watched while farmers are served beside it."""

    def _served(self, package: AnyPackage, case: CaseBody) -> bool:
        return True

    def _seen(self, case: CaseBody) -> Seen:
        return Seen("answer", "", 0.0)


def _birth(device: Device, name: str) -> AnyPackage:
    """What a part was installed with; for a language nobody recorded, a pack without a sentence."""
    from pikvani_device.app.advice import shipped_advice

    folder: Path
    if name == "advice":
        folder = shipped_advice()
    elif name == "speech":
        folder = device.voice.speech_folder
    else:
        folder = device.voice.prompts_folder(name) or _empty_pack(device.update_dir / name / _EMPTY, name)
    try:
        return LOADERS[PARTS[name]](folder)
    except (ContractError, OSError) as error:
        raise ModelError(f"{name} package: {error}") from None


def _empty_pack(folder: Path, name: str) -> Path:
    if not (folder / MANIFEST_FILE).exists():
        entry = FileEntry(CLIPS_FILE, hashlib.sha256(b"").hexdigest(), 0)
        manifest = PromptManifest(1, name, "0.0.0", "", _LOCALES[name], 16_000, (entry,), "", {})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CLIPS_FILE).write_bytes(b"")
            replace_file(folder / MANIFEST_FILE, msgspec.json.encode(manifest))
        except OSError as error:
            raise ModelError(f"{folder}: cannot be written ({error.strerror}); make room or mend the disk") from None
    return folder
