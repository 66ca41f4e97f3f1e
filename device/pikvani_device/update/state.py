"""Where an update stands: one small file, written before each action, and the table of what may follow what."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec

from pikvani_contract.messages import UpdateReport
from pikvani_device.durable_files import replace_file
from pikvani_device.update.errors import TrustStoreError


class Phase(StrEnum):
    """Where an update stands. What is named is what is being done, or was done last."""

    IDLE = "idle"
    CHECKING = "checking"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    STAGED = "staged"
    SELF_TEST = "self_test"
    ACTIVATING = "activating"
    WATCHING = "watching"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled_back"


TRANSITIONS: dict[Phase, frozenset[Phase]] = {
    Phase.IDLE: frozenset({Phase.CHECKING, Phase.ROLLED_BACK}),
    Phase.CHECKING: frozenset({Phase.IDLE, Phase.DOWNLOADING}),
    Phase.DOWNLOADING: frozenset({Phase.IDLE, Phase.VERIFYING}),
    Phase.VERIFYING: frozenset({Phase.IDLE, Phase.STAGED}),
    Phase.STAGED: frozenset({Phase.SELF_TEST}),
    Phase.SELF_TEST: frozenset({Phase.IDLE, Phase.ACTIVATING}),
    Phase.ACTIVATING: frozenset({Phase.IDLE, Phase.WATCHING}),
    Phase.WATCHING: frozenset({Phase.COMMITTED, Phase.ROLLED_BACK}),
    Phase.COMMITTED: frozenset({Phase.CHECKING, Phase.ROLLED_BACK}),
    Phase.ROLLED_BACK: frozenset({Phase.CHECKING, Phase.ROLLED_BACK}),
}
AT_REST = frozenset({Phase.IDLE, Phase.COMMITTED, Phase.ROLLED_BACK, Phase.WATCHING})
"""Phases in which nothing is to be done before time passes or somebody asks."""

_FILE = "state.json"
_MAX_REMEMBERED = 32


class UpdateState(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered over a power cut.

    Attributes:
        phase: where it stands.
        name: of the package it is about.
        version: on the way in, or the last that came in.
        sha256: of the whole signed package: what orders and tries go by.
        path: target path of the file this device takes of it.
        file_sha256: of that file.
        previous: version that answered before; once sent back, the version it went back to.
        reason: why it stands where it stands; empty while all is well.
        since_ms: UTC milliseconds, as this machine believed, of the last change.
        unsaid: what the centre has yet to be told.
        attempts: tries by sha256 of the package, so that a bad one is not fetched for ever.
        order: number of the last order of the centre that was obeyed.
        fallback: version in the slot that does not answer, where it has answered before; empty where it never has.
        taken: sha256 of packages that came to answer here, by version.
        mark: where the counting of cases stood when `version` came to answer; see `Surroundings.mark`.
        since_unsure: whether nothing had confirmed the clock when `version` came to answer.
    """

    phase: Phase = Phase.IDLE
    name: str = ""
    version: str = ""
    sha256: str = ""
    path: str = ""
    file_sha256: str = ""
    previous: str = ""
    reason: str = ""
    since_ms: int = 0
    unsaid: UpdateReport | None = None
    attempts: dict[str, int] = {}
    order: int = 0
    fallback: str = ""
    taken: dict[str, str] = {}
    mark: str = ""
    since_unsure: bool = False

    def to(
        self, phase: Phase, since_ms: int, reason: str = "", unsaid: UpdateReport | None = None, **changes: str
    ) -> UpdateState:
        """The state after a permitted step.

        Raises:
            ValueError: the table does not permit it: a mistake of this software.
        """
        if phase not in TRANSITIONS[self.phase]:
            raise ValueError(f"an update that is {self.phase} cannot become {phase}")
        return msgspec.structs.replace(self, phase=phase, since_ms=since_ms, reason=reason, unsaid=unsaid, **changes)

    @property
    def brought(self) -> str:
        """The version an update has just brought; nothing from the next look on, and nothing once it is sent back."""
        return self.version if self.phase in (Phase.WATCHING, Phase.COMMITTED) else ""

    def counted(self, sha256: str) -> UpdateState:
        """The state with one more try of a file."""
        kept = dict(list(self.attempts.items())[-_MAX_REMEMBERED:])
        return msgspec.structs.replace(self, attempts=kept | {sha256: kept.get(sha256, 0) + 1})

    def uncounted(self, sha256: str) -> UpdateState:
        """The state with one try of a file fewer: it got further, and the link broke."""
        left = {key: count for key, count in self.attempts.items() if key != sha256}
        if (tries := self.attempts.get(sha256, 0) - 1) > 0:
            left[sha256] = tries
        return msgspec.structs.replace(self, attempts=left)

    def activated(self, since_unsure: bool = False) -> UpdateState:
        """The state once `version` answers and `previous` lies in the other slot."""
        taken = dict(list(self.taken.items())[-_MAX_REMEMBERED:]) | {self.version: self.sha256}
        return msgspec.structs.replace(self, fallback=self.previous, taken=taken, since_unsure=since_unsure)

    def refusing(self, sha256: str, tries: int) -> UpdateState:
        """The state in which a file has used up its `tries`: only a new order of a person brings it again."""
        left = {key: count for key, count in self.attempts.items() if key != sha256}
        return msgspec.structs.replace(self, attempts=dict(list(left.items())[-_MAX_REMEMBERED:]) | {sha256: tries})

    def sent_back(self, version: str, to: str, tries: int) -> UpdateState:
        """The state about a version that is sent back, and the one that answers instead."""
        sha256 = self.sha256 if version == self.version else self.taken.get(version, "")
        state = self.refusing(sha256, tries) if sha256 else self
        return msgspec.structs.replace(state, version=version, sha256=sha256, previous=to, fallback="")

    def obeying(self, number: int, sha256: str = "") -> UpdateState:
        """The state once an order is taken on; a file a person orders gets its tries back."""
        left = {key: count for key, count in self.attempts.items() if key != sha256}
        return msgspec.structs.replace(self, order=number, attempts=left)


class StateFile:
    """Keeps an `UpdateState` in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def load(self) -> UpdateState:
        """What was saved last; idle where nothing was, or where it cannot be read any more."""
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=UpdateState)
        except FileNotFoundError:
            return UpdateState()
        except (OSError, msgspec.MsgspecError) as error:
            return UpdateState(reason=f"the state of the last update was unreadable ({error})"[:200])
        if state.brought and not state.fallback:
            return state.activated()  # written before this was remembered
        return state

    def save(self, state: UpdateState) -> UpdateState:
        """Make it durable before the action it names.

        Raises:
            TrustStoreError: the disk does not take it.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, msgspec.json.encode(state))
        except OSError as error:
            raise TrustStoreError(f"{self._path}: cannot be written ({error}); make room or mend the disk") from error
        return state
