"""The kinds of values messages are made of, each with its bound, so that a stranger's bytes cannot exceed it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

_INT63 = 2**63 - 1

Sequence = Annotated[int, Meta(ge=1, le=_INT63)]
Milliseconds = Annotated[int, Meta(ge=-_INT63, le=_INT63)]
Name = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=400)]
Count = Annotated[int, Meta(ge=0, le=_INT63)]
E4 = Annotated[int, Meta(ge=0, le=10_000)]
"""A share from 0 to 1 in ten-thousandths: three bytes, where a float costs nine that do not compress."""
OutboxId = Annotated[bytes, Meta(min_length=8, max_length=8)]
