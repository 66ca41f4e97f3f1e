"""Real speakers of other languages teach only sounds that are ours, and only where what is written is what is said."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("scipy")
soundfile = pytest.importorskip("soundfile")

from pikvani_contract.speech.phones import UNITS  # noqa: E402
from pikvani_models.speech.foreign import VOICES, ways, write  # noqa: E402
from pikvani_models.speech.scoring import package_ear  # noqa: E402
from pikvani_models.speech.training import read_shards  # noqa: E402

PACKAGE = Path(__file__).parents[2] / "models" / "packages" / "speech"


@pytest.mark.parametrize(
    ("ipa", "language", "units"),
    [
        ("ˈuna rˈana", "es", "u n aa r aa n aa"),
        ("monˈeða", "es", "m o n e d aa"),
        ("tʃˈint", "ro", "c i n t"),
        ("korˈaci", "el", "k o r aa k i"),
    ],
)
def test_given_a_reading_then_its_usual_way_in_our_units_comes_first(ipa: str, language: str, units: str) -> None:
    found = ways(ipa, language)
    assert found[0] == tuple(units.split())
    assert all(set(way) <= set(UNITS) for way in found) and len(found) == len(set(found)) <= 64


def test_given_a_sound_near_two_of_ours_then_both_are_ways_and_one_speaker_keeps_to_one() -> None:
    found = ways("rˈene", "ca")
    assert ("r", "e", "n", "e") in found and ("r", "ai", "n", "ai") in found
    assert ("r", "e", "n", "ai") not in found


@pytest.mark.parametrize(
    ("ipa", "language"), [("ðˈolari", "el"), ("θesˈi", "el"), ("mˈœnt", "ro"), ("ʃçˈi", "el"), ("", "es")]
)
def test_given_a_sound_that_is_none_of_ours_then_there_is_no_way(ipa: str, language: str) -> None:
    assert ways(ipa, language) == []


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_given_stamps_then_what_is_said_as_written_becomes_clips_and_nothing_else_does(tmp_path: Path) -> None:
    stamps = tmp_path / "stamps"
    stamps.mkdir()

    def stamp(name: str, written: str, said: str | None) -> None:
        (stamps / f"{name}.txt").write_text(f"A stamp.\nes.utf8={written}\nhi.utf8=कुछ\n", "utf-8")
        data, rate = np.zeros((16_000, 1)), 16_000
        if said:
            wav = subprocess.run(
                ["espeak-ng", "-v", "es-419", "--stdout", said], capture_output=True, check=True
            ).stdout
            data, rate = soundfile.read(io.BytesIO(wav), always_2d=True)
        soundfile.write(stamps / f"{name}_desc_es.ogg", data, rate)

    stamp("true", "Una manzana.", "una manzana")
    stamp("silent", "Una manzana.", None)
    stamp("another", "Una manzana.", "el murciélago grande duerme")
    stamp("figures", "25 centavos.", "veinticinco centavos")
    (stamps / "broken_desc_es.ogg").write_bytes(b"OggS")
    (stamps / "broken.txt").write_text("A stamp.\nes.utf8=Una rana.\n", "utf-8")
    assert write(stamps, tmp_path / "out", package_ear(PACKAGE), ("es", "ro")) == 1
    (line,) = (tmp_path / "out" / "foreign-es-0000.jsonl").read_text("utf-8").splitlines()
    assert json.loads(line)["text"] == "Una manzana"
    (clip,) = read_shards(tmp_path / "out")
    assert clip.kind == "foreign" and 0.5 < len(clip.samples) / 16_000 < 2


def test_given_the_languages_taken_then_none_is_one_we_are_measured_on() -> None:
    assert not {"hi", "mr"} & set(VOICES)
