"""`pikvani-models build-advice`. Parses and prints."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from pikvani_contract.advice.rows import AdviceFileError
from pikvani_contract.model.manifest import PackageError, parse_manifest
from pikvani_models.advice import build_advice as build


@click.command()
@click.option("--tables", type=click.Path(path_type=Path), default=Path("models/advice"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("models/packages/advice"), show_default=True)
@click.option("--version", required=True, help="Version of the package, such as 1.0.0; above the last one given out.")
@click.option("--date", "on", type=click.DateTime(["%Y-%m-%d"]), help="Day of the build; today unless named.")
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    default=Path("models/packages/leaf/manifest.json"),
    show_default=True,
    help="Manifest of the model package whose conditions must all have advice.",
)
def build_advice(tables: Path, out: Path, version: str, on: datetime | None, labels: Path) -> None:
    """Check the advice tables against the rules and write the advice package."""
    try:
        known = [label for label in parse_manifest(labels.read_bytes()).labels if not label.startswith("none/")]
        built = build(tables, out, version, (on or datetime.now(UTC)).date(), known)
    except OSError as error:
        raise click.ClickException(
            f"{labels} cannot be read ({error.strerror}): name a model manifest with --labels"
        ) from error
    except (AdviceFileError, PackageError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"advice {built.version} in {out}: {built.sentences} sentences on {built.conditions} conditions "
        f"in three languages ({built.reviewed} reviewed, {built.withdrawn} withdrawn), "
        f"{built.symptoms} symptoms, {built.sources} sources"
    )
