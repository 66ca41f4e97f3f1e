"""The advice package that ships: built from the tables beside it, and every row traceable to the evidence."""

from __future__ import annotations

import csv
import os
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from pikvani_contract.advice.package import FILES, load_advice_package
from pikvani_contract.advice.rows import digest_of
from pikvani_contract.model.manifest import MANIFEST_FILE
from pikvani_models.cli import main

ROOT = Path(__file__).resolve().parents[2]
TABLES, SHIPPED = ROOT / "models" / "advice", ROOT / "models" / "packages" / "advice"
EVIDENCE = Path(os.environ.get("PIKVANI_EVIDENCE", ROOT.parent / "shared" / "agronomy" / "advice_evidence.csv"))
LABELS = str(ROOT / "models" / "packages" / "leaf" / "manifest.json")


def build(tables: Path, out: Path, version: str = "1.0.0", on: str = "2026-11-24"):
    arguments = ["--tables", tables, "--out", out, "--version", version, "--date", on, "--labels", LABELS]
    return CliRunner().invoke(main, ["build-advice", *map(str, arguments)])


def test_given_the_tables_then_the_shipped_package_is_what_they_build(tmp_path):
    shipped = load_advice_package(SHIPPED).manifest
    result = build(TABLES, tmp_path, shipped.version, shipped.created_on.isoformat())
    assert result.exit_code == 0, result.output
    for name in (*FILES, MANIFEST_FILE):
        assert (tmp_path / name).read_bytes() == (SHIPPED / name).read_bytes(), f"{name}: run build-advice again"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("tomato/late_blight,", "tomato/newly_seen,", "has no sentence"),
        (",technician,", ",farmer,", "for technicians until a review"),
        ("Cymoxanil", "Streptomycin", "may not be named"),
        ("1500 g/ha", "1500 g/ha\x00", "control characters"),
    ],
)
def test_given_a_table_that_breaks_a_rule_then_nothing_is_built_and_one_line_says_why(tmp_path, old, new, why):
    tables, out = tmp_path / "tables", tmp_path / "out"
    tables.mkdir()
    for name in FILES:
        text = (TABLES / name).read_text()
        (tables / name).write_text(text.replace(old, new) if name == "advice.csv" else text)
    result = build(tables, out)
    assert result.exit_code == 1 and not out.exists()
    assert len(result.output.strip().splitlines()) == 1 and why in result.output


def test_given_a_folder_without_tables_then_one_line_says_what_to_name(tmp_path):
    result = build(tmp_path / "nowhere", tmp_path / "out")
    assert result.exit_code == 1 and "name the folder of the tables" in result.output


@pytest.fixture(scope="module")
def facts() -> dict[str, dict[str, str]]:
    if not EVIDENCE.is_file():
        pytest.skip("the evidence is not on this machine: name its file in PIKVANI_EVIDENCE")
    with EVIDENCE.open(newline="") as stream:
        read = list(csv.DictReader(stream))
    return {digest_of(f["pair"], f["field"], f["fact_en"], f["active_ingredient"], f["dose"]): f for f in read}


def test_given_the_evidence_then_every_sentence_names_facts_of_its_own_condition_and_their_source(facts):
    package = load_advice_package(SHIPPED)
    weak = ("high", "medium", "low")
    for row in package.rows:
        cited = [facts[digest] for digest in row.evidence.split()]
        source = package.sources[row.source]
        assert {fact["pair"] for fact in cited} == {row.pair}, row.id
        assert source.org == cited[0]["source_org"] and source.date == cited[0]["source_date"], row.id
        assert source.url in ("", cited[0]["source_url"]), row.id
        assert row.confidence == max((fact["confidence"] for fact in cited), key=weak.index), row.id
        assert not any("streptomycin" in fact["fact_en"].lower() for fact in cited), row.id


def test_given_the_evidence_then_products_doses_and_waiting_periods_are_its_own_letter_by_letter(facts):
    package = load_advice_package(SHIPPED)
    products = [row for row in package.rows if row.active_ingredient]
    assert len(products) > 70
    for row in products:
        (fact,) = (facts[digest] for digest in row.evidence.split())
        days = "" if row.waiting_days is None else str(row.waiting_days)
        told = (row.active_ingredient, row.formulation, row.dose, days)
        assert told == tuple(fact[k] for k in ("active_ingredient", "formulation", "dose", "waiting_period_days"))
        assert row.audience == "technician" or row.reviewed_on is not None


def test_given_the_evidence_then_every_symptom_was_read_from_a_fact_of_its_condition(facts):
    for row in load_advice_package(SHIPPED).symptoms:
        for digest in row.evidence.split():
            assert facts[digest]["pair"] == row.pair
            assert facts[digest]["field"] in ("symptom", "lookalike", "cause", "spread")
            assert facts[digest]["confidence"] == row.confidence


def test_given_the_evidence_then_every_condition_it_knows_has_advice(facts):
    package = load_advice_package(SHIPPED)
    assert {fact["pair"] for fact in facts.values()} == {row.pair for row in package.rows}
    assert package.manifest.created_on >= date(2026, 11, 24)
