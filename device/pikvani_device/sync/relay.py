"""Lets the other parts of this appliance fetch over the one connection: a unix socket beside the case store.

A device has one session at the broker, and one part holds it. An update runs in a process of its own, which may be
killed, and asks here; when it hangs up, nothing more is fetched for it.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from pikvani_device.errors import DeviceError
from pikvani_device.local_link import (
    ABSENT,
    DATA,
    END,
    FAILED,
    REQUEST,
    Request,
    read_frame,
    send_frame,
    short_address,
)

log = logging.getLogger(__name__)

SOCKET_FILE = "link.sock"
_AT_ONCE = 4
_REQUEST_S = 10.0


class Relay:
    """Answers on a socket, a thread for each who asks, until `stop`.

    Args:
        path: where the socket shall lie; a dead one there is replaced.
        fetch: gives the bytes of a file from an offset on.
    """

    def __init__(self, path: Path, fetch: Callable[[str, int], Generator[bytes, None, None]]) -> None:
        self._path, self._fetch = path, fetch
        self._slots = threading.BoundedSemaphore(_AT_ONCE)
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            DeviceError: another process listens already, or the folder cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with short_address(self._path) as address, socket.socket(socket.AF_UNIX) as probe:
                if probe.connect_ex(address) == 0:
                    raise DeviceError(f"{self._path}: another process holds the link; stop it first")
                self._path.unlink(missing_ok=True)
                listener = socket.socket(socket.AF_UNIX)
                listener.bind(address)
            self._path.chmod(0o600)
            listener.listen(_AT_ONCE)
        except OSError as error:
            raise DeviceError(f"{self._path}: cannot listen there ({error.strerror}); check device.data_dir") from None
        self._socket = listener
        threading.Thread(target=self._accept, args=(listener,), name="relay", daemon=True).start()

    def stop(self) -> None:
        """Listen no more. May be called twice."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
            self._path.unlink(missing_ok=True)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if not self._slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection,), name="relay-fetch", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(_REQUEST_S)
                kind, data = read_frame(connection)
                if kind != REQUEST:
                    return
                wanted = msgspec.msgpack.decode(data, type=Request)
                self._answer(connection, wanted)
        except (OSError, msgspec.MsgspecError) as error:
            log.info("a fetch over the link ended: %s", error)
        finally:
            self._slots.release()

    def _answer(self, connection: socket.socket, wanted: Request) -> None:
        try:
            with closing(self._fetch(wanted.path, wanted.offset)) as pieces:
                for piece in pieces:
                    send_frame(connection, DATA, piece)
        except FileNotFoundError as error:
            send_frame(connection, ABSENT, str(error).encode())
        except (BrokenPipeError, ConnectionResetError):
            raise
        except OSError as error:
            send_frame(connection, FAILED, str(error).encode())
        else:
            send_frame(connection, END)
