"""What the device tells: exactly the rows of the shipped table that may be told, in the language asked for."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_contract.advice.package import AdvicePackage, load_advice_package
from pikvani_contract.advice.rows import STAGES, AdviceFileError
from pikvani_contract.model.manifest import parse_manifest
from pikvani_device.diagnosis.advice import AdviceTable, locale_words, referral
from pikvani_device.diagnosis.advice.symptom_table import UNNAMED, SymptomTable

PACKAGES = Path(__file__).resolve().parents[3] / "models" / "packages"
PACKAGE = load_advice_package(PACKAGES / "advice")
TABLE = AdviceTable(PACKAGE)
LABELS = parse_manifest((PACKAGES / "leaf" / "manifest.json").read_bytes()).labels
BY_ID = {row.id: row for row in PACKAGE.rows}
LOCALES = ("mr-IN", "hi-IN", "en-IN")
TODAY = date(2026, 12, 1)

pairs = st.sampled_from(TABLE.pairs)
locales = st.sampled_from(LOCALES)
dates = st.dates(date(2015, 1, 1), date(2045, 1, 1))
audiences = st.sampled_from(["farmer", "technician"])
PRODUCTS = sorted({row.active_ingredient for row in PACKAGE.rows if row.active_ingredient})


def with_rows(rows) -> AdviceTable:
    """A table of these rows, held to no rule at the gate: what is told must not depend on who packed it."""
    return AdviceTable(AdvicePackage(PACKAGE.folder, PACKAGE.manifest, tuple(rows), PACKAGE.sources, PACKAGE.symptoms))


@given(pair=pairs, locale=locales, today=dates, audience=audiences)
def test_given_any_question_then_every_sentence_stands_in_a_row_with_a_source(pair, locale, today, audience):
    advice = TABLE.advice(pair, locale, today, audience=audience)
    for sentence in advice.sentences:
        row = BY_ID[sentence.id]
        source = PACKAGE.sources[row.source]
        assert row.pair == pair and row.evidence
        assert sentence.text.startswith(locale_words.sentence(row.words(locale[:2]), locale[:2]))
        assert sentence.source == f"{source.org}: {source.title}" and sentence.page
        assert sentence.reviewed == row.is_reviewed(locale[:2])
    assert [s.stage for s in advice.sentences] == sorted((s.stage for s in advice.sentences), key=STAGES.index)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("today", [date(2000, 1, 1), TODAY, date(2027, 3, 31), date(2027, 4, 1), date(2044, 1, 1)])
def test_given_every_condition_of_the_shipped_table_then_no_farmer_hears_product_dose_or_waiting_period(locale, today):
    for pair in TABLE.pairs:
        for sentence in TABLE.advice(pair, locale, today).sentences:
            row = BY_ID[sentence.id]
            assert sentence.kind != "chemical" and row.audience == "farmer" and row.confidence != "low"
            assert not (row.active_ingredient or row.dose or row.waiting_days)
            for product in PRODUCTS:
                assert product.lower() not in sentence.text.lower()


@settings(deadline=None)
@given(
    row=st.sampled_from([row for row in PACKAGE.rows if row.active_ingredient]),
    locale=locales,
    today=dates,
    languages=st.sampled_from(["", "mr", "hi en", "mr hi en"]),
    reviewed=st.booleans(),
    confidence=st.sampled_from(["high", "low"]),
)
def test_given_a_product_handed_to_farmers_by_mistake_then_they_hear_it_only_if_it_was_read_in_their_words(
    row, locale, today, languages, reviewed, confidence
):
    row = msgspec.structs.replace(
        row,
        audience="farmer",
        confidence=confidence,
        reviewed_on=date(2026, 1, 1) if reviewed else None,
        reviewed_languages=languages,
    )
    told = with_rows([row]).advice(row.pair, locale, today).sentences
    read = reviewed and locale[:2] in languages.split() and confidence != "low"
    assert bool(told) == (
        read and max(today, PACKAGE.manifest.created_on) <= row.valid_until if row.valid_until else read
    )


@given(pair=pairs, locale=locales, today=dates, audience=audiences, data=st.data())
def test_given_rows_that_are_withdrawn_then_they_vanish_whatever_the_clock_says(pair, locale, today, audience, data):
    told = TABLE.advice(pair, locale, today, audience=audience).sentences
    if not told:
        return
    gone = data.draw(st.sets(st.sampled_from([sentence.id for sentence in told]), min_size=1))
    rows = [msgspec.structs.replace(row, withdrawn=data.draw(dates)) if row.id in gone else row for row in PACKAGE.rows]
    left = with_rows(rows).advice(pair, locale, today, audience=audience).sentences
    assert [s.id for s in left] == [s.id for s in told if s.id not in gone]


@given(pair=pairs, locale=locales, today=dates, days=st.integers(1, 4_000))
def test_given_time_passes_then_sentences_only_vanish(pair, locale, today, days):
    now = {s.id for s in TABLE.advice(pair, locale, today, audience="technician").sentences}
    later = {s.id for s in TABLE.advice(pair, locale, today + timedelta(days), audience="technician").sentences}
    assert later <= now


def test_given_a_clock_set_back_then_what_had_expired_when_the_package_was_built_stays_expired():
    row = msgspec.structs.replace(PACKAGE.rows[0], valid_until=PACKAGE.manifest.created_on - timedelta(1))
    assert with_rows([row]).advice(row.pair, "mr-IN", date(2001, 1, 1), audience="technician").sentences == ()


@pytest.mark.parametrize("locale", LOCALES)
def test_given_a_healthy_leaf_then_nobody_is_told_a_product(locale):
    healthy = [pair for pair in TABLE.pairs if pair.endswith("/healthy")]
    assert len(healthy) == sum(label.endswith("/healthy") for label in LABELS)
    for pair in healthy:
        for audience in ("farmer", "technician"):
            told = TABLE.advice(pair, locale, TODAY, audience=audience).sentences
            assert told and not {s.kind for s in told} & {"chemical", "biological", "referral"}


def test_given_every_condition_the_leaf_model_names_then_farmers_hear_at_least_two_sentences_of_it():
    for label in LABELS:
        if label != "none/background":
            counts = {len(TABLE.advice(label, locale, TODAY).sentences) for locale in LOCALES}
            assert len(counts) == 1 and counts.pop() >= 2, label


def test_given_products_an_agronomist_has_not_read_then_farmers_hear_to_ask_their_kvk_which():
    with_products = {row.pair for row in PACKAGE.rows if row.kind == "chemical" and row.confidence != "low"}
    for pair in with_products - {"chilli/leaf_curl_mites_thrips"}:
        kinds = {s.kind for s in TABLE.advice(pair, "mr-IN", TODAY).sentences}
        assert "referral" in kinds, pair


def test_given_a_condition_the_table_does_not_know_then_nothing_is_said_but_whom_to_ask():
    advice = TABLE.advice("wheat/rust", "mr-IN", TODAY)
    assert advice.sentences == () and not advice.reviewed
    assert "1800-180-1551" in referral("answer", "mr-IN")


def test_given_a_technician_then_product_dose_and_waiting_period_come_in_the_language_of_the_page():
    told = {
        locale: next(
            s.text
            for s in TABLE.advice("tomato/late_blight", locale, TODAY, audience="technician").sentences
            if "Cymoxanil" in s.text
        )
        for locale in LOCALES
    }
    assert "Cymoxanil 8% + Mancozeb 64% WP: 1500 g/ha in 500-750 L water." in told["en-IN"]
    assert "Wait 10 days between" in told["en-IN"]
    assert "१५०० ग्रॅम प्रति हेक्टर ५००-७५० लिटर पाण्यात." in told["mr-IN"] and "१० दिवस" in told["mr-IN"]
    assert "१५०० ग्राम प्रति हेक्टेयर ५००-७५० लीटर पानी में." in told["hi-IN"] and "१० दिन" in told["hi-IN"]


@pytest.mark.parametrize("language", ["mr", "hi"])
def test_given_every_dose_of_the_table_then_no_english_unit_or_digit_is_left_in_it(language):
    for row in PACKAGE.rows:
        if row.dose:
            text = locale_words.dose(row.dose, language)
            assert not re.search(r"[0-9]", text)
            assert not re.search(r"[A-Za-z]", re.sub(r"[TB]\. [a-z]+", "", text)), text


@pytest.mark.parametrize("language", ["mr", "hi"])
def test_given_every_sentence_of_the_table_then_its_numbers_are_in_devanagari(language):
    for row in PACKAGE.rows:
        assert not re.search(r"[0-9{}A-Za-z]", locale_words.sentence(row.words(language), language)), row.id


@given(value=st.integers(0, 10**7))
def test_given_any_number_then_both_scripts_group_it_as_india_does(value):
    english = locale_words.number(str(value), "en")
    assert int(english.replace(",", "")) == value
    assert [len(group) for group in english.split(",")[1:]] == [2] * (english.count(",") - 1) + [3] * (value > 999)
    assert int(locale_words.number(str(value), "mr").replace(",", "")) == value


@pytest.mark.parametrize(
    ("text", "mr", "hi", "en"),
    [
        ("2026-03-31", "३१ मार्च, २०२६", "३१ मार्च २०२६", "31 March 2026"),
        ("2013-12", "डिसेंबर २०१३", "दिसंबर २०१३", "December 2013"),
        ("2017", "२०१७", "२०१७", "2017"),
        ("", "", "", ""),
    ],
)
def test_given_a_date_as_far_as_it_is_known_then_it_is_written_the_way_of_the_language(text, mr, hi, en):
    assert [locale_words.day(text, language) for language in ("mr", "hi", "en")] == [mr, hi, en]


def test_given_a_package_with_one_byte_changed_then_it_is_refused(tmp_path):
    for path in PACKAGE.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    changed = (tmp_path / "advice.csv").read_bytes().replace(b"1500 g/ha", b"9500 g/ha", 1)
    (tmp_path / "advice.csv").write_bytes(changed)
    with pytest.raises(AdviceFileError, match=r"differs from manifest\.json: fetch the package again"):
        AdviceTable.load(tmp_path)
    with pytest.raises(AdviceFileError, match="cannot be read"):
        AdviceTable.load(tmp_path / "nowhere")


class TestSymptoms:
    table = SymptomTable(PACKAGE.symptoms)

    def test_given_every_condition_of_the_leaf_model_then_the_table_knows_what_it_shows(self):
        assert {label for label in LABELS if label != "none/background"} <= set(self.table.pairs)

    @given(data=st.data())
    def test_given_anything_a_farmer_says_then_no_condition_becomes_impossible(self, data):
        said = data.draw(st.sets(st.sampled_from(sorted({row.term for row in PACKAGE.symptoms} | {"sym_unheard"}))))
        found = self.table.likelihoods(LABELS, said)
        if not said - {"sym_unheard"}:
            assert found is None
            return
        assert set(found) == set(LABELS)
        assert all(0.01 < value <= 1 for value in found.values()) and found["none/background"] == 1

    def test_given_what_sources_call_the_key_sign_then_that_condition_is_likeliest_in_its_crop(self):
        for said, pair in {
            ("sym_red_inside", "sym_smell"): "sugarcane/red_rot",
            ("sym_powder", "part_leaf_under"): "chilli/powdery_mildew",
            ("sym_mites", "sym_web"): "tomato/spider_mites",
            ("sym_rust_powder",): "maize/common_rust",
            ("sym_mosaic", "col_yellow"): "blackgram/yellow_mosaic",
            ("sym_thick_vein", "sym_curl"): "cotton/leaf_curl_virus",
        }.items():
            crop = [label for label in LABELS if label.split("/")[0] == pair.split("/")[0]]
            found = self.table.likelihoods(crop, said)
            assert max(found, key=found.get) == pair

    def test_given_a_weak_source_then_its_numbers_move_less(self):
        weak = next(row for row in PACKAGE.symptoms if row.confidence == "low" and row.likelihood > 0.5)
        assert UNNAMED < self.table.likelihood(weak.pair, weak.term) < weak.likelihood
