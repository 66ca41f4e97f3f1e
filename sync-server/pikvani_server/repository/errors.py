"""What can go wrong at the signing desk."""

from __future__ import annotations

from pikvani_server.errors import ServerError


class SigningError(ServerError):
    """A key or the repository is not as it must be for this; nothing was signed or published."""


class ComplianceError(SigningError):
    """A package may not go to farmers: its stamp is missing, incomplete, or for another package."""
