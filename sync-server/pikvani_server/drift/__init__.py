"""Tells drift from chance: detectors, statistics, fleet merges, verdicts. No database, no network, no device code."""
