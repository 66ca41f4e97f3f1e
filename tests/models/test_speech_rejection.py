"""Judges are fitted on what the device heard, and words of no training text are told from others."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.contract.test_speech_package import write

from pikvani_contract.speech.package import EVIDENCE, Judge, load_speech_package
from pikvani_contract.speech.phones import Language, phrase_pronunciations
from pikvani_device.voice.vocabulary import phrases_of_lines
from pikvani_models.cli import main
from pikvani_models.speech.unseen import seen, unseen_words, words_right

ROOT = Path(__file__).parents[2]
VOCABULARY = ROOT / "device" / "pikvani_device" / "voice" / "vocabulary.csv"


def heard_and_said(folder: Path, seed: int = 1, count: int = 60) -> tuple[Path, Path]:
    """As many notes of ours, near 0 a unit heard, as others, far below."""
    rng, lines, said = np.random.default_rng(seed), [], []
    for k in range(count):
        own = k % 2 == 0
        figures = {name: float(rng.normal()) for name in EVIDENCE} | {"a_heard": float(rng.normal(-0.5 if own else -4))}
        clip = f"{'own' if own else 'others'}/{k:04d}-phrase.flac"
        lines.append(json.dumps({"clip": f"/x/{clip}", "figures": figures}))
        said.append(json.dumps({"clip": clip, "text": "कपास" if k % 4 == 0 else "पान", "kind": "phrase"}))
    folder.mkdir(exist_ok=True)
    (folder / "heard.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "said.jsonl").write_text("\n".join(said) + "\n")
    return folder / "heard.jsonl", folder / "said.jsonl"


def run(*arguments: object) -> dict[str, float]:
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.output)  # type: ignore[no-any-return]


def test_given_notes_that_were_heard_then_a_judge_is_fitted_and_written_and_can_be_scored(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    package = write(tmp_path)
    heard, said = heard_and_said(tmp_path / "fit")
    found = run(
        *("fit-judge", "--kind", "sentence", "--heard", heard, said, "--package", package),
        *("--version", "1.1.0", "--out", tmp_path / "new"),
    )
    assert found["own"] == found["others"] == 30
    assert found["own_accepted"] >= 0.93 and found["others_rejected"] > 0.9
    manifest = load_speech_package(tmp_path / "new").manifest
    assert manifest.version == "1.1.0" and manifest.rejection.phrase is None
    assert manifest.rejection.sentence is not None and manifest.rejection.sentence.weights["a_heard"] > 0
    again = heard_and_said(tmp_path / "judge", seed=2)
    scored = run("score-judge", "--kind", "sentence", "--heard", *again, "--package", tmp_path / "new")
    assert scored["others_rejected"] > 0.8


def test_given_a_list_then_a_phrase_of_ours_that_is_not_on_it_counts_as_strange(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    package, (heard, said) = write(tmp_path), heard_and_said(tmp_path / "fit")
    listed = tmp_path / "list.txt"
    listed.write_text("कपास\n")
    found = run(
        *("fit-judge", "--kind", "phrase", "--heard", heard, said, "--listed", listed, "--package", package),
        *("--version", "1.1.0", "--out", tmp_path / "new"),
    )
    assert (found["own"], found["others"]) == (15, 45)


def test_given_a_phrase_judge_without_its_list_then_the_reason_is_said(tmp_path: Path) -> None:
    heard, said = heard_and_said(tmp_path / "fit")
    done = CliRunner().invoke(main, ["score-judge", "--kind", "phrase", "--heard", str(heard), str(said)])
    assert done.exit_code == 1 and "--listed once for each" in done.output


def test_given_a_judge_that_weighs_something_unknown_then_the_package_is_refused(tmp_path: Path) -> None:
    judge = {"weights": {"moon": 1.0}, "offset": 0.0, "accept": 0.5}
    with pytest.raises(Exception, match="update the software"):
        load_speech_package(write(tmp_path, rejection={"scale": 1.0, "offset": 2.0, "accept": 0.5, "sentence": judge}))


def test_given_figures_beyond_all_bounds_then_a_confidence_is_still_a_share() -> None:
    judge = Judge({"a_unit": 1.0}, 0.0, 0.5)
    assert judge.confidence({"a_unit": -1e6}) == 0 and judge.confidence({"a_unit": 1e6}) == 1


@pytest.mark.parametrize("language", ["hi", "mr"])
def test_given_the_words_of_no_training_text_then_none_is_ours_and_all_can_be_said(language: Language) -> None:
    import csv

    words = unseen_words(language)
    with VOCABULARY.open(encoding="utf-8") as file:
        own = [said for row in csv.DictReader(file) for said in row[language].replace("-", " ").split("|")]
    assert len(set(words)) == len(words) >= 60
    assert seen(words, (), own) == []
    assert all(phrase_pronunciations(word, language) for word in words)
    assert len(phrases_of_lines(words, language, "list")) == len(words)


def test_given_a_word_of_a_list_or_of_a_phrase_of_ours_then_it_counts_as_seen() -> None:
    assert seen(["मोबाइल", "पत्ता", "लैपटॉप"], {"मोबाइल"}, ["पूरा पत्ता"]) == ["मोबाइल", "पत्ता"]


def test_given_what_was_heard_of_a_closed_list_then_right_and_believed_are_counted(tmp_path: Path) -> None:
    expected = {"000.wav": "लैपटॉप", "001.wav": "चार्जर", "002.wav": "बल्ब"}
    lines = [
        {"clip": "/x/000.wav", "phrase": "लैपटॉप", "decision": "accept"},
        {"clip": "/x/001.wav", "phrase": "चार्जर", "decision": "reject"},
        {"clip": "/x/002.wav", "phrase": "चार्जर", "decision": "accept"},
    ]
    found = words_right(expected, map(json.dumps, lines))
    assert (found["clips"], found["words"], found["wrong"]) == (3, 3, [["बल्ब", "चार्जर"]])
    assert (found["right"], found["right_and_accepted"]) == (0.6667, 0.3333)
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    (tmp_path / "heard.jsonl").write_text("\n".join(map(json.dumps, lines)))
    shown = run("score-words", "--expected", tmp_path / "expected.json", "--heard", tmp_path / "heard.jsonl")
    assert shown["right"] == 0.6667


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed here")
def test_given_a_voice_then_notes_are_ours_and_others_and_their_words_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    done = CliRunner().invoke(
        main,
        [
            *("say-notes", "--vocabulary", str(VOCABULARY), "--lang", "hi", "--engine", "espeak", "--part", "judge"),
            *("--own", "6", "--out", str(tmp_path)),
        ],
    )
    assert done.exit_code == 0, done.output
    said = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text().splitlines()]
    assert sum(row["clip"].startswith("own/") for row in said) >= 5
    assert {row["kind"] for row in said} >= {"phrase", "piece", "spliced", "long", "news"}
    assert all((tmp_path / row["clip"]).is_file() for row in said)
    assert (tmp_path / "few.txt").read_text().count("\n") > 10


def test_given_a_figure_then_the_package_keeps_it_once_and_its_card_says_it(tmp_path: Path) -> None:
    from pikvani_models.speech.card import CARD_FILE, record

    package = write(tmp_path)
    record(package, "hindi ten digits", "real", 50, 0.5)
    record(package, "hindi ten digits", "real", 50, 0.76)
    record(package, "words of no training text", "synthetic", 168, 0.9)
    manifest = load_speech_package(package).manifest
    assert [(score.name, score.right) for score in manifest.scores] == [
        ("hindi ten digits", 0.76),
        ("words of no training text", 0.9),
    ]
    assert [file.path for file in manifest.files] == ["model.onnx", CARD_FILE]
    card = (package / CARD_FILE).read_text()
    assert "| hindi ten digits | 50 | 76.0% |" in card and "50.0%" not in card
    assert card.index("Real speech") < card.index("| hindi ten") < card.index("kept from training") < card.index("168")


def test_given_the_shipped_package_then_its_card_is_the_one_its_figures_make(tmp_path: Path) -> None:
    from pikvani_models.speech.card import CARD_FILE, write_manifest

    shipped = ROOT / "models" / "packages" / "speech"
    write_manifest(tmp_path, load_speech_package(shipped).manifest)
    assert (tmp_path / CARD_FILE).read_text() == (shipped / CARD_FILE).read_text()
