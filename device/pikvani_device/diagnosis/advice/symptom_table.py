"""How likely a farmer's words are under each condition: the table of symptoms as numbers for fusion. Pure.

The numbers are estimates read from the words of sources, not counts of plants. Those of a weak source are drawn towards
what is said of any plant, so that they move an answer less.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pikvani_contract.advice.rows import SymptomRow

UNNAMED = 0.08
"""Likelihood of a word the table does not have under a condition: farmers say it of that too, now and then."""


class SymptomTable:
    """Looks up likelihoods.

    Args:
        rows: of an advice package; `(pair, term)` stands in them once.
    """

    def __init__(self, rows: Sequence[SymptomRow]) -> None:
        self._rows: dict[str, dict[str, SymptomRow]] = {}
        for row in rows:
            self._rows.setdefault(row.pair, {})[row.term] = row

    @property
    def pairs(self) -> tuple[str, ...]:
        """Conditions it knows, in alphabetical order."""
        return tuple(sorted(self._rows))

    def terms(self, pair: str) -> dict[str, SymptomRow]:
        """What a condition shows, by id of the farmers' word, likeliest first; with source and review."""
        known = self._rows.get(pair, {})
        return dict(sorted(known.items(), key=lambda item: (-item[1].likelihood, item[0])))

    def likelihood(self, pair: str, term: str) -> float:
        """Share of plants with `pair` of which a farmer would say `term`, in (0, 1)."""
        row = self._rows.get(pair, {}).get(term)
        if row is None:
            return UNNAMED
        if row.confidence == "low":
            return float((row.likelihood * UNNAMED) ** 0.5)
        return row.likelihood

    def likelihoods(self, labels: Sequence[str], said: Collection[str]) -> dict[str, float] | None:
        """How likely what was said is under each label, relative to the likeliest (which is 1).

        Words of one plant are not independent; the geometric mean keeps ten of them from being proof. A label the table
        does not know, such as `none/background`, gets 1, which is no evidence against it.

        Args:
            labels: of the model package.
            said: ids of farmers' words; those that are in no row of any label say nothing.

        Returns:
            None where nothing that was said is known.
        """
        return self.likelihoods_of_any(labels, [{word} for word in sorted(set(said))])

    def likelihoods_of_any(self, labels: Sequence[str], groups: Sequence[Collection[str]]) -> dict[str, float] | None:
        """As `likelihoods`, of groups of words: a picture that was touched stands for any word of its group."""
        known = {term for label in labels for term in self._rows.get(label, {})}
        told = [sorted(set(group) & known) for group in groups]
        told = [group for group in told if group]
        if not told:
            return None
        found: dict[str, float] = {}
        for label in labels:
            if label in self._rows:
                product = 1.0
                for group in told:
                    product *= max(self.likelihood(label, word) for word in group)
                found[label] = product ** (1 / len(told))
        highest = max(found.values())
        return {label: found[label] / highest if label in found else 1.0 for label in labels}
