"""What a repository says, after it was believed: the updater every device runs, over python-tuf's client.

Metadata is kept under unversioned names in one folder, each file whole after a power cut. This module decides nothing
about when to check, what to install or what it costs; it answers "is this signed, current, and newer than I know".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import (
    DownloadError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
)
from tuf.api.metadata import TargetFile  # type: ignore[attr-defined]
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from pikvani_contract.clock import Moment
from pikvani_device.durable_files import replace_file
from pikvani_device.update.errors import ExpiredError, TrustStoreError, UnreachableError, UntrustedError
from pikvani_device.update.fetching import METADATA, TARGETS, Fetcher, FetcherBridge
from pikvani_device.update.reference_time import FlooredMetadataSet
from pikvani_device.update.target_files import bring

_ROOT_FILE = "root.json"


@dataclass(frozen=True)
class Limits:
    """How much is read, at most, before a repository is called a liar. Bytes, but for the counts."""

    root_bytes: int = 512_000
    timestamp_bytes: int = 16_384
    snapshot_bytes: int = 2_000_000
    targets_bytes: int = 5_000_000
    target_file_bytes: int = 128_000_000
    root_rotations: int = 256
    delegations: int = 32


def plant_root(folder: Path, root: bytes) -> None:
    """Give a device, at birth, the root it will trust. It is verified when first used.

    Raises:
        TrustStoreError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / _ROOT_FILE, root)
    except OSError as error:
        raise TrustStoreError(f"{folder}: the trusted root cannot be written ({error}); mend the disk") from error


class TrustedRepository:
    """One look at one repository. Build another for the next look: time and versions are judged once.

    Args:
        folder: metadata this device trusts; holds at least a planted root.
        fetcher: where bytes come from.
        moment: what this machine's clocks say.
        floor_ms: UTC milliseconds it is known to be at least, 0 for unknown; see `reference_time`.
        limits: how much to read at most.

    Raises:
        UntrustedError: the planted root does not verify by itself.
        TrustStoreError: there is none, or the folder cannot be used.
    """

    def __init__(
        self, folder: Path, fetcher: Fetcher, moment: Moment, floor_ms: int = 0, limits: Limits | None = None
    ) -> None:
        self._fetcher = fetcher
        self._limits = limits or Limits()
        with _in_our_words(folder):
            root = (folder / _ROOT_FILE).read_bytes()
            self._trusted = FlooredMetadataSet(root, moment, floor_ms)
            self._updater = _DurableUpdater(folder, root, self._trusted, fetcher, self._limits)
        self._folder = folder
        self._refreshed = False

    def refresh(self) -> None:
        """Bring root, timestamp, snapshot and targets up to date; once an object, later calls do nothing.

        Raises:
            UnreachableError: the repository cannot be read now.
            ExpiredError: its newest metadata is past its date.
            UntrustedError: it lies: signature, version, length, hash or form.
            TrustStoreError: what was learnt cannot be kept.
        """
        if not self._refreshed:
            with _in_our_words(self._folder):
                self._updater.refresh()
            self._refreshed = True

    @property
    def floor_ms(self) -> int:
        """UTC milliseconds it is known to be at least, with what the signed timestamp added. Worth keeping."""
        return self._trusted.floor_ms

    def find(self, target_path: str) -> TargetFile | None:
        """What is signed about a target, or nothing where no trusted role names it. Refreshes first.

        Raises:
            UpdateError: as for `refresh`, of a delegated role too.
        """
        self.refresh()
        with _in_our_words(self._folder):
            return self._updater.get_targetinfo(target_path)

    def targets(self) -> dict[str, TargetFile]:
        """What the top-level targets role itself names. Refreshes first; raises as `refresh`."""
        self.refresh()
        return dict(self._trusted.targets.targets)

    def download(self, target: TargetFile, folder: Path) -> Path:
        """Have a target on disk, verified; fetches only what is missing. See `target_files.bring`.

        Raises:
            UpdateError: the link broke (call again to continue), the bytes are wrong, or the disk is full.
        """
        if target.length > self._limits.target_file_bytes:
            raise UntrustedError(
                f"{target.path}: {target.length} bytes are signed, this device takes {self._limits.target_file_bytes};"
                " publish a smaller file"
            )
        location = target.path
        if self._trusted.root.consistent_snapshot:
            parent, slash, name = location.rpartition("/")
            location = f"{parent}{slash}{next(iter(target.hashes.values()))}.{name}"
        return bring(self._fetcher, f"{TARGETS}/{location}", target, folder)


class _DurableUpdater(Updater):
    """python-tuf's order of steps, with our rules of time and files that survive a power cut."""

    def __init__(
        self, folder: Path, root: bytes, trusted: FlooredMetadataSet, fetcher: Fetcher, limits: Limits
    ) -> None:
        config = UpdaterConfig(
            max_root_rotations=limits.root_rotations,
            max_delegations=limits.delegations,
            root_max_length=limits.root_bytes,
            timestamp_max_length=limits.timestamp_bytes,
            snapshot_max_length=limits.snapshot_bytes,
            targets_max_length=limits.targets_bytes,
        )
        super().__init__(str(folder), METADATA, fetcher=FetcherBridge(fetcher), config=config, bootstrap=root)
        self._trusted_set = trusted

    def _persist_file(self, filename: str, data: bytes) -> None:
        replace_file(Path(filename), data)

    def _update_root_symlink(self) -> None:
        # The base class removes the link and makes it anew; a power cut between the two leaves a device without a root.
        version = self._trusted_set.root.version
        newest = Path(self._dir, "root_history", f"{version}.root.json")
        replace_file(Path(self._dir, _ROOT_FILE), newest.read_bytes())


@contextmanager
def _in_our_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except DownloadLengthMismatchError as error:
        raise UntrustedError(f"metadata is longer than it may be ({error}); try another source") from error
    except DownloadError as error:
        raise UnreachableError(f"the repository cannot be read ({error}); try again later") from error
    except ExpiredMetadataError as error:
        raise ExpiredError(f"the repository is out of date ({error}); have the centre renew it") from error
    except RepositoryError as error:
        raise UntrustedError(f"the repository is not to be trusted ({error}); try another source") from error
    except OSError as error:
        raise TrustStoreError(f"{folder}: trusted metadata cannot be read or kept ({error}); plant the root") from error
