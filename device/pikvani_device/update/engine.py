"""Takes an update from "is there one" to "kept" or "gone back", a step at a time, through any power cut.

Each step writes where it stands, then acts; a step that was cut is simply done again. What is signed, how it comes and
what the slots hold is asked of the modules beside this one; what is measured comes from the caller.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]

from pikvani_contract.messages import UpdateOrder, UpdateReport
from pikvani_contract.model.manifest import PackageError, load_package
from pikvani_contract.model.packing import packed_bytes, version_key
from pikvani_contract.packages import AnyPackage, Loader
from pikvani_device.durable_files import replace_file
from pikvani_device.update.errors import TrustStoreError, UnreachableError, UntrustedError, UpdateError
from pikvani_device.update.offers import Offer, by_difference, offers
from pikvani_device.update.slots import Slots
from pikvani_device.update.state import AT_REST, Phase, StateFile, UpdateState
from pikvani_device.update.surroundings import Rules, Surroundings
from pikvani_device.update.target_files import bytes_here, is_verified, local_name, missing, throw_away
from pikvani_device.update.trust import TrustedRepository
from pikvani_device.update.watching import Health, against, health, slower

log = logging.getLogger(__name__)

_BORN_WITH = "it answers with what it was born with"


class Engine:
    """The updates of one package of a device.

    Args:
        folder: its own: state, downloads, slots.
        birth: the package this device was born with; it answers until another does.
        around: the device around it.
        rules: how updates are taken.
        fits: says why a package cannot run on this device, or nothing.
        load: reads and verifies a package of this kind.
        runtime: what this device runs models with: it fetches no others; empty to take packages whole.
    """

    def __init__(
        self,
        folder: Path,
        birth: AnyPackage,
        around: Surroundings,
        rules: Rules | None = None,
        fits: Callable[[AnyPackage], str] = lambda package: "",
        load: Loader = load_package,
        runtime: str = "",
    ) -> None:
        self._files = folder / "files"
        self._folder = folder
        self._birth = birth
        self._around = around
        self._rules = rules or Rules()
        self._fits = fits
        self._state_file = StateFile(folder)
        self._runtime = runtime
        self.slots = Slots(folder / "slots", load)
        self.state = self._state_file.load()

    # -- what answers -------------------------------------------------------------------------------------

    def active(self) -> AnyPackage:
        """The package that answers: a verified slot, or the one this device was born with."""
        held = self.slots.load() or self._birth
        # A slot filled before another runtime was configured may hold no model for it.
        if held is not self._birth and (why := self._fits(held)) and not self._fits(self._birth):
            log.error("the package of birth answers, %s@%s cannot: %s", held.manifest.name, held.manifest.version, why)
            return self._birth
        return held

    # -- going on -----------------------------------------------------------------------------------------

    def run(self) -> UpdateState:
        """Check, and go on until nothing is to be done before time passes.

        Returns:
            Where it stands. What went wrong is in its `reason`; nothing is raised for a repository that lies.

        Raises:
            TrustStoreError: this device's own disk fails.
        """
        self.recover()
        obeyed = self.state.order
        if self.obey().phase == Phase.ROLLED_BACK and self.state.order != obeyed:
            return self.state
        if self.state.phase == Phase.WATCHING:
            return self.watch()
        self._go(Phase.CHECKING)
        return self._until_rest()

    @property
    def ordered(self) -> bool:
        """Whether the centre ordered a package that does not answer yet and may still be tried."""
        order = self._around.order() if self._rules.by_order else None
        if order is None or order.action != "take":
            return False
        done = (Phase.WATCHING, Phase.COMMITTED, Phase.ROLLED_BACK)
        if self._is_about(self.state.name, self.state.version) and self.state.phase in done:
            return False  # without looking through the slot's files each minute
        tries = self.state.attempts.get(order.sha256.hex(), 0) if order.number <= self.state.order else 0
        return self.active().manifest.version != order.version and tries < self._rules.max_attempts

    def obey(self) -> UpdateState:
        """Take on a new order of the centre: go back at once, or remember what to take at the next `run`."""
        order = self._around.order()
        if order is None or order.number <= self.state.order:
            return self.state
        if order.action == "take":
            return self._take_on(order) if self.state.phase != Phase.WATCHING else self.state
        answers = self.active().manifest.version
        self.state = self.state.obeying(order.number).refusing(order.sha256.hex(), self._rules.max_attempts)
        # By what answers, not by the phase: since it was kept, any number of looks may have found nothing new.
        if order.version in (answers, self.state.brought) and order.version != self._birth.manifest.version:
            return self._roll_back(f"the centre ordered it: {order.reason}")
        unsaid = UpdateReport("not_taken", order.package, order.version, answers, order.number)
        if answers == order.version:
            unsaid = msgspec.structs.replace(unsaid, what="failed", detail=_BORN_WITH)
        self.state = self._state_file.save(msgspec.structs.replace(self.state, unsaid=unsaid))
        self._say()
        return self.state

    def _take_on(self, order: UpdateOrder) -> UpdateState:
        state = self.state.obeying(order.number, order.sha256.hex())
        if (answers := self.active().manifest.version) == order.version:
            # Brought by a stick, or by the order before: the centre would wait for a word of it.
            said = UpdateReport("committed", order.package, answers, answers, order.number, "it answers already")
            state = msgspec.structs.replace(state, unsaid=said)
        self.state = self._state_file.save(state)
        self._say()
        return self.state

    def recover(self) -> UpdateState:
        """After a start: finish what a power cut interrupted. Cheap when nothing was."""
        if self.state.phase == Phase.ROLLED_BACK:
            self._switch_back()
        self._say()
        if self.state.phase not in AT_REST:
            self._until_rest()
        return self.state

    def watch(self) -> UpdateState:
        """Judge the new model by what was seen of it: keep it, send it back, or go on watching."""
        if self.state.phase != Phase.WATCHING:
            return self.state
        package = self.active()
        if package.manifest.version != self.state.version:
            return self._roll_back("the slot of the new model is damaged")
        if not self.state.mark:  # written before it was remembered: the watch counts from here
            self.state = self._state_file.save(msgspec.structs.replace(self.state, mark=self._around.mark(package)))
        if self.state.since_unsure and self._around.clock_is_sure():  # set right since: hours before are hearsay
            right = msgspec.structs.replace(self.state, since_unsure=False, since_ms=self._around.now_ms())
            self.state = self._state_file.save(right)
        before = self._before()
        new, old = self._around.evidence(package, self.state.mark), self._around.evidence(before)
        if reason := against(new, old):
            return self._roll_back(reason, health(new))
        waited_ms = self._around.now_ms() - self.state.since_ms
        # With no case seen, nothing is proven by time.
        if len(new.cases) >= self._rules.watch_cases or (new.cases and waited_ms >= self._rules.watch_ms):
            # Only side by side can it be told from a machine that has become busier.
            if (reason := slower(new, old)) and not (tested := self._around.self_test(package, before)).passed:
                return self._roll_back(f"{reason}; {tested.detail}", health(new))
            self._go(Phase.COMMITTED, tell="committed", detail=f"after {len(new.cases)} cases", seen=health(new))
        return self.state

    def roll_back(self, reason: str) -> UpdateState:
        """Go back to the model before, because somebody said so.

        Raises:
            UpdateError: there is none to go back to.
        """
        self.recover()
        if self.active().manifest.version == self._birth.manifest.version and not self.state.brought:
            raise UpdateError(f"nothing to go back from: {_BORN_WITH}")
        return self._roll_back(reason)

    # -- steps --------------------------------------------------------------------------------------------

    def _until_rest(self) -> UpdateState:
        while self.state.phase not in AT_REST:
            held = bytes_here(self._files)
            try:
                self._step()
            except TrustStoreError:
                raise
            except UnreachableError as error:
                if bytes_here(self._files) > held:
                    self.state = self.state.uncounted(self.state.sha256)
                self._give_up(str(error), tell=False)
            except UpdateError as error:
                self._give_up(str(error), tell=isinstance(error, UntrustedError))
        return self.state

    def _step(self) -> None:
        match self.state.phase:
            case Phase.CHECKING:
                self._check()
            case Phase.DOWNLOADING:
                self._download()
            case Phase.VERIFYING:
                self._verify()
            case Phase.STAGED:
                self._go(Phase.SELF_TEST)
            case Phase.SELF_TEST:
                self._self_test()
            case Phase.ACTIVATING:
                self._activate()
            case phase:
                raise ValueError(f"{phase} is a state of rest")

    def _check(self) -> None:
        active = self.active().manifest
        look = self._around.look()
        found = [
            offer
            for offer in offers(look.targets(), active.name, self._runtime, self._rules.stages)
            if (not self._rules.by_order or self._is_ordered(offer))
            and self.state.attempts.get(offer.sha256, 0) < self._rules.max_attempts
        ]
        newest = max(found, key=lambda offer: version_key(offer.version), default=None)
        if newest is None or version_key(newest.version) <= version_key(active.version):
            self._go(Phase.IDLE)
            return
        if newest.path != self.state.path:
            throw_away(self._files)  # what came of a version that was given up
        now_ms, found_it = self._around.now_ms(), newest._asdict() | {"previous": active.version}
        self.state = self._state_file.save(self.state.counted(newest.sha256).to(Phase.DOWNLOADING, now_ms, **found_it))

    def _is_about(self, name: str, version: str) -> bool:
        """Whether the order that was obeyed last names this version."""
        order = self._around.order()
        return order is not None and (order.number, order.package, order.version) == (self.state.order, name, version)

    def _is_ordered(self, offer: Offer) -> bool:
        order = self._around.order()
        if order is None or order.action != "take" or order.sha256.hex() != offer.sha256:
            return False
        return self._is_about(offer.name, offer.version)

    def _download(self) -> None:
        look, state = self._around.look(), self.state
        target = look.find(state.path) if state.path else None
        if target is None or target.hashes.get("sha256") != state.file_sha256:
            return self._give_up(f"{self._named()} is not on offer any more", tell=False)
        self._files.mkdir(parents=True, exist_ok=True)
        place = self._place()
        if not is_verified(place, target):
            if not (why := self._by_difference(look, target, place)):
                pass
            elif self._around.may_fetch(missing(target, self._files)):
                look.download(target, self._files)
            else:
                return self._give_up(
                    f"{target.path}: {why}, and the whole file's {target.length} bytes are over the budget", tell=True
                )
        self._go(Phase.VERIFYING)
        return None

    def _by_difference(self, look: TrustedRepository, target: TargetFile, place: Path) -> str:
        """Rebuild the file from the active one; why not, or nothing."""
        try:
            return by_difference(look, target, self.state.previous, self._packed, place, self._around.may_fetch)
        except UntrustedError as error:
            # A failed difference is said aloud: the whole file costs a hundred times as much.
            self._around.tell(self._report("difference_failed", str(error)))
            return "the difference failed"

    def _packed(self, runtime: str) -> bytes:
        """The active package as it was signed; nothing where it has no model for that runtime."""
        try:
            return packed_bytes(self.active(), runtime)
        except PackageError:
            return b""

    def _place(self) -> Path:
        return self._files / local_name(self.state.path)

    def _verify(self) -> None:
        self._born()
        place = self._place()
        if not place.exists() or hashlib.sha256(place.read_bytes()).hexdigest() != self.state.file_sha256:
            return self._give_up("the file that came is gone or damaged", tell=False)
        # The slot of the version before is written over.
        self.state = self._state_file.save(msgspec.structs.replace(self.state, fallback=""))
        package = self.slots.install(place)
        manifest = package.manifest
        if (manifest.name, manifest.version) != (self.state.name, self.state.version):
            raise UntrustedError(f"{place.name} says it is {manifest.name}@{manifest.version}; refused")
        if why := self._fits(package):
            return self._give_up(f"{self._named()}: {why}", tell=True)
        self._go(Phase.STAGED)
        return None

    def _self_test(self) -> None:
        candidate = self.slots.staged()
        if candidate.manifest.version != self.state.version:
            return self._give_up("the staged package is another one", tell=False)
        tested = self._around.self_test(candidate, self.active())
        if not tested.passed:
            return self._give_up(f"{self._named()} failed its self-test: {tested.detail}", tell=True)
        # A version may be taken a second time: what was seen of it the first time is no evidence in this watch.
        self.state = msgspec.structs.replace(self.state, mark=self._around.mark(candidate))
        self._go(Phase.ACTIVATING, tested.detail)
        return None

    def _activate(self) -> None:
        if self.active().manifest.version != self.state.version:
            self.slots.activate()
        self.state = self.state.activated(not self._around.clock_is_sure())
        self._go(Phase.WATCHING, tell="watching", detail=self.state.reason)
        throw_away(self._files)

    # -- going back ---------------------------------------------------------------------------------------

    def _roll_back(self, reason: str, seen: Health | None = None) -> UpdateState:
        answers = self.active().manifest.version
        bad = self.state.brought or answers
        to = self._before().manifest.version if answers == bad else answers
        # Once sent back, a file is never tried again by itself.
        self.state = self.state.sent_back(bad, to, self._rules.max_attempts)
        unsaid = self._report("rolled_back", reason, seen)
        back = self.state.to(Phase.ROLLED_BACK, self._around.now_ms(), reason[:390], unsaid)
        self.state = self._state_file.save(back)
        self._switch_back()
        self._say()
        return self.state

    def _switch_back(self) -> None:
        if self.active().manifest.version != self.state.version:
            return
        try:
            if self.slots.staged_version != self.state.previous:
                self._stage_birth()
            self.slots.activate()
        except UntrustedError as error:
            log.error("the model before is damaged, the new one goes on answering: %s", error)

    def _before(self) -> AnyPackage:
        """What answers once the one that answers now is sent back: the one before it, else the package of birth."""
        version = self.state.fallback
        tries = self.state.attempts.get(self.state.taken.get(version, ""), 0)
        if version and version == self.slots.staged_version and tries < self._rules.max_attempts:
            return self.slots.staged()
        return self._birth

    def _born(self) -> None:
        """Before the first update the package of birth takes a slot, so that there is something to go back to."""
        if self.slots.load() is None:
            self._stage_birth()
            self.slots.activate()

    def _stage_birth(self) -> None:
        place = self._files / "birth.tar"
        try:
            self._files.mkdir(parents=True, exist_ok=True)
            replace_file(place, packed_bytes(self._birth))
        except OSError as error:
            raise TrustStoreError(f"{place}: cannot be written ({error}); make room or mend the disk") from error
        self.slots.install(place)

    def _give_up(self, reason: str, tell: bool) -> None:
        log.warning("update given up: %s", reason)
        self._go(Phase.IDLE, reason[:390], "failed" if tell else "", reason)

    def _go(self, phase: Phase, reason: str = "", tell: str = "", detail: str = "", seen: Health | None = None) -> None:
        unsaid = self._report(tell, detail, seen) if tell else None
        self.state = self._state_file.save(self.state.to(phase, self._around.now_ms(), reason, unsaid))
        self._say()

    def _report(self, what: str, detail: str, seen: Health | None = None) -> UpdateReport:
        state = self.state
        order = state.order if self._is_about(state.name, state.version) else 0
        measured = astuple(seen or Health())
        return UpdateReport(what, state.name, state.version, state.previous, order, detail[:390], *measured)

    def _say(self) -> None:
        """Tell the centre what is unsaid; a cut in between tells it twice, never not at all."""
        if self.state.unsaid is not None:
            self._around.tell(self.state.unsaid)
            self.state = self._state_file.save(msgspec.structs.replace(self.state, unsaid=None))

    def _named(self) -> str:
        return f"{self.state.name}@{self.state.version}"
