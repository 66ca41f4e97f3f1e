"""The pages, a file a matter. A view reads what was asked, asks the rooms behind, and shows; rules are elsewhere."""

from pikvani_server.admin.views import (
    account,
    audit,
    cases,
    dead_letters,
    drift,
    elsewhere,
    fairness,
    fleet,
    health,
    overview,
    people,
    proposals,
    review,
    signing,
    work,
)

BLUEPRINTS = (
    health.blueprint,
    signing.blueprint,
    elsewhere.blueprint,
    account.blueprint,
    overview.blueprint,
    fleet.blueprint,
    cases.blueprint,
    drift.blueprint,
    review.blueprint,
    fairness.blueprint,
    proposals.blueprint,
    work.blueprint,
    dead_letters.blueprint,
    audit.blueprint,
    people.blueprint,
)
