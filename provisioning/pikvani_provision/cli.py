"""`pikvani-provision`: the commands of the technician and of whoever keeps the keys. Collects groups, words failures.

Exit codes: 0 done, 1 what was asked for was refused, 2 something was wrong with what was given (one line on stderr).
Each group stands in a module of its own; one whose libraries are missing says so when it is called.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys

import click

from pikvani_contract.errors import ContractError
from pikvani_provision.errors import ProvisionError

COMMANDS = {
    "ca": "Keeps the certificate authority: root, one intermediate a district, revocation.",
    "claims": "Makes the one-time claims of a batch of cards.",
    "enrol": "Carries requests of devices to the centre and answers back.",
    "image": "Makes a card image or first-boot bundle.",
    "scan": "Looks through a card for secrets.",
    "check": "Tests a device in the field and prints what it found.",
    "wifi": "Joins a device to a Wi-Fi network, or makes it one.",
    "handover": "Makes the sheet that is left with the village.",
}
"""Command to what it does; each is a click command of the same name in `pikvani_provision.<name>`."""


class _Lazy(click.Group):
    """Imports the module of a command only when it is called, so that `ca` needs no image libraries."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if _exists(name)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS or not _exists(cmd_name):
            return None
        command = getattr(importlib.import_module(f"pikvani_provision.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if rows := [(name, COMMANDS[name]) for name in self.list_commands(ctx)]:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _exists(name: str) -> bool:
    return importlib.util.find_spec(f"pikvani_provision.{name}") is not None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pikvani", prog_name="pikvani-provision")
def cli() -> None:
    """From a blank card to a working, enrolled device."""


def main() -> None:
    """Entry point: every expected failure becomes one line on stderr and exit code 2."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    except (ProvisionError, ContractError) as error:
        _fail(str(error))
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        _fail(f"cannot read or write{where}: {error.strerror}")


def _fail(message: str) -> None:
    print(f"pikvani-provision: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
