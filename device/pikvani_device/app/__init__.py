"""The composition root: builds the appliance out of a configuration. The only package that imports adapters.

Parts are built when they are first asked for, so that `diagnose` pays for neither the database nor the network. What
cannot be built says so; nothing takes its place.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2

from pikvani_contract.health import Health
from pikvani_contract.model.manifest import Package
from pikvani_device.app.building import build_camera, build_runtime, load_model
from pikvani_device.app.degraded import keeping, must_be_mounted, photographing, thinking
from pikvani_device.app.drift import case_traits, say_days
from pikvani_device.app.photo_files import keep_photo
from pikvani_device.app.turns import Turns
from pikvani_device.config import Config
from pikvani_device.diagnosis.case_record import case_body
from pikvani_device.diagnosis.photo import Photo, photo_of_frame
from pikvani_device.diagnosis.pipeline import Pipeline
from pikvani_device.diagnosis.result import Diagnosis
from pikvani_device.errors import RuntimeAdapterError, StoreError
from pikvani_device.ports import Camera, SoilReading

if TYPE_CHECKING:
    from pikvani_contract.advice.rows import Audience
    from pikvani_device.adapters.clock_linux import LinuxClock
    from pikvani_device.app.advice import AdviceRoom
    from pikvani_device.app.enrolment import EnrolmentRoom
    from pikvani_device.app.instruments import Instruments
    from pikvani_device.app.live import LiveView
    from pikvani_device.app.privacy import PrivacyRoom
    from pikvani_device.app.voice import VoiceRoom
    from pikvani_device.diagnosis.advice import Advice
    from pikvani_device.diagnosis.advice.symptom_table import SymptomTable
    from pikvani_device.store import Store, StoredCase
    from pikvani_device.store.rescue import Rescued
    from pikvani_device.sync.publisher import Publisher
    from pikvani_device.update.engine import Engine
    from pikvani_device.update.slots import Slots


class Device:
    """One appliance. Safe to share between threads; the model looks at one case at a time.

    Args:
        config: what to build.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.health = Health()
        """Which loops live, and what the appliance does without just now."""
        # One core's worth of OpenCV: its own pool would fight the model's threads over two or four cores.
        cv2.setNumThreads(1)
        self._model_turns = Turns()
        self._build_lock = threading.RLock()
        self._followed_ns = 0

    @cached_property
    def birth_package(self) -> Package:
        """The model package this device was installed with, verified."""
        return load_model(self.config.model.dir)

    @cached_property
    def package(self) -> Package:
        """The model package that answers: the newest a signed update brought, else that of birth; verified."""
        if not self._slots.switched_at_ns:
            return self.birth_package
        self._followed_ns = self._slots.switched_at_ns
        return cast(Package, self.updates().active())

    @property
    def update_dir(self) -> Path:
        """Where updates keep their state, downloads and slots."""
        return self.data_dir / "update"

    @cached_property
    def _slots(self) -> Slots:
        from pikvani_device.update.slots import Slots

        return Slots(self.update_dir / "slots")

    @property
    def switched_at_ns(self) -> int:
        """Changes when an update, of this process or another, lets another model answer; 0 before the first."""
        return self._slots.switched_at_ns

    def updates(self, source: Path | None = None) -> Engine:
        """The updates of this device, from a folder if one is given; see `update.engine`."""
        from pikvani_device.app.update import build_engine

        return build_engine(self, source)

    def known_time_ms(self) -> int:
        """UTC milliseconds it is known to be at least, as the centre said last; 0 for unknown."""
        from pikvani_device.store import LATEST_KNOWN_TIME_FACT

        return int(self.store.fact(LATEST_KNOWN_TIME_FACT) or 0)

    def _follow_updates(self) -> None:
        """Load the other model where an update, of this process or another, has switched the slot."""
        if self._slots.switched_at_ns == self._followed_ns or "package" not in self.__dict__:
            return
        with self._build_lock:
            self.__dict__.pop("package", None)
            old = self.__dict__.pop("pipeline", None)
            if old is not None:
                old.runtime.close()

    @cached_property
    def pipeline(self) -> Pipeline:
        """The model on its runtime."""
        with self._build_lock:
            return Pipeline(self.package.manifest, build_runtime(self.config, self.package), lambda: self.symptom_table)

    @cached_property
    def camera(self) -> Camera:
        """The kiosk's camera."""
        with self._build_lock:
            return build_camera(self.config)

    @cached_property
    def live(self) -> LiveView:
        """What the kiosk's camera sees, for whoever aims."""
        from pikvani_device.app.live import LiveView

        return LiveView(lambda: self.camera)

    @cached_property
    def voice(self) -> VoiceRoom:
        """What listens."""
        from pikvani_device.app.voice import VoiceRoom

        return VoiceRoom(self.config.voice, self.data_dir, self.count_failure)

    @cached_property
    def instruments(self) -> Instruments:
        """The things on serial cables; only one process may read them."""
        from pikvani_device.app.instruments import Instruments

        return Instruments(self)

    @property
    def data_dir(self) -> Path:
        """Where cases and photographs lie."""
        return Path(self.config.device.data_dir)

    @cached_property
    def clock(self) -> LinuxClock:
        """The machine's clock, with what the centre last said of the time."""
        from pikvani_device.adapters.clock_linux import LinuxClock

        return LinuxClock()

    @cached_property
    def store(self) -> Store:
        """The case store, opened and migrated."""
        from pikvani_device.app.factory_reset import finish
        from pikvani_device.store import LATEST_KNOWN_TIME_FACT, open_store

        with self._build_lock:
            must_be_mounted(self.data_dir, self.config.store.marker)
            finish(self.config)
            try:
                self.data_dir.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"{self.data_dir}: cannot be made ({error.strerror}); set device.data_dir to a writable place"
                ) from None
            store = open_store(self.data_dir / "device.sqlite3", self.clock)
        known = store.fact(LATEST_KNOWN_TIME_FACT)
        self.clock.raise_floor(int(known) if known else 0)
        return store

    def diagnose(
        self,
        files: Sequence[tuple[str, bytes]],
        crop: str | None = None,
        symptoms: Collection[str] = (),
        front: bool = False,
    ) -> tuple[Diagnosis, list[Photo]]:
        """Diagnose photographs given as `(name, bytes)`; see `Pipeline.read_and_diagnose`.

        Args:
            files: the photographs of one plant.
            crop: where it was told.
            symptoms: what the farmer told: keys of `diagnosis.symptoms.SYMPTOMS`, ids of spoken words.
            front: go before whoever else waits for the model: the kiosk before phones.
        """
        with thinking(self.health), self._model_turns.turn(front) as step_back:
            if not self._model_turns.someone_is_midway:
                self._follow_updates()
            try:
                return self.pipeline.read_and_diagnose(files, crop, symptoms, step_back)
            except RuntimeAdapterError:
                self.count_failure(f"{self.package.manifest.name}@{self.package.manifest.version}")
                raise

    def count_failure(self, package: str) -> None:
        """Remember that `name@version` failed a farmer: an update that is watched is judged by it."""
        with suppress(StoreError):
            self.store.set_fact(f"failures.{package}", str(int(self.store.fact(f"failures.{package}") or 0) + 1))

    def photograph(self) -> Photo:
        """Take one photograph with the kiosk's camera.

        Raises:
            CameraError: there is no camera, or it failed; it is opened anew the next time.
        """
        with photographing(self.health, self._let_camera_go):
            frame = self.live.capture()
        return photo_of_frame(frame, f"camera {self.config.camera.adapter}")

    def spoken(self, locale: str, sentences: Sequence[tuple[str, str]]) -> bytes | None:
        """Sentences of the pages as one sound file, or None where no voice is installed that says them all.

        Args:
            locale: `mr-IN`, `hi-IN` or `en-IN`.
            sentences: id and words of each, in the order they are said.
        """
        return self.voice.speaker.say(locale, sentences)

    def advice(self, condition: str, locale: str, audience: Audience = "farmer") -> Advice | None:
        """What is known to do about a `crop/condition`, every sentence with its source; see `AdviceTable.advice`.

        None where no advice package can be read: then only whom to ask is told, and `health` says why.
        """
        return self._advice_room.advice(condition, locale, audience)

    @property
    def symptom_table(self) -> SymptomTable | None:
        """What conditions show, in farmers' words; None where no advice package can be read."""
        return self._advice_room.symptoms()

    @cached_property
    def _advice_room(self) -> AdviceRoom:
        from pikvani_device.app.advice import build_advice_room

        with self._build_lock:
            return build_advice_room(self)

    def _let_camera_go(self) -> None:
        with self._build_lock:
            camera = self.__dict__.pop("camera", None)
        if camera is not None:
            camera.close()

    def record(
        self,
        diagnosis: Diagnosis,
        photos: Sequence[Photo],
        crop: str | None = None,
        channel: str = "cli",
        locale: str | None = None,
    ) -> StoredCase:
        """Keep a case: photographs re-encoded and on the disk, then the record. Durable on return.

        Raises:
            StoreError: the disk is full or the store is damaged.
        """
        body = case_body(diagnosis, len(photos), crop, channel, locale or self.config.device.locale)
        names: list[str] = []
        store = self.store  # first: without a data partition no photograph may be left where it should be
        try:
            for photo in photos:
                names.append(keep_photo(self._photo_dir, photo))
            return store.record_case(body, names, case_traits(diagnosis, self.package.manifest))
        except StoreError:
            # A full disk must not be left fuller, with photographs that no case names.
            for name in names:
                (self._photo_dir / name).unlink(missing_ok=True)
            raise

    def record_if_possible(
        self,
        diagnosis: Diagnosis,
        photos: Sequence[Photo],
        crop: str | None = None,
        channel: str = "cli",
        locale: str | None = None,
    ) -> StoredCase | None:
        """`record`, or None where the disk does not take it: the farmer is answered all the same, and told."""
        with keeping(self.health) as kept:
            kept.case = self.record(diagnosis, photos, crop, channel, locale)
        return kept.case

    @cached_property
    def privacy(self) -> PrivacyRoom:
        """What farmers allowed and took back."""
        from pikvani_device.app.privacy import PrivacyRoom

        return PrivacyRoom(self)

    def latest_cases(self, limit: int = 20) -> list[StoredCase]:
        """What this device was last asked, newest first."""
        return self.store.latest_cases(limit)

    def readable_cases(self, limit: int = 20) -> list[StoredCase] | None:
        """`latest_cases`, or None where the disk cannot be read."""
        with keeping(self.health):
            return self.latest_cases(limit)
        return None

    def soil_of(self, cases: Sequence[StoredCase]) -> dict[str, SoilReading]:
        """What the soil was like at the time of cases, by their ids; those without a reading are left out."""
        from pikvani_device.store.soil import SoilShelf

        with keeping(self.health):
            return SoilShelf(self.store).of_cases([case.case_id for case in cases])
        return {}

    def status(self) -> dict[str, Any]:
        """How this device is, as JSON can carry it.

        Raises:
            DeviceError: the model cannot be opened. Without the store `lanes` is None, and `without` says why.
        """
        from pikvani_device.app.status import status_of

        return status_of(self)

    @cached_property
    def enrolment(self) -> EnrolmentRoom:
        """Who this device is to the centre.

        Raises:
            DeviceError: the configuration does not let it enrol, or its files do not fit.
        """
        from pikvani_device.app.enrolment import EnrolmentRoom

        return EnrolmentRoom(self)

    def build_publisher(self) -> Publisher:
        """A publisher to the configured broker; `run` starts it.

        Raises:
            DeviceError: the link's files are missing or do not fit.
        """
        from pikvani_device.app.link import build_publisher

        return build_publisher(self, partial(self.health.beat, "sync"))

    def export(self, folder: Path) -> tuple[int, int]:
        """Apply the receipts on a USB stick, then put everything that still waits on it, sealed to the centre.

        Returns:
            Records let go, records exported.

        Raises:
            DeviceError: no centre keys are configured, or the stick cannot be read or written.
        """
        from pikvani_device.app.stick import export

        return export(self, folder)

    def rescue(self) -> Rescued:
        """Replace a damaged case store by what can be read of it.

        Raises:
            StoreError: there is none, or the new one cannot be written.
        """
        from pikvani_device.store.rescue import rescue

        return rescue(self.data_dir / "device.sqlite3", self.clock)

    def forget_old(self) -> int:
        """Finish erasures, drop old voice notes and old cases the centre has; returns how many photographs went."""
        from pikvani_device.app.privacy import forget_old

        return forget_old(self)

    def say_sketches(self) -> int:
        """Queue the drift sketches of the days that are over; returns how many."""
        return say_days(self.store, self.clock)

    def close(self) -> None:
        """Let everything go that was built. May be called twice."""
        built = self.__dict__
        built.pop("privacy", None)
        for part in ("camera", "voice", "instruments", "store"):
            if part in built:
                built.pop(part).close()
        if "pipeline" in built:
            built.pop("pipeline").runtime.close()

    @property
    def _photo_dir(self) -> Path:
        return self.data_dir / "photos"
