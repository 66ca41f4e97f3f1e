"""What can go wrong with an update. Callers tell apart "try later" from "somebody lies" by the class."""

from __future__ import annotations

from pikvani_device.errors import DeviceError


class UpdateError(DeviceError):
    """An update cannot go on; what was trusted before still is."""


class UnreachableError(UpdateError):
    """The repository cannot be read now, or broke off; the same call later continues."""


class UntrustedError(UpdateError):
    """What the repository gave is not signed as it must be, is older than what is known, or is not what was signed."""


class ExpiredError(UntrustedError):
    """The newest metadata on offer is past its date: the repository is frozen, or nobody has renewed it."""


class TrustStoreError(UpdateError):
    """This device's own files of trust cannot be read or written."""
