"""The four roles and what each may do. Pages ask for an ability, never for a role."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["admin", "agronomist", "technician", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)

Ability = Literal[
    "see",  # fleet, cases, drift, roll-outs, fairness, proposals: numbers, never a picture
    "label",  # look at consented pictures and name them
    "judge",  # acknowledge alarms, approve or decline candidates
    "tend",  # devices: place, enrol, replace, revoke; dead letters; standing work
    "roll_out",  # pause, resume, abort
    "erase",  # consent and erasure
    "govern",  # users, tokens, audit log
]
ABILITIES: tuple[Ability, ...] = get_args(Ability)

ALLOWED: dict[Role, frozenset[Ability]] = {
    "admin": frozenset(ABILITIES),
    "agronomist": frozenset({"see", "label", "judge"}),
    "technician": frozenset({"see", "tend"}),
    "viewer": frozenset({"see"}),
}


def may(role: str, ability: Ability) -> bool:
    """Whether a role has an ability; a role that is none has none."""
    return role in ROLES and ability in ALLOWED[role]
