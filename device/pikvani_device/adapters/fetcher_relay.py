"""Reads the centre's repository through the part of this appliance that holds the MQTT connection."""

from __future__ import annotations

import socket
from collections.abc import Generator
from pathlib import Path

import msgspec

from pikvani_device.local_link import ABSENT, DATA, END, REQUEST, Request, read_frame, send_frame, short_address


class RelayFetcher:
    """A `Fetcher` over a unix socket.

    Args:
        path: of the socket the sync part listens on.
        silence_s: longest wait between two answers; longer than the other part's own patience.
    """

    def __init__(self, path: Path, silence_s: float = 1_200.0) -> None:
        self._path = path
        self._silence_s = silence_s

    def fetch(self, path: str, offset: int = 0) -> Generator[bytes, None, None]:
        """Give the bytes of a file from `offset` on.

        Raises:
            FileNotFoundError: the centre says it has no such file.
            OSError: the sync part does not run, or could not get it.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(self._silence_s)
            try:
                with short_address(self._path) as address:
                    connection.connect(address)
            except OSError as error:
                raise OSError(
                    f"the part that holds the link does not answer ({error.strerror}): "
                    "start it with `run --part sync` and try again"
                ) from None
            send_frame(connection, REQUEST, msgspec.msgpack.encode(Request(path, offset)))
            while True:
                kind, data = read_frame(connection)
                if kind == DATA:
                    yield data
                elif kind == END:
                    return
                elif kind == ABSENT:
                    raise FileNotFoundError(data.decode(errors="replace"))
                else:
                    raise OSError(data.decode(errors="replace"))
