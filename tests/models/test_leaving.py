"""A farm or a crop left out: what stays, and what is kept aside to be measured as unseen."""

from __future__ import annotations

from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from msgspec import structs

from pikvani_contract.model.gates import REHEARSED_PROTOCOL, demanded, rehearsed_of
from pikvani_contract.model.manifest import Metric, load_package
from pikvani_contract.model.posterior import Diagnosis, Evidence
from pikvani_models import fitting
from pikvani_models.card import write_card
from pikvani_models.cli import main
from pikvani_models.leaving import PROTOCOL, kept_from_rehearsal, never_shown, parted, told_by
from pikvani_models.measuring import NEVER_SHOWN, Answer, never_shown_metrics
from pikvani_models.records import DataError, Record, half_of
from pikvani_models.scope import scope_of
from pikvani_models.validation import judge

LEAF = Path(__file__).resolve().parents[2] / "models" / "packages" / "leaf"
CANE, COTTON = "sugarcane_daphal_field", "cotton_zade_field"


def taken(root: Path, source: str, sides: list[tuple[int, int]]) -> list[Record]:
    (root / source).mkdir()
    records = []
    for number, (width, height) in enumerate(sides):
        path = f"{source}/{number}.jpg"
        cv2.imwrite(str(root / path), np.full((height, width, 3), 90, np.uint8))
        records.append(Record(path, source, "Rust", "sugarcane/rust", path, "train"))
    return records


def test_given_a_source_of_two_cameras_then_the_one_of_fewer_photographs_is_left_out(tmp_path: Path) -> None:
    cane = taken(tmp_path, CANE, [(64, 96), (96, 64), (64, 96), (64, 85), (85, 64)])
    cotton = taken(tmp_path, COTTON, [(64, 64), (64, 64)])
    stays, left = parted(tmp_path, [*cane, *cotton], f"{CANE}/other-cameras")
    assert left == cane[3:], "turned or not, a camera's pictures have sides of one ratio"
    assert stays == [*cane[:3], *cotton]


def test_given_a_source_by_its_name_then_all_of_it_is_left_out(tmp_path: Path) -> None:
    cane, cotton = taken(tmp_path, CANE, [(64, 96), (64, 85)]), taken(tmp_path, COTTON, [(64, 64)])
    assert parted(tmp_path, [*cane, *cotton], CANE) == (cotton, cane)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [("wheat_field", "name a source"), (f"{CANE}/old", "other-cameras"), (f"{CANE}/other-cameras", "same ratio")],
)
def test_given_nothing_to_leave_out_then_it_says_what_there_is(tmp_path: Path, wanted: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        parted(tmp_path, taken(tmp_path, CANE, [(64, 96), (96, 64)]), wanted)


@pytest.mark.parametrize(
    "option", [("--leave-out", CANE), ("--painted", "0.15"), ("--taught",), ("--start", __file__), ("--minutes", "60")]
)
def test_given_the_floor_then_what_it_would_forget_is_refused(tmp_path: Path, option: tuple[str, ...]) -> None:
    said = CliRunner().invoke(main, ["train", "--recipe", "floor", "--out", str(tmp_path), *option])
    assert said.exit_code == 2
    assert f"no {option[0]}:" in said.output and "--recipe measured" in said.output


def test_given_a_label_that_was_left_out_altogether_then_nothing_lies_near_its_centre() -> None:
    here = Evidence(np.zeros(3), np.array([0.5, -0.5]), np.zeros((1, 1, 3), np.float32))
    found = fitting.centres(("cotton/healthy", "cotton/wilt", "none/background"), [("cotton/healthy", here)])
    assert found.centres[0] == (0.5, -0.5)
    assert np.linalg.norm(np.array(found.centres[1]) - here.embedding) > 100


def test_given_figures_of_a_farm_left_out_then_the_card_tells_them_apart_from_this_networks_own(tmp_path: Path) -> None:
    shipped = load_package(LEAF).manifest
    own = tuple(x for x in shipped.metrics if not x.protocol.startswith(PROTOCOL))
    given = {"accuracy": 0.5, "answered": 0.25, "right_of_answered": 0.75}
    left = tuple(Metric(name, f"{PROTOCOL}{CANE}", value, 40, "", "") for name, value in given.items())
    write_card(structs.replace(shipped, metrics=(*own, *left)), tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    before, after = card.split("### A farm left out")
    assert f"| {CANE} | 40 | 0.500 |  |  |  | 0.250 | 0.750 |" in after
    assert "| 0.500 |  |" not in before and "without that farm" in after.split("###")[0]

    write_card(structs.replace(shipped, metrics=own), tmp_path / "card.md")
    assert "left out" not in (tmp_path / "card.md").read_text()


def test_given_a_network_of_some_crops_then_photographs_of_the_others_at_hand_are_what_it_was_never_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("black_rot", "healthy", "leaf_blight", "black_measles"):
        (tmp_path / "pv_grape_lab" / folder).mkdir(parents=True)
        for i in range(2):
            picture = np.full((64, 64, 3), 20 * i, np.uint8)
            cv2.imwrite(str(tmp_path / "pv_grape_lab" / folder / f"{i}.jpg"), picture)
    (tmp_path / "pv_pepper_lab").mkdir()
    found = never_shown(tmp_path, scope_of(("cotton",)))
    assert "pv_pepper_lab is not asked" in capsys.readouterr().err, "it is not whole, and nobody waits for it"
    assert len(found) == 8 and {r.label for r in found} == {"none/background"}
    assert never_shown(tmp_path, scope_of(("grape",))) == []


def test_given_strangers_then_those_below_the_bar_are_refused_and_each_source_stands_for_itself() -> None:
    shipped = load_package(LEAF).manifest
    bar = next(x.value for x in shipped.metrics if x.name == "bar_at_90_kept")
    sure, unsure = (
        Diagnosis("more", "unsure", "cotton/healthy", confidence, {}, 0.5) for confidence in (bar + 0.01, bar - 0.01)
    )
    said = [
        Answer(Record("x.jpg", source, "x", "none/background", "x", "test"), None, diagnosis)
        for source, diagnosis in (("a", sure), ("b", sure), ("b", unsure))
    ]
    told = never_shown_metrics(shipped, said, PROTOCOL)
    assert [(x.protocol, x.value, x.count) for x in told] == [(f"{PROTOCOL}a", 0.0, 1), (f"{PROTOCOL}b", 0.5, 2)]
    assert demanded(structs.replace(shipped, metrics=(*shipped.metrics, *told))) == demanded(shipped)


def test_given_figures_of_crops_never_shown_then_the_card_has_them_and_not_among_the_farms(tmp_path: Path) -> None:
    shipped = load_package(LEAF).manifest
    own = tuple(x for x in shipped.metrics if not x.protocol.startswith(PROTOCOL))
    told = Metric(NEVER_SHOWN, f"{PROTOCOL}pv_grape_lab", 0.943, 150, "", "")
    write_card(structs.replace(shipped, metrics=(*own, told)), tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert "| pv_grape_lab | 150 | 94.3% |" in card.split("### Crops never shown")[1]
    assert "A farm left out" not in card


def test_given_a_manifest_of_more_crops_then_what_it_left_out_is_turned_down(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"same crops or fewer"):
        told_by(LEAF / "manifest.json", scope_of(("cotton",)))
    assert told_by(LEAF / "manifest.json", scope_of())


def test_given_a_rehearsal_then_the_test_groups_and_half_of_what_is_held_out_are_kept_from_it() -> None:
    own = [Record("x.jpg", CANE, "Rust", "sugarcane/rust", "x", split) for split in ("train", "val", "test")]
    held = [Record(f"{i}.jpg", "corn_plantdoc_field", "Blight", "maize/x", f"{i}", "test") for i in range(40)]
    kept = [r for r in (*own, *held) if kept_from_rehearsal(r)]
    assert kept == [own[2], *(r for r in held if half_of(r.group) == 1)] and 5 < len(kept) < 35


@pytest.mark.parametrize(
    ("name", "source", "crop", "passes", "fails"),
    [
        ("accuracy", CANE, "sugarcane", 0.93, 0.87),
        ("accuracy", "corn_plantdoc_field", "maize", 0.61, 0.59),
        ("refused_at_90_kept", "ood_deepweeds", "", 0.96, 0.94),
    ],
)
def test_given_a_rehearsal_that_fell_then_the_package_fails_and_whoever_signs_demands_to_know(
    name: str, source: str, crop: str, passes: float, fails: float
) -> None:
    shipped = load_package(LEAF).manifest
    own = tuple(x for x in shipped.metrics if x.protocol != REHEARSED_PROTOCOL)
    for value, good in ((passes, True), (fails, False)):
        told = Metric(name, REHEARSED_PROTOCOL, value, 80, crop, source)
        manifest = structs.replace(shipped, metrics=(*own, told))
        (gate,) = [g for g in judge(manifest) if g.name == rehearsed_of(source)]
        assert gate.passed is good
        assert rehearsed_of(source) in demanded(manifest)
        others = structs.replace(shipped, metrics=own)
        assert [g.name for g in judge(others)] == [g.name for g in judge(manifest) if g != gate]


def test_given_a_network_that_went_on_then_its_card_says_whose_figures_stand_there_and_what_going_on_changed(
    tmp_path: Path,
) -> None:
    shipped = load_package(LEAF).manifest
    own = tuple(x for x in shipped.metrics if x.protocol != REHEARSED_PROTOCOL)
    told = (
        Metric("accuracy", REHEARSED_PROTOCOL, 0.931, 262, "sugarcane", CANE),
        Metric("accuracy", REHEARSED_PROTOCOL, 0.822, 155, "maize", "corn_plantdoc_field"),
        Metric("refused_at_90_kept", REHEARSED_PROTOCOL, 0.988, 82, "", "ood_deepweeds"),
    )
    how = {**shipped.quantisation, "went_on": "with every photograph"}
    write_card(structs.replace(shipped, metrics=(*own, *told), quantisation=how), tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert "went on from the one that was measured, with every photograph" in card.split("### Same sources")[0]
    section = card.split("### Rehearsed")[1].split("### ")[0]
    assert f"| {CANE} | 262 | 0.931 |" in section and "| ood_deepweeds | 82 | 98.8% |" in section
    assert "the other half of corn_plantdoc_field" in section

    how.pop("went_on")
    write_card(structs.replace(shipped, metrics=own, quantisation=how), tmp_path / "card.md")
    card = (tmp_path / "card.md").read_text()
    assert "went on" not in card and "Rehearsed" not in card


def test_given_a_manifest_of_a_rehearsal_then_its_figures_are_told(tmp_path: Path) -> None:
    shipped = load_package(LEAF).manifest
    told = Metric("accuracy", REHEARSED_PROTOCOL, 0.931, 262, "sugarcane", CANE)
    (tmp_path / "manifest.json").write_bytes(msgspec.json.encode(structs.replace(shipped, metrics=(told,))))
    assert told_by(tmp_path / "manifest.json", scope_of()) == [told]
