"""A device with a package of one crop, its network run by onnxruntime: it answers of that crop and knows no other."""

import json
from pathlib import Path

import pytest
from tests.support.one_crop import write_one_crop_package

from pikvani_device.cli import cli
from pikvani_device.drawn_leaves import write_drawn_leaves


@pytest.fixture
def diagnose(tmp_path: Path):
    from click.testing import CliRunner

    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here")
    package = write_one_crop_package(tmp_path / "package", "blackgram")
    photos = write_drawn_leaves(tmp_path / "photos", 2)

    def run(*arguments: str):
        return CliRunner().invoke(cli, ["diagnose", "--model", str(package), *arguments, *map(str, photos)])

    return run


@pytest.mark.parametrize("told", [(), ("--crop", "blackgram")])
def test_given_a_package_of_one_crop_then_a_case_is_diagnosed_as_one_of_its_conditions(diagnose, told) -> None:
    done = diagnose("--each", "--jsonl", *told)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0 and len(lines) == 2
    for line in lines:
        assert (line["crop"], line["model_version"], line["runtime"]) == ("blackgram", "leaf@0.1.0", "onnx/CPU")
        assert line["condition"] in line["probabilities"] and len(line["probabilities"]) == 5
        assert line["decision"] in ("answer", "more", "refuse")


def test_given_a_package_of_one_crop_then_asking_for_another_names_the_one_it_knows(diagnose) -> None:
    done = diagnose("--crop", "cotton")
    assert done.exit_code != 0
    assert "blackgram" in str(done.exception or "") + done.output
