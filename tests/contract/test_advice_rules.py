"""The rules of advice: who may be told what, and what may stand in the tables at all."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.advice.rows import AdviceFileError, Row, Source, SymptomRow, read_table, write_table
from pikvani_contract.advice.rules import may_be_told, wrong_rows, wrong_symptoms

SOURCE = Source(id="register", org="Authority", title="Register", url="https://example.org/register", date="2026-03-31")
UNDATED = msgspec.structs.replace(SOURCE, id="leaflet", date="")
ROW = Row(
    id="tomato.blight.01",
    pair="tomato/blight",
    stage="today",
    kind="cultural",
    audience="farmer",
    en="Look again in {7-10} days.",
    hi="{7-10} दिन बाद फिर देखें.",
    mr="{7-10} दिवसांनी पुन्हा पाहा.",
    source="register",
    evidence="0123456789ab",
    confidence="high",
)
PRODUCT = msgspec.structs.replace(
    ROW,
    kind="chemical",
    audience="technician",
    active_ingredient="Zineb",
    formulation="75% WP",
    dose="1.5-2 kg/ha in 750-1000 L water",
    waiting_days=7,
    valid_until=date(2027, 3, 31),
)
REVIEW = {"reviewer": "A. Agronomist", "reviewed_on": date(2026, 12, 1), "reviewed_languages": "mr en"}
TODAY = date(2026, 12, 24)

languages = st.sampled_from(["mr", "hi", "en"])
dates = st.dates(date(2020, 1, 1), date(2040, 1, 1))
rows = st.builds(
    msgspec.structs.replace,
    st.sampled_from([ROW, PRODUCT]),
    pair=st.sampled_from(["tomato/blight", "tomato/healthy"]),
    kind=st.sampled_from(["cultural", "biological", "chemical", "warning", "referral"]),
    audience=st.sampled_from(["farmer", "technician"]),
    confidence=st.sampled_from(["high", "medium", "low"]),
    valid_until=st.none() | dates,
    withdrawn=st.none() | dates,
    region=st.sampled_from(["", "vidarbha"]),
    reviewed_on=st.none() | dates,
    reviewed_languages=st.sampled_from(["", "mr", "mr hi en"]),
)
asked = {
    "language": languages,
    "today": dates,
    "region": st.sampled_from([None, "vidarbha", "konkan"]),
    "audience": st.sampled_from(["farmer", "technician"]),
}


def changed(row: Row, **cells: object) -> Row:
    return msgspec.structs.replace(row, **cells)


@given(row=rows, **asked)
def test_given_any_row_then_what_is_withdrawn_expired_or_of_elsewhere_is_told_to_nobody(
    row, language, today, region, audience
):
    if may_be_told(row, language, today, region, audience):
        assert row.withdrawn is None
        assert row.valid_until is None or today <= row.valid_until
        assert row.region in ("", region)


@given(row=rows, **asked)
def test_given_any_row_then_a_farmer_hears_of_a_product_only_in_words_an_agronomist_read(
    row, language, today, region, audience
):
    product = row.kind == "chemical" or row.active_ingredient or row.dose or row.waiting_days is not None
    if may_be_told(row, language, today, region, "farmer"):
        assert row.audience == "farmer" and row.confidence != "low"
        if product:
            assert row.reviewed_on is not None and language in row.reviewed_languages.split()


@given(row=rows, **asked)
def test_given_a_healthy_plant_then_nobody_is_told_a_product(row, language, today, region, audience):
    row = changed(row, pair="tomato/healthy")
    if may_be_told(row, language, today, region, audience):
        assert row.kind != "chemical" and not row.active_ingredient and not row.dose


def test_given_a_banned_name_anywhere_in_a_row_then_nobody_is_told_it_even_reviewed():
    for cells in ({"active_ingredient": "Streptomycin 9%"}, {"en": "Never use Phorate."}, {"mr": "मोनोक्रोटोफॉस नको."}):
        row = changed(PRODUCT, audience="farmer", **REVIEW, **cells)
        assert not may_be_told(row, "mr", TODAY, None, "technician")
        assert any("may not be named" in why for why in wrong_rows([row], [SOURCE]))


def test_given_a_reviewed_product_meant_for_farmers_then_only_those_hear_it_in_whose_words_it_was_read():
    row = changed(PRODUCT, audience="farmer", **REVIEW)
    assert wrong_rows([row], [SOURCE]) == []
    assert may_be_told(row, "mr", TODAY, None, "farmer")
    assert not may_be_told(row, "hi", TODAY, None, "farmer")


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"hi": "{7} दिन बाद फिर देखें."}, "different numbers"),
        ({"en": "Look again in 7 days.", "hi": "फिर देखें.", "mr": "पुन्हा पाहा."}, "in braces"),
        ({"mr": "{7-10} days नंतर."}, "Latin letters"),
        ({"mr": "{7-10} दिवसांनी पुन्हा पाहा"}, "must end"),
        ({"en": "{7-10} " + "and " * 30 + "so."}, "one keeps in mind"),
        ({"source": "hearsay"}, "not listed"),
        ({"dose": "2 g"}, "a product or dose in a row of kind cultural"),
        ({"reviewer": "A. Agronomist"}, "a review has"),
    ],
)
def test_given_a_sentence_that_breaks_a_rule_then_it_is_named_with_its_row(cells, why):
    found = wrong_rows([changed(ROW, **cells)], [SOURCE])
    assert any(line.startswith("tomato.blight.01: ") and why in line for line in found), found


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ({"active_ingredient": ""}, "without an active ingredient"),
        ({"valid_until": None}, "last day"),
        ({"audience": "farmer"}, "for technicians until a review"),
        ({"audience": "farmer", "confidence": "low", **REVIEW}, "while its confidence is low"),
        ({"pair": "tomato/healthy"}, "a healthy plant gets no product"),
        ({"source": "leaflet"}, "a source with a date"),
    ],
)
def test_given_a_product_that_breaks_a_rule_then_it_is_named_with_its_row(cells, why):
    found = wrong_rows([changed(PRODUCT, **cells)], [SOURCE, UNDATED])
    assert any(why in line for line in found), found


def test_given_rows_that_keep_the_rules_then_nothing_is_wrong_and_an_id_twice_is():
    assert wrong_rows([ROW, changed(PRODUCT, id="tomato.blight.02")], [SOURCE]) == []
    assert "2 rows" in wrong_rows([ROW, ROW], [SOURCE])[0]


def test_given_a_symptom_twice_or_without_its_source_then_it_is_named():
    symptom = SymptomRow(
        pair="a/b", term="sym_spot", likelihood=0.5, source="register", evidence="0" * 12, confidence="high"
    )
    assert wrong_symptoms([symptom], [SOURCE]) == []
    assert len(wrong_symptoms([symptom, symptom], [SOURCE])) == 1
    assert "not listed" in wrong_symptoms([symptom], [])[0]


words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=60
).filter(lambda text: text == text.strip())


@given(row=rows, en=words, mr=words, hi=words, reviewer=words)
def test_given_any_rows_then_the_table_reads_back_as_it_was_written(row, en, mr, hi, reviewer):
    row = changed(row, en=en, mr=mr, hi=hi, reviewer=reviewer)
    assert read_table(write_table([row, ROW], Row), Row, "advice.csv") == [row, ROW]


@given(data=st.binary(max_size=400) | st.text(max_size=400).map(lambda t: write_table([ROW], Row) + t.encode()))
def test_given_any_bytes_then_they_are_a_table_or_refused_in_one_line(data):
    try:
        read_table(data, Row, "advice.csv")
    except AdviceFileError as error:
        assert str(error).startswith("advice.csv")


def test_given_a_wrong_cell_then_file_and_line_are_named():
    table = write_table([ROW, ROW], Row).replace(b",today,", b",someday,", 2).replace(b",someday,", b",today,", 1)
    with pytest.raises(AdviceFileError, match=r"advice\.csv line 3: .*stage.*mend the cell"):
        read_table(table, Row, "advice.csv")
