"""`pikvani-models`: the commands of the model pipeline. Only parses and prints; the work stands in the modules.

Training needs torch, which is not in the locks: commands that need it say so and how to install it.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
from click.core import ParameterSource

from pikvani_contract.model.manifest import PackageError, load_package
from pikvani_models.advice_cli import build_advice
from pikvani_models.leaving import RECIPES
from pikvani_models.records import DataError, data_root, scan
from pikvani_models.registry import CROPS
from pikvani_models.scope import scope_of, sources_of
from pikvani_models.speech import cli as speech
from pikvani_models.speech import judging_cli as judging

PAINTED_HELP = "Share of pictures on which diseases that no field has shown are painted as handbooks tell them."
LEAVE_HELP = "SOURCE, or SOURCE/other-cameras: kept from this, to be measured as a farm never seen."


@click.group()
def main() -> None:
    """From photographs to a model package the appliance can trust."""


for _command in (build_advice, *speech.COMMANDS, *judging.COMMANDS):
    main.add_command(_command)


@main.command()
@click.option("--recipe", type=click.Choice(RECIPES), default="measured", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoints and weights.")
@click.option("--minutes", type=float, default=60.0, show_default=True, help="Time to train; resumable.")
@click.option("--size", type=int, default=160, show_default=True, help="Side of training pictures, pixels.")
@click.option("--start", type=click.Path(path_type=Path, exists=True), help="Weights to go on from.")
@click.option("--body-rate", type=float, default=5e-4, show_default=True, help="Peak learning rate of the body.")
@click.option("--painted", type=click.FloatRange(0, 0.9), default=0.0, show_default=True, help=PAINTED_HELP)
@click.option("--taught", is_flag=True, help="Hold it to what ImageNet's untouched body can say of symptoms.")
@click.option("--leave-out", help=LEAVE_HELP)
@click.option("--crop", "crops", multiple=True, type=click.Choice(CROPS), help="Only this crop; may be repeated.")
@click.option("--redistributable-only", is_flag=True, help="Train on sources with a known free licence only.")
def train(
    recipe: str,
    out: Path,
    minutes: float,
    size: int,
    start: Path | None,
    body_rate: float,
    painted: float,
    taught: bool,
    leave_out: str | None,
    crops: tuple[str, ...],
    redistributable_only: bool,
) -> None:
    """Train weights: `floor` (frozen features), `measured` (held-out sources left out), `shipped` (everything), or
    `rehearsed` (as `shipped`, but for what is kept to measure it on).

    The weights remember which crops they are of. Without --crop they are of every crop, or of those of the run or the
    weights that are gone on with.
    """
    if recipe == "floor":
        _require_none_of("minutes", "size", "start", "body_rate", "painted", "taught", "leave_out")
    try:
        from pikvani_models.recipes import fine_tune, train_floor
        from pikvani_models.training import Schedule
    except ImportError as error:
        raise click.ClickException(_missing(error)) from error
    try:
        wanted = scope_of(crops, redistributable_only) if crops or redistributable_only else None
        if recipe == "floor":
            weights = train_floor(out, wanted)
        else:
            schedule = Schedule(budget_s=minutes * 60, body_rate=body_rate, head_rate=4 * body_rate)
            more = {"painted": painted, "taught": taught, "leave_out": leave_out}
            weights = fine_tune(recipe, out, schedule, start, size, wanted, **more)  # type: ignore[arg-type]
    except DataError as error:
        raise click.ClickException(str(error)) from error
    except ImportError as error:
        raise click.ClickException(_missing(error)) from error
    click.echo(str(weights))


def _require_none_of(*names: str) -> None:
    """Refuse options that the floor would forget, if they were typed."""
    context = click.get_current_context()
    for name in names:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"the floor knows no {option}: take it away, or train --recipe measured")


@main.command()
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--lender", type=click.Path(path_type=Path, exists=True), help="Weights whose symptoms are lent.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Package folder to write.")
@click.option("--size", type=int, default=192, show_default=True, help="Side of the model's input, pixels.")
@click.option("--version", required=True, help="Version of the package, such as 1.0.0.")
@click.option("--fitted-from", type=click.Path(path_type=Path, exists=True), help="Manifest to take fitted parts from.")
@click.option("--leave-out", help=LEAVE_HELP)
@click.option(
    "--left-out-from",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Manifest of a package with --leave-out, or of rehearsed weights, whose figures of what was left out go into "
    "this one's; may be repeated.",
)
def package(
    weights: Path,
    lender: Path | None,
    out: Path,
    size: int,
    version: str,
    fitted_from: Path | None,
    leave_out: str | None,
    left_out_from: tuple[Path, ...],
) -> None:
    """Export weights to INT8, fit confidence and thresholds, measure, and write a package.

    Of which crops, the weights know. Crops learnt in laboratories alone borrow what their symptoms look like in other
    crops' fields: of the same weights, or of a lender's, whose network then runs beside the first.
    """
    try:
        from pikvani_models.packaging import BuildSpec, build
    except ImportError as error:
        raise click.ClickException(_missing(error)) from error
    created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        build(BuildSpec(weights, size, version, created, fitted_from, lender, leave_out, left_out_from), out)
    except (DataError, PackageError) as error:
        raise click.ClickException(str(error)) from error
    except ImportError as error:
        raise click.ClickException(_missing(error)) from error
    click.echo(str(out))


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def validate(folder: Path, as_json: bool) -> None:
    """Judge a package by the gates; exit 1 where one fails."""
    from pikvani_models.validation import validate as judged

    try:
        gates = judged(folder)
    except PackageError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        rows = [{"gate": g.name, "passed": g.passed, "detail": g.detail} for g in gates]
        click.echo(json.dumps({"passed": all(g.passed for g in gates), "gates": rows}))
    else:
        for gate in gates:
            click.echo(f"{'pass' if gate.passed else 'FAIL'}  {gate.name}: {gate.detail}")
    sys.exit(0 if all(g.passed for g in gates) else 1)


@main.command()
@click.option("--folder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--protocol", type=click.Choice(["in-source", "cross-source", "refusal"]), required=True)
@click.option(
    "--package",
    "package_folder",
    type=click.Path(path_type=Path),
    default=Path("models/packages/leaf"),
    show_default=True,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(folder: Path, protocol: str, package_folder: Path, as_json: bool) -> None:
    """Measure a package on a folder of photographs."""
    from pikvani_models.evaluation import evaluate as measure

    try:
        report = measure(load_package(package_folder), folder, protocol)  # type: ignore[arg-type]
    except (DataError, PackageError) as error:
        raise click.ClickException(str(error)) from error
    document = report.document()
    if as_json:
        click.echo(json.dumps(document))
        return
    for name, value in document.items():
        click.echo(f"{name}: {value}")


@main.command()
@click.option(
    "--package",
    "package_folder",
    type=click.Path(path_type=Path),
    default=Path("models/packages/leaf"),
    show_default=True,
)
@click.option("--limit", type=int, default=2000, show_default=True, help="Most photographs of the test split to use.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def audit(package_folder: Path, limit: int, as_json: bool) -> None:
    """Rates by crop, source, kind and light, the 4/5 rule, and the class map's mass inside the leaf."""
    from dataclasses import asdict
    from statistics import fmean

    from pikvani_models.audit import consistency, observe, rates
    from pikvani_models.runners import onnx_invoke

    try:
        bundle = load_package(package_folder)
        root = data_root()
        sources = sources_of(bundle.manifest.crops)
        records = [r for r in scan(root, sources) if r.split == "test"][:limit]
    except (DataError, PackageError) as error:
        raise click.ClickException(str(error)) from error
    invoke = onnx_invoke(bundle.model_path("onnx"), bundle.manifest.binding("onnx"))
    rows = observe(bundle.manifest, root, records, invoke)
    groups, even = rates(rows), consistency(rows)
    inside = [r.leaf_mass for r in rows if r.leaf_mass is not None]
    summary = {
        "photographs": len(rows),
        "map_mass_inside_leaf": round(fmean(inside), 4) if inside else None,
        "mirrored_answer_distance": round(fmean(r.near for r in rows), 4) if rows else None,
        "neighbours_answer_distance": even.mean_distance,
        "neighbours_far_apart": even.far_share,
        "random_pairs_answer_distance": even.random_distance,
    }
    if as_json:
        click.echo(json.dumps({**summary, "groups": [{**asdict(g), "flagged": g.flagged} for g in groups]}))
        return
    for name, value in summary.items():
        click.echo(f"{name}: {value}")
    click.echo("by      group                     n     answered right  right|answered  4/5 rule")
    for g in groups:
        mark = "below" if g.flagged else "kept"
        click.echo(
            f"{g.by:7} {g.group:24} {g.count:5}  {g.selection_rate:7.3f} {g.true_positive_rate:6.3f} "
            f"{g.predictive_value:10.3f}      {mark}"
        )


@main.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the pictures.")
@click.option("--crop", help="The crop, if it is known.")
@click.option("--evaluations", type=click.IntRange(50, 20_000), default=400, show_default=True, help="Looks a photo.")
@click.option(
    "--package",
    "package_folder",
    type=click.Path(path_type=Path),
    default=Path("models/packages/leaf"),
    show_default=True,
)
def explain(photos: tuple[Path, ...], out: Path, crop: str | None, evaluations: int, package_folder: Path) -> None:
    """Why the model said it: SHAP values beside the class map, a picture and a JSON line a photograph."""
    from dataclasses import asdict

    from pikvani_models.explain import explain as why
    from pikvani_models.runners import onnx_invoke

    try:
        import shap  # noqa: F401
    except ImportError as error:
        raise click.ClickException(
            "shap is not installed: type `pip install -e '.[models,explain]'` in a checkout of this project"
        ) from error
    try:
        bundle = load_package(package_folder)
        if crop is not None and crop not in bundle.manifest.crops:
            raise click.ClickException(f"crop {crop!r} is unknown: one of {', '.join(bundle.manifest.crops)}")
        invoke = onnx_invoke(bundle.model_path("onnx"), bundle.manifest.binding("onnx"))
        for photo in photos:
            found = why(bundle.manifest, invoke, photo, crop, out, evaluations)
            click.echo(json.dumps(asdict(found), ensure_ascii=False))
    except (DataError, PackageError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _missing(error: ImportError) -> str:
    return (
        f"{error.name or error} is not installed: training and export need `pip install -e '.[models,train]'`, typed "
        "in a checkout of this project (models/README.md)"
    )


if __name__ == "__main__":
    main()
