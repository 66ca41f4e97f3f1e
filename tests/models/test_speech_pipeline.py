"""Speech for training: what is done to a clip keeps the word, IPA becomes our units, scores count what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pikvani_contract.speech.phones import UNITS, pronunciations

pytest.importorskip("scipy")
hardship = pytest.importorskip("pikvani_models.speech.hardship")

from pikvani_models.speech.ipa import kokoro_symbols, units_of, with_marathi_ts  # noqa: E402
from pikvani_models.speech.judging import rejected_at, slots_right  # noqa: E402

RATE = 16_000


def word(seconds: float = 0.6, lead_s: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(1)
    body = rng.standard_normal(int(seconds * RATE)) * np.hanning(int(seconds * RATE)) ** 0.3
    quiet = np.zeros(int(lead_s * RATE))
    return np.concatenate([quiet, body, quiet]).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(10, 30))
def test_given_any_bad_day_then_a_clip_has_the_length_asked_for_and_holds_sound(seed: int, tenths: int) -> None:
    rng = np.random.default_rng(seed)
    backgrounds = [hardship.noise(16_000, [word()], rng)]
    made = hardship.harden(word(), backgrounds, tenths * 1_600, rng)
    assert made.shape == (tenths * 1_600,) and made.dtype == np.float32
    assert np.isfinite(made).all() and float(np.abs(made).max()) > 0.01


def test_given_a_word_between_silences_then_it_is_found() -> None:
    first, last = hardship.spoken(word(0.6, 0.2))
    assert abs(first - 0.2 * RATE) < 400 and abs(last - 0.8 * RATE) < 400


@pytest.mark.parametrize("seed", range(20))
def test_given_a_clip_in_which_nobody_speaks_then_a_bad_day_is_all_that_is_left(seed: int) -> None:
    rng = np.random.default_rng(seed)
    nothing = np.zeros(16_000, np.float32)
    assert hardship.spoken(nothing) == (0, 16_000)
    made = hardship.harden(nothing, [hardship.noise(16_000, [word()], rng)], 24_000, rng)
    assert np.isfinite(made).all() and float(np.abs(made).max()) > 0


@pytest.mark.parametrize("seed", range(20))
def test_given_a_tight_cut_then_nothing_but_a_faint_hiss_is_left_beyond_a_tenth_of_a_second(seed: int) -> None:
    noisy = word(0.6, 0.5) + np.random.default_rng(seed).standard_normal(int(1.6 * RATE)).astype(np.float32) * 0.1
    cut = hardship.cut_tight(noisy, int(0.5 * RATE), int(1.1 * RATE), np.random.default_rng(seed))
    middle = float(np.sqrt(np.mean(cut[int(0.6 * RATE) : int(RATE)] ** 2)))
    for part in (cut[: int(0.39 * RATE)], cut[int(1.21 * RATE) :]):
        assert 0 < float(np.sqrt(np.mean(part**2))) < 0.02 * middle


def test_given_a_held_level_then_loud_and_soft_come_closer_and_silence_stays_silent() -> None:
    soft, loud = np.split(np.random.default_rng(0).standard_normal(32_000).astype(np.float32), 2)
    clip = np.concatenate([soft * 0.1, loud])
    held = hardship.held_level(clip, 0.5)
    gap = [float(np.std(x[18_000:30_000]) / np.std(x[2_000:14_000])) for x in (clip, held)]
    assert gap[1] < 0.6 * gap[0]


def test_given_holes_then_only_what_is_faint_beside_the_loudest_is_gone() -> None:
    t = np.arange(RATE) / RATE
    strong, faint = np.sin(2 * np.pi * 500 * t), 0.003 * np.sin(2 * np.pi * 3_000 * t)
    left = hardship.with_holes((strong + faint).astype(np.float32), 30.0)
    spectrum = np.abs(np.fft.rfft(left[1_000:-1_000] * np.hanning(RATE - 2_000)))
    hz = np.fft.rfftfreq(RATE - 2_000, 1 / RATE)
    assert spectrum[np.abs(hz - 3_000) < 20].max() < spectrum[np.abs(hz - 500) < 20].max() * 3e-4
    whole = hardship.with_holes((strong + faint).astype(np.float32), 200.0)
    assert np.allclose(whole[600:-600], (strong + faint)[600:-600], atol=1e-5)


@pytest.mark.parametrize(
    ("ipa", "units"),
    [
        ("kʌpˈaːs", "k a p aa s"),
        ("ɡˈəɾ", "g a r"),
        ("pˈeːɾ", "p e r"),
        ("ˈaːʈʰ", "aa tth"),
        ("pˈətːaː", "p a t aa"),
        ("tʃˈaːr", "c aa r"),
    ],
)
def test_given_what_espeak_writes_then_it_is_our_units(ipa: str, units: str) -> None:
    assert units_of(ipa) == tuple(units.split())
    assert set(units.split()) <= set(UNITS)


def test_given_a_sound_that_is_not_ours_then_the_line_is_left_out() -> None:
    assert units_of("ʘa") is None and units_of("") is None


def test_given_marathi_then_its_first_sound_before_a_back_vowel_is_ts() -> None:
    assert with_marathi_ts("cˈaːɾ").startswith("ts") and with_marathi_ts("ciː") == "ciː"
    assert ("ts", "aa", "r") in pronunciations("चार", "mr")
    assert kokoro_symbols("tʃaɭ") == "ʧaɽ"


def test_given_answers_then_slots_count_where_the_id_is_one_of_those_the_words_mean() -> None:
    expected = {
        "1.wav": {"slots": {"crop": ["crop_rice", "crop_maize"], "part": ["part_leaf"]}},
        "2.wav": {"slots": {"crop": ["crop_cotton"]}},
    }
    heard = [{"clip": "/x/1.wav", "slots": {"crop": "crop_maize"}}, {"clip": "2.wav", "slots": {"crop": "crop_cotton"}}]
    found = slots_right(expected, map(json.dumps, heard))
    assert found["slots_right"] == pytest.approx(2 / 3, abs=1e-4) and found["clips_right"] == 0.5


def test_given_confidences_then_the_threshold_lets_our_share_in_and_turns_the_rest_away() -> None:
    own = [json.dumps({"confidence": c / 100, "decision": "accept"}) for c in range(1, 101)]
    others = [json.dumps({"confidence": c, "decision": "reject"}) for c in (0.01, 0.02, 0.9, 0.03)]
    found = rejected_at(own, others, 0.95)
    assert found["rejected"] == 0.75 and found["rejected_as_shipped"] == 1.0


def test_given_festival_without_its_voice_then_the_packages_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pikvani_models.speech.voices import festival

    program = tmp_path / "festival"
    program.write_text("#!/bin/sh\nprintf 'SIOD ERROR: could not open file \\340 hindi_phones.scm' >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeError, match="festival-hi festvox-hi-nsk"):
        festival(["कपास"], "hi", 1.0)
