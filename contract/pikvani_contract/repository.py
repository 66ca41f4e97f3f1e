"""What both ends must spell alike in a signed repository. Packages and their names: `model.packing`."""

from __future__ import annotations

SIGNED_AT_FIELD = "x-pikvani-signed-at"
"""Field of `timestamp.json`: UTC second it was signed at, as `2026-01-31T12:00:00Z`; the floor under device clocks."""

DIFFERENCE_MAGIC = b"pikvani-difference-1\n"
"""How a difference begins. Then follow SHA-256 of the old file and one zstd frame of as many bytes as the new file has:
new minus old, byte by byte modulo 256, over their common length, and the new bytes themselves after it."""
