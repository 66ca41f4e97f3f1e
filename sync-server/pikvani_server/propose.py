"""Says when training anew pays, makes a candidate package, and waits for a person. Nothing is rolled out from here.

`worth` is the pure rule. A proposal goes `proposed` -> `building` -> `built` or `failed` -> `approved` or `declined`;
each step is written down before it is taken.
"""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from pikvani_contract.consent import Consent
from pikvani_server.errors import ServerError
from pikvani_server.fairness import Share, wilson
from pikvani_server.review import exporting, results
from pikvani_server.store import Store
from pikvani_server.store.schema_learning import drift_alarms, proposals

log = logging.getLogger(__name__)

LEAST_LABELS = 100
"""Fewer new labels teach a model nothing that an evaluation could see."""
LEAST_OF_A_CLASS = 25
FIXED_SHARE = 0.3
"""Share of the errors in well-labelled classes that training anew is reckoned to mend; cautious on purpose."""
LEAST_GAIN = 0.01
"""Accuracy that pays for a training, its evaluation and its megabytes to every device."""
_RENEW_S = 60.0
_LOG_CHARS = 4_000
_OPEN = ("proposed", "building", "built")


@dataclass(frozen=True)
class Evidence:
    """What is known of a model.

    Attributes:
        labels: cases a person named since the last proposal and may be trained on: true condition to count.
        errors: of these the ones the model named wrongly, by true condition.
        alarms: open drift alarms of the model (not warnings), by kind.
    """

    labels: Mapping[str, int]
    errors: Mapping[str, int]
    alarms: Mapping[str, int]


@dataclass(frozen=True)
class Worth:
    """Whether training pays, what it may gain in accuracy at least, and why, one line a reason."""

    pays: bool
    gain: float
    reasons: tuple[str, ...]


def worth(evidence: Evidence) -> Worth:
    """The rule: enough new labels, and a gain that pays; a changed meaning pays with enough labels alone."""
    total = sum(evidence.labels.values())
    if total < LEAST_LABELS:
        return Worth(False, 0.0, (f"{total} new labels may be trained on; {LEAST_LABELS} are needed",))
    wrong = sum(evidence.errors.values())
    low, _ = wilson(Share(wrong, total))
    learnable = sum(count for name, count in evidence.errors.items() if evidence.labels[name] >= LEAST_OF_A_CLASS)
    gain = low * FIXED_SHARE * (learnable / wrong if wrong else 0.0)
    reasons = [
        f"{total} new labels; the model named {wrong} of them wrongly, {learnable} in conditions with "
        f"{LEAST_OF_A_CLASS} labels or more",
        f"reckoned gain {gain:.3f} of accuracy on such cases (pays from {LEAST_GAIN})",
    ]
    concept = evidence.alarms.get("concept", 0)
    reasons += [f"{count} open alarms of {kind} drift" for kind, count in sorted(evidence.alarms.items())]
    return Worth(gain >= LEAST_GAIN or concept > 0, gain, tuple(reasons))


def evidence_of(store: Store, model: str) -> Evidence:
    """What the store knows of a model since its last proposal."""
    last = store.read(
        "reading proposals",
        sa.select(sa.func.max(proposals.c.proposed_at).label("at")).where(proposals.c.model == model),
    )[0]["at"]
    rows = [r for r in results.labelled(store, model, labelled_after=last) if r["consents"] & Consent.TRAINING]
    raised = sa.select(drift_alarms.c.kind, sa.func.count().label("count")).where(
        drift_alarms.c.open, drift_alarms.c.level == "alarm", drift_alarms.c.model == model
    )
    alarms = {row["kind"]: row["count"] for row in store.read("counting alarms", raised.group_by(drift_alarms.c.kind))}
    return Evidence(Counter(r["outcome"] for r in rows), Counter(r["outcome"] for r in rows if not r["right"]), alarms)


def propose(store: Store, model: str, now: datetime) -> tuple[Worth, int | None]:
    """Judge a model and, where training pays and nothing is under way, keep a proposal.

    Returns:
        The judgement, and the number of the new proposal.
    """
    judged = worth(evidence_of(store, model))
    if not judged.pays:
        return judged, None
    under_way = sa.select(proposals.c.id).where(proposals.c.model == model, proposals.c.state.in_(_OPEN))
    with store.writing("keeping a proposal") as connection:
        if connection.execute(under_way).first():
            return judged, None
        row = {"model": model, "state": "proposed", "reasons": json.dumps(judged.reasons), "proposed_at": now}
        made = connection.execute(sa.insert(proposals).values(row).returning(proposals.c.id)).scalar_one()
    return judged, int(made)


def build(
    store: Store,
    number: int,
    command: Sequence[str],
    folder: Path,
    now: datetime,
    go_on: Callable[[], bool] = lambda: True,
) -> bool:
    """Export the labels and run the pipeline into a candidate package.

    Args:
        store: where the proposal stands.
        number: of the proposal.
        command: the pipeline; `{labels}` and `{out}` in its words are replaced by folders.
        folder: where candidates are kept; this one gets a folder of its own below.
        now: UTC.
        go_on: asked every minute; False stops the pipeline.

    Returns:
        Whether a candidate package was made.

    Raises:
        ServerError: no such proposal to build, no pipeline configured, or the folder cannot be used.
    """
    if not command:
        raise ServerError("no pipeline is configured: set learning.pipeline to the command that makes a candidate")
    _move(store, number, ("proposed", "failed", "building"), {"state": "building"})
    place = folder / f"proposal-{number}-{now:%Y%m%dT%H%M%S}"
    labels, out = place / "labels", place / "candidate"
    try:
        exporting.export(store, labels, now)
        log_file = place / "pipeline.log"
        words = [word.replace("{labels}", str(labels)).replace("{out}", str(out)) for word in command]
        code = _run(words, log_file, go_on)
        said = log_file.read_text(errors="replace")[-_LOG_CHARS:]
    except (OSError, ServerError) as error:
        code, said = -1, str(error)
    made = code == 0 and (out / "manifest.json").is_file()
    if not made and code == 0:
        said += "\nthe pipeline ended well and left no manifest.json in {out}"
    change = {"state": "built" if made else "failed", "candidate": str(out) if made else "", "log": said}
    _move(store, number, ("building",), change | {"finished_at": now})
    return made


def _run(words: list[str], log_file: Path, go_on: Callable[[], bool]) -> int:
    with log_file.open("wb") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        asked_s = time.monotonic()
        try:
            while process.poll() is None:
                time.sleep(0.1)
                if time.monotonic() - asked_s > _RENEW_S:
                    asked_s = time.monotonic()
                    if not go_on():
                        out.write(b"\nstopped: another worker has this job\n")
                        break
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
    return process.returncode


def decide(store: Store, number: int, approve: bool, who: str, note: str, now: datetime) -> None:
    """Keep a person's decision. Approving takes a candidate that was built; signing and roll-out come after, elsewhere.

    Raises:
        ServerError: no such proposal, or it does not stand where it could be decided.
    """
    allowed = ("built",) if approve else ("proposed", "built", "failed")
    state = "approved" if approve else "declined"
    _move(store, number, allowed, {"state": state, "decided_by": who, "decided_at": now, "decision_note": note[:400]})


def listed(store: Store, limit: int = 50) -> list[dict[str, Any]]:
    """Proposals, the newest first; reasons as a list."""
    found = store.read("listing proposals", sa.select(proposals).order_by(proposals.c.id.desc()).limit(limit))
    return [row | {"reasons": json.loads(row["reasons"])} for row in found]


def _move(store: Store, number: int, allowed: tuple[str, ...], change: dict[str, Any]) -> None:
    step = sa.update(proposals).where(proposals.c.id == number, proposals.c.state.in_(allowed)).values(**change)
    with store.writing("moving a proposal") as connection:
        if connection.execute(step).rowcount:
            return
        state = connection.execute(sa.select(proposals.c.state).where(proposals.c.id == number)).scalar()
    if state is None:
        raise ServerError(f"there is no proposal {number}: `pikvani-server proposals` lists them")
    raise ServerError(f"proposal {number} is {state}; this can be done only while it is {' or '.join(allowed)}")
