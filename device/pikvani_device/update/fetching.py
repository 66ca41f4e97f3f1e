"""The port an update's bytes come through, and its bridge to python-tuf. Judges nothing: what comes is a stranger's.

The port stands here, not in `ports`, because no other room fetches; adapters fit it by shape and import no room.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Protocol

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface

METADATA = "metadata"
TARGETS = "targets"
"""The two areas of a repository; a path is `metadata/...` or `targets/...`."""

_NOT_FOUND = 404


class Fetcher(Protocol):
    """Reads files of one repository: a stick, a web server, the connection to the centre."""

    def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """Give the bytes of a file from `offset` on, in pieces. Closing the generator lets the connection go.

        A caller stops reading when it has enough: an adapter need not know how long a file may be.

        Args:
            path: `metadata/NAME` or `targets/PATH`, exactly as the signed metadata spells it.
            offset: bytes the caller has already.

        Raises:
            FileNotFoundError: the repository answers that it has no such file.
            OSError: it cannot be read now; time-outs and cut connections are of this kind.
        """
        ...


class FetcherBridge(FetcherInterface):
    """Shows python-tuf a `Fetcher`; the base class stops at the length limit of each file.

    Args:
        fetcher: where the bytes come from.
    """

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            yield from self._fetcher.fetch(url)
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"{url}: the repository has no such file", _NOT_FOUND) from error
        except OSError as error:
            raise DownloadError(f"{url}: {error}") from error
