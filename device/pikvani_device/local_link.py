"""How the parts of one appliance talk to the part that holds the connection: frames over a unix socket.

A request is one frame; answers are frames of bytes, ended by one that says how it ended.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

MAX_FRAME_BYTES = 1 << 20
_HEAD = struct.Struct("!cI")

DATA = b"D"
END = b"E"
ABSENT = b"N"
FAILED = b"X"
REQUEST = b"R"


class Request(msgspec.Struct, array_like=True, frozen=True):
    """Bytes of a repository's file, from `offset` on."""

    path: str
    offset: int


def send_frame(connection: socket.socket, kind: bytes, data: bytes = b"") -> None:
    """Send one frame.

    Raises:
        OSError: the other end is gone.
    """
    connection.sendall(_HEAD.pack(kind, len(data)) + data)


def read_frame(connection: socket.socket) -> tuple[bytes, bytes]:
    """The next frame's kind and data.

    Raises:
        OSError: the other end is gone, or sends what is no frame.
    """
    kind, length = _HEAD.unpack(_exactly(connection, _HEAD.size))
    if length > MAX_FRAME_BYTES:
        raise OSError(f"a frame of {length} bytes is no frame of ours")
    return kind, _exactly(connection, length)


@contextmanager
def short_address(path: Path) -> Iterator[str]:
    """An address of `path` that fits into a socket's 108 bytes, however deep its folder lies.

    Raises:
        OSError: the folder is not there.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        more = connection.recv(min(65_536, length - len(data)))
        if not more:
            raise ConnectionResetError("the part that holds the connection ended")
        data += more
    return bytes(data)
