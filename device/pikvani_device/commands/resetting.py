"""`pikvani-device factory-reset`: before a device is handed on."""

from __future__ import annotations

from pathlib import Path

import click

from pikvani_device.commands.common import open_device, say
from pikvani_device.config import load_config


@click.command("factory-reset")
@click.option(
    "--export-to", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Takes what the centre lacks."
)
@click.option("--lose-unsynced", is_flag=True, help="Go on although cases wait for the centre.")
@click.option("--forget-identity", is_flag=True, help="Forget key and certificate too; it needs a new card then.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def factory_reset(
    config_path: Path | None, export_to: Path | None, lose_unsynced: bool, forget_identity: bool, yes: bool
) -> None:
    """Forget cases, photographs, updates and the service PIN; first stop the services."""
    from pikvani_device.app.factory_reset import factory_reset as reset

    config = load_config(config_path)
    if not yes:
        click.confirm(f"Forget everything {config.device.id} saw?", abort=True, err=True)
    exported = reset(open_device(config), export_to, lose_unsynced, forget_identity)
    if export_to is not None:
        say(f"{exported} records are on {export_to} for the centre")
    say(f"{config.device.id} has forgotten what it saw" + ("" if not forget_identity else ", and who it was"))
