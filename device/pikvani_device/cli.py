"""The command line of the appliance: collects the commands, turns every expected failure into one line.

Exit codes: 0 done, 1 what was asked for was refused, 2 something was wrong with what was given (one line on stderr says
what). There is never a traceback for bad input.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from pikvani_contract.errors import ContractError
from pikvani_device import __version__
from pikvani_device.commands.assets import assets
from pikvani_device.commands.configuration import config
from pikvani_device.commands.diagnosing import diagnose, listen
from pikvani_device.commands.enrolling import enrol
from pikvani_device.commands.prompts import prompts
from pikvani_device.commands.resetting import factory_reset
from pikvani_device.commands.running import export, rescue, run, status
from pikvani_device.commands.serial_things import serial
from pikvani_device.commands.service import service_pin
from pikvani_device.commands.trying import try_
from pikvani_device.commands.updates import self_test, update
from pikvani_device.errors import DeviceError


@click.group()
@click.version_option(__version__, prog_name="pikvani-device")
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Configuration file (TOML).")
@click.pass_context
def cli(context: click.Context, config_path: Path | None) -> None:
    """The Pikvani appliance: photographs of a sick leaf in, an answer or a referral out, no network needed."""
    context.obj = config_path


_COMMANDS = (diagnose, listen, status, run, self_test, update, export, rescue)
_MORE = (config, assets, service_pin, try_, prompts, factory_reset)
for _command in (*_COMMANDS, *_MORE):
    cli.add_command(_command)
cli.add_command(enrol)
cli.add_command(serial)


def main() -> None:
    """Entry point: every expected failure becomes one line on stderr and exit code 2."""
    try:
        cli(standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except BrokenPipeError:
        _forget_stdout()
        sys.exit(0)
    except (DeviceError, ContractError) as error:
        _fail(str(error))
    except OSError as error:
        _forget_stdout()
        where = f" {error.filename}" if error.filename else ""
        _fail(f"cannot read or write{where}: {error.strerror}; if the disk is full, free some space")


def _fail(message: str) -> None:
    print(f"pikvani-device: {message}", file=sys.stderr)
    sys.exit(2)


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
