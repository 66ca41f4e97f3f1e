"""Reads a repository over HTTP or HTTPS, with ranges, time limits and a connection that is kept.

TLS hides what is fetched; trust does not rest on it. Who reads stops at the signed length; here only time is bounded.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from pikvani_device.adapters.tls_dates import ignore_dates

_PIECE_BYTES = 65_536
_ABSENT = frozenset({403, 404, 410})  # some file stores answer 403 for what they have not
_IN_URL = "/%:@!$&'()*+,;=~"


class HttpFetcher:
    """Reads files under two addresses.

    Args:
        metadata_url: where `metadata/...` lies.
        targets_url: where `targets/...` lies.
        timeout_s: longest wait for a connection, and between two bytes.
        deadline_s: longest time one file may take, so that a trickle ends.
        ca_file: PEM of the authorities to accept; the system's unless given.
        dates: whether dates of certificates count; see `tls_dates`.
    """

    def __init__(
        self,
        metadata_url: str,
        targets_url: str,
        timeout_s: float = 30.0,
        deadline_s: float = 3600.0,
        ca_file: Path | None = None,
        dates: bool = True,
    ) -> None:
        self._bases = {"metadata": metadata_url.rstrip("/"), "targets": targets_url.rstrip("/")}
        self._deadline_s = deadline_s
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if not dates:
            ignore_dates(context)
        self._pool = urllib3.PoolManager(
            maxsize=1,
            timeout=urllib3.Timeout(timeout_s),
            retries=urllib3.Retry(connect=0, read=0, redirect=3, status=0, other=0),
            ssl_context=context,
        )

    def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """Give the bytes of a file from `offset` on.

        Raises:
            FileNotFoundError: the server says it has no such file.
            OSError: no connection, a time-out, another answer of the server, or a body cut short.
        """
        area, _, name = path.partition("/")
        url = f"{self._bases[area]}/{quote(name, safe=_IN_URL)}"
        deadline = time.monotonic() + self._deadline_s
        # Without compression a byte on the wire is a byte of the file: ranges and budgets stay true.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
        try:
            response = self._pool.request("GET", url, headers=headers, preload_content=False)
            try:
                skip = _bytes_to_skip(response, url, offset)
                while piece := response.read1(_PIECE_BYTES, decode_content=False):
                    if time.monotonic() > deadline:
                        raise TimeoutError(f"{url} took longer than {self._deadline_s:.0f} s")
                    if skip < len(piece):
                        yield piece[skip:]
                    skip = max(0, skip - len(piece))
                response.release_conn()
            finally:
                # A body read to its end has given its connection back already; any other must not be used again.
                response.close()
        except HTTPError as error:
            raise OSError(f"{url}: {error}") from error


def _bytes_to_skip(response: BaseHTTPResponse, url: str, offset: int) -> int:
    """How many bytes of this answer the caller has already: a server may ignore ranges."""
    if response.status in _ABSENT:
        raise FileNotFoundError(f"{url}: the server answers {response.status}")
    if response.status == 200:
        return offset
    if response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        return 0
    raise OSError(f"{url}: the server answers {response.status}")
