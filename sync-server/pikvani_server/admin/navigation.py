"""The menu: what of it somebody sees is what they may open."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request, url_for

from pikvani_server.admin.access import RULES
from pikvani_server.admin.catalogue import N_, t
from pikvani_server.admin.centre import allowed


@dataclass(frozen=True)
class Entry:
    """One line of the menu."""

    title: str
    href: str
    current: bool


_MENU: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        N_("Now"),
        (("overview.page", N_("Overview")), ("fleet.page", N_("Fleet")), ("cases.page", N_("Cases"))),
    ),
    (
        N_("Model"),
        (
            ("drift.page", N_("Drift")),
            ("review.page", N_("Review")),
            ("review.results", N_("Accuracy")),
            ("fairness.page", N_("Fairness")),
            ("proposals.page", N_("Proposals")),
            ("rollouts.page", N_("Roll-outs")),
        ),
    ),
    (
        N_("Centre"),
        (
            ("enrolment.page", N_("Identities")),
            ("work.page", N_("Standing work")),
            ("privacy.page", N_("Consent and erasure")),
            ("dead_letters.page", N_("Dead letters")),
            ("people.page", N_("Users")),
            ("audit.page", N_("Audit log")),
        ),
    ),
)


def sections() -> list[tuple[str, list[Entry]]]:
    """Titles with their entries; sections without an entry are left out."""
    here = (request.endpoint or "").split(".")[0]
    found = []
    for title, lines in _MENU:
        entries = [
            Entry(t(name), url_for(endpoint), request.endpoint == endpoint or _belongs(endpoint, here))
            for endpoint, name in lines
            if (ability := RULES[endpoint].ability) is None or allowed(ability)
        ]
        if entries:
            found.append((t(title), entries))
    return found


def _belongs(endpoint: str, here: str) -> bool:
    # Review has two entries; a detail page belongs to the first of its kind.
    if request.endpoint in {e for _, lines in _MENU for e, _ in lines}:
        return False
    return endpoint == f"{here}.page"
