"""Is a new model as good as the old one, in this village? Rules over counts of cases; reads nothing.

A model is kept unless the evidence against it is strong: each question is an exact test at `ALPHA`, so that a healthy
model goes back in fewer than one of a thousand watches for each question asked.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

ALPHA = 0.001
MAX_ERROR_RATE = 0.02
"""Share of cases in which the runtime may fail and the model still be called sound."""
WORSE_REFUSALS = 0.10
"""Refusals may rise by this share before it matters, however sure the rise."""
SLOWER = 1.6
COLLAPSED = 0.9
"""A label on this share of all cases, that was on less than half of it before, is a collapse."""
MIN_CASES = 12
"""Fewer cases prove nothing."""


@dataclass(frozen=True)
class Seen:
    """One case under a model: its decision, its label, its latency."""

    decision: str
    label: str
    latency_ms: float


@dataclass(frozen=True)
class Evidence:
    """What was seen of a model here.

    Attributes:
        cases: oldest first.
        errors: cases in which the runtime failed.
    """

    cases: Sequence[Seen]
    errors: int = 0


@dataclass(frozen=True)
class Health:
    """What the centre is told of it: cases, failures of the runtime, cases not answered, median latency."""

    cases: int = 0
    errors: int = 0
    unanswered: int = 0
    latency_ms: int = 0


def health(evidence: Evidence) -> Health:
    """The evidence in four numbers."""
    cases = evidence.cases
    latency = round(statistics.median(c.latency_ms for c in cases)) if cases else 0
    return Health(len(cases), evidence.errors, sum(c.decision != "answer" for c in cases), latency)


def against(new: Evidence, old: Evidence) -> str:
    """Why the new model must go, or nothing."""
    asked = len(new.cases) + new.errors
    if new.errors and _at_least(new.errors, asked, MAX_ERROR_RATE) < ALPHA:
        return f"the runtime failed in {new.errors} of {asked} cases"
    if len(new.cases) < MIN_CASES:
        return ""
    return _refusals(new, old) or _collapse(new, old)


def _refusals(new: Evidence, old: Evidence) -> str:
    mine, before = (sum(c.decision != "answer" for c in e.cases) for e in (new, old))
    n, m = len(new.cases), len(old.cases)
    if m < MIN_CASES or mine / n <= before / m + WORSE_REFUSALS:
        return ""
    if _fisher(mine, n, before, m) < ALPHA:
        return f"{mine} of {n} cases were not answered, before {before} of {m}"
    return ""


def slower(new: Evidence, old: Evidence) -> str:
    """Whether cases take longer under the new model, or nothing. The machine may be to blame: what else ran on it?"""
    if min(len(new.cases), len(old.cases)) < MIN_CASES:
        return ""
    limit = SLOWER * statistics.median(c.latency_ms for c in old.cases)
    slow = sum(c.latency_ms > limit for c in new.cases)
    # A sign test: of an equally fast model fewer than half would be beyond 1.6 times the old median.
    if _at_least(slow, len(new.cases), 0.5) < ALPHA:
        return f"{slow} of {len(new.cases)} cases took longer than {limit:.0f} ms"
    return ""


def _collapse(new: Evidence, old: Evidence) -> str:
    label, count = Counter(c.label for c in new.cases).most_common(1)[0]
    share = count / len(new.cases)
    if share < COLLAPSED or len(old.cases) < MIN_CASES:
        return ""
    before = sum(c.label == label for c in old.cases)
    if before / len(old.cases) < share / 2 and _fisher(count, len(new.cases), before, len(old.cases)) < ALPHA:
        return f"{label} was named in {count} of {len(new.cases)} cases, before in {before} of {len(old.cases)}"
    return ""


def _at_least(k: int, n: int, p: float) -> float:
    """Probability of `k` or more of `n` at rate `p` (binomial)."""
    terms = (_log_choose(n, i) + i * math.log(p) + (n - i) * math.log1p(-p) for i in range(k, n + 1))
    return min(1.0, sum(map(math.exp, terms)))


def _fisher(k: int, n: int, j: int, m: int) -> float:
    """One-sided exact probability (Fisher) that `k` of `n` is as high as that where `j` of `m` comes from the same."""
    total = k + j
    norm = _log_choose(n + m, total)
    upto = min(total, n)
    return min(1.0, sum(math.exp(_log_choose(n, i) + _log_choose(m, total - i) - norm) for i in range(k, upto + 1)))


def _log_choose(n: int, k: int) -> float:
    if k < 0 or k > n:
        return -math.inf
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
