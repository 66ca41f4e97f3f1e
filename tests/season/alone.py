"""A season without internet: the process and all it starts get a network of their own, the loopback alone."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

_NEW_NETWORK = 0x40000000
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1


def leave_the_internet() -> str:
    """From now on nothing but this machine can be reached.

    Returns:
        Why that cannot be done here, empty where it was.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_NETWORK):
        return f"a network of one's own cannot be made here: {os.strerror(ctypes.get_errno())}"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        name = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(asker, _GET_FLAGS, name))[1]
        fcntl.ioctl(asker, _SET_FLAGS, struct.pack("16sh", b"lo", flags | _UP))
    return ""


def only_loopback() -> bool:
    """Whether this process has no other network."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]
