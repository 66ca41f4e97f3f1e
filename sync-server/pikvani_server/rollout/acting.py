"""What people do to a roll-out: start, pause, resume, abort. Each act and its entry in the audit log are one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from tuf.api.metadata import Targets  # type: ignore[attr-defined]

from pikvani_contract.model.packing import package_target
from pikvani_server.repository.shelf import Shelf
from pikvani_server.rollout import rows
from pikvani_server.rollout.plan import Plan, RolloutError, checked
from pikvani_server.rollout.rows import ABORTED, OPEN, PAUSED, RUNNING
from pikvani_server.store import Store, audit
from pikvani_server.store.schema_rollout import device_tags, rollouts

PRODUCTION = "production"


def signed_sha256(repository: Path, package: str, version: str) -> str:
    """Hash of a version that is published for production.

    Raises:
        RolloutError: it is not: sign, stamp and publish it first.
        SigningError: the repository cannot be read.
    """
    targets = Shelf(repository).newest(Targets).signed
    target = targets.targets.get(package_target(package, version))
    if target is None:
        raise RolloutError(f"{package}@{version} is not published in {repository}: `repository add-target`, `publish`")
    custom = target.unrecognized_fields.get("custom")
    stage = custom.get("stage") if isinstance(custom, dict) else None
    if stage != PRODUCTION:
        raise RolloutError(
            f"{package}@{version} stands at {stage}: only what is stamped for production reaches farmers"
        )
    return str(target.hashes["sha256"])


def start(store: Store, package: str, version: str, sha256: str, plan: Plan, actor: str, now: datetime) -> int:
    """Begin a roll-out; the first step is taken at the next pass.

    Args:
        store: migrated.
        package: name of the package.
        version: its version.
        sha256: as `signed_sha256` gives it.
        plan: to whom and how.
        actor: who starts it.
        now: UTC.

    Returns:
        Its number.

    Raises:
        RolloutError: one of this package is open, or the plan cannot be.
    """
    checked(plan)
    with store.writing("starting a roll-out") as connection:
        is_open = sa.select(rollouts.c.id).where(rollouts.c.package == package, rollouts.c.state.in_(OPEN))
        before = connection.execute(is_open).scalar()
        if before is not None:
            raise RolloutError(f"roll-out {before} of {package} is open: let it end, or `rollout abort {before}`")
        values = {
            "package": package,
            "version": version,
            "sha256": sha256,
            "plan": rows.plan_text(plan),
            "state": RUNNING,
            "step_at": now,
            "started_at": now,
            "started_by": actor,
        }
        number = int(connection.execute(sa.insert(rollouts).values(**values).returning(rollouts.c.id)).scalar_one())
        detail = {"package": f"{package}@{version}", "sha256": sha256, "plan": rows.plan_text(plan)}
        audit.append(connection, actor, "rollout.start", str(number), detail, now)
    return number


def pause(store: Store, number: int, actor: str, why: str, now: datetime) -> None:
    """Reach nobody new until it is resumed. A version that regresses is still halted.

    Raises:
        RolloutError: it is not running.
    """
    _set(store, number, (RUNNING,), PAUSED, "pause", actor, why, now)


def resume(store: Store, number: int, actor: str, why: str, now: datetime) -> None:
    """Go on.

    Raises:
        RolloutError: it is not paused.
    """
    _set(store, number, (PAUSED,), RUNNING, "resume", actor, why, now)


def abort(store: Store, number: int, actor: str, why: str, now: datetime) -> int:
    """End it and order everybody back whom it reached; returns how many.

    Raises:
        RolloutError: it has ended in another way than well.
    """
    with store.writing("aborting a roll-out") as connection:
        rollout = rows.locked(connection, number)
        if rollout.state not in (*OPEN, rows.DONE):
            raise RolloutError(f"roll-out {number} is {rollout.state} already")
        recalled = rows.recall(connection, rollout, now)
        rows.change(connection, number, state=ABORTED, reason=why, ended_at=now)
        detail = {"package": rollout.name, "reason": why, "recalled": recalled}
        audit.append(connection, actor, "rollout.abort", str(number), detail, now)
    return recalled


def tag(store: Store, word: str, device_ids: Iterable[str], actor: str, now: datetime, remove: bool = False) -> None:
    """Give devices a tag, or take it from them."""
    names = sorted(set(device_ids))
    with store.writing("tagging devices") as connection:
        if remove:
            table = device_tags
            connection.execute(sa.delete(table).where(table.c.tag == word, table.c.device_id.in_(names)))
        elif names:
            insert = store.insert(device_tags).on_conflict_do_nothing()
            connection.execute(insert, [{"device_id": name, "tag": word} for name in names])
        shown = {"devices": names[:50], "count": len(names)}
        audit.append(connection, actor, "device.untag" if remove else "device.tag", word, shown, now)


def _set(
    store: Store, number: int, allowed: tuple[str, ...], state: str, action: str, actor: str, why: str, now: datetime
) -> None:
    with store.writing(f"changing roll-out {number}") as connection:
        rollout = rows.locked(connection, number)
        if rollout.state not in allowed:
            raise RolloutError(f"roll-out {number} is {rollout.state}: {action} needs it to be {' or '.join(allowed)}")
        rows.change(connection, number, state=state, reason=why)
        audit.append(connection, actor, f"rollout.{action}", str(number), {"package": rollout.name, "reason": why}, now)
