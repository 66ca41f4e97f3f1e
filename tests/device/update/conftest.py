from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path

import pytest
from tests.support.tuf_repository import NOW, TufRepository

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_device.adapters.fetcher_directory import DirectoryFetcher
from pikvani_device.update.fetching import Fetcher
from pikvani_device.update.trust import Limits, TrustedRepository, plant_root


def at(time: datetime, trust: ClockTrust = ClockTrust.SYNCED) -> Moment:
    return Moment("boot-1", 0, int(time.timestamp() * 1000), trust)


class CountingFetcher:
    """Notes what was asked for, and hands it over."""

    def __init__(self, inner: Fetcher) -> None:
        self.inner = inner
        self.asked: list[tuple[str, int]] = []
        self.bytes = 0

    def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        self.asked.append((path, offset))
        for piece in self.inner.fetch(path, offset):
            self.bytes += len(piece)
            yield piece


@pytest.fixture
def repository(tmp_path: Path) -> TufRepository:
    return TufRepository(tmp_path / "repository")


@pytest.fixture
def metadata_dir(tmp_path: Path, repository: TufRepository) -> Path:
    folder = tmp_path / "trusted"
    plant_root(folder, repository.first_root)
    return folder


@pytest.fixture
def fetcher(repository: TufRepository) -> CountingFetcher:
    return CountingFetcher(DirectoryFetcher(repository.folder))


@pytest.fixture
def look(metadata_dir: Path, fetcher: CountingFetcher) -> Callable[..., TrustedRepository]:
    """One look at the repository at a time, refreshed."""

    def take(
        moment: Moment | None = None, floor_ms: int = 0, limits: Limits | None = None, by: Fetcher | None = None
    ) -> TrustedRepository:
        looked = TrustedRepository(metadata_dir, by or fetcher, moment or at(NOW), floor_ms, limits)
        looked.refresh()
        return looked

    return take
