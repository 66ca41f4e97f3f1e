"""A device with a package of one crop, its network run by onnxruntime: it answers of that crop and knows no other."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.one_crop import write_one_crop_package

from pikvani_device.app import Device
from pikvani_device.cli import cli
from pikvani_device.config import parse_config
from pikvani_device.drawn_leaves import write_drawn_leaves
from pikvani_device.web import create_app

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed here")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_one_crop_package(tmp_path / "package", "blackgram")


@pytest.mark.parametrize("told", [(), ("--crop", "blackgram")])
def test_given_photographs_then_each_is_diagnosed_as_a_condition_of_the_crop(
    package: Path, tmp_path: Path, told: tuple[str, ...]
) -> None:
    photos = map(str, write_drawn_leaves(tmp_path / "photos", 2))
    done = CliRunner().invoke(cli, ["diagnose", "--model", str(package), "--each", "--jsonl", *told, *photos])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.exit_code == 0 and len(lines) == 2
    for line in lines:
        assert (line["crop"], line["model_version"], line["runtime"]) == ("blackgram", "leaf@0.1.0", "onnx/CPU")
        assert line["condition"] in line["probabilities"] and len(line["probabilities"]) == 5
        assert line["decision"] in ("answer", "more", "refuse")


def test_given_another_crop_then_the_error_names_the_one_it_knows(package: Path, tmp_path: Path) -> None:
    photo = str(write_drawn_leaves(tmp_path / "photos", 1)[0])
    done = CliRunner().invoke(cli, ["diagnose", "--model", str(package), "--crop", "cotton", photo])
    assert done.exit_code != 0
    assert "blackgram" in f"{done.exception} {done.output}"


def test_given_the_kiosk_then_only_that_crop_is_to_be_touched_and_a_leaf_of_it_is_answered(
    package: Path, tmp_path: Path
) -> None:
    told = f'[device]\ndata_dir = "{tmp_path / "data"}"\n[model]\ndir = "{package}"\n[camera]\nadapter = "drawn"\n'
    device = Device(parse_config(told.encode(), "test"))
    client = create_app(device).test_client()
    client.get("/language/hi-IN")
    assert re.findall(r'name="crop" value="(\w+)"', client.get("/crop").text) == ["blackgram"]
    assert client.post("/crop", data={"crop": "cotton"}).status_code == 400
    client.post("/crop", data={"crop": "blackgram"})
    client.post("/camera/shoot")
    client.post("/symptoms", data={"symptom": "spots"})
    assert "1800-180-1551" in client.get("/answer").text
    case = device.latest_cases(1)[0]
    assert (case.body.crop, case.body.model) == ("blackgram", "leaf@0.1.0")
    device.close()
