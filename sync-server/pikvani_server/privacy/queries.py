"""What pages tell of consent and erasure: numbers and tombstones, never a picture."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from pikvani_contract.consent import Consent
from pikvani_server.store import Store
from pikvani_server.store.schema_privacy import consents, erasures


def counts(store: Store) -> dict[str, int]:
    """Consents in force by purpose (`photo`, `voice`, `training`, `place`), by parents, and erasures by how far."""
    allowed = [
        sa.func.coalesce(sa.func.sum(sa.case((consents.c.purposes.bitwise_and(int(bit)) != 0, 1), else_=0)), 0).label(
            str(bit.name).lower()
        )
        for bit in Consent
    ]
    parents = sa.func.coalesce(sa.func.sum(sa.case((consents.c.given_by == "parent", 1), else_=0)), 0).label("parents")
    found = store.read("counting consents", sa.select(sa.func.count().label("consents"), parents, *allowed))[0]
    obeyed = sa.func.coalesce(sa.func.sum(sa.case((erasures.c.obeyed_at.is_not(None), 1), else_=0)), 0)
    confirmed = sa.func.coalesce(sa.func.sum(sa.case((erasures.c.confirmed_at.is_not(None), 1), else_=0)), 0)
    asked = sa.select(sa.func.count().label("asked"), obeyed.label("obeyed"), confirmed.label("confirmed"))
    found |= store.read("counting erasures", asked.select_from(erasures))[0]
    return {name: int(value) for name, value in found.items()}


def listed(store: Store, limit: int) -> list[dict[str, Any]]:
    """Tombstones, the latest first, each with the `case` it names."""
    query = sa.select(erasures).order_by(erasures.c.received_at.desc(), erasures.c.seq.desc()).limit(limit)
    found = store.read("listing erasures", query)
    return [row | {"case": f"{bytes(row['outbox']).hex()}-{row['seq']}"} for row in found]
