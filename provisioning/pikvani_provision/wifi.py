"""`pikvani-provision wifi`: networks in reach, join one, be a hotspot with a page to join from a phone."""

from __future__ import annotations

import json
import secrets
import sys
from dataclasses import asdict
from wsgiref.simple_server import WSGIRequestHandler, make_server

import click

from pikvani_provision.errors import ProvisionError, RefusedError
from pikvani_provision.networks.nmcli import NmcliNetworks
from pikvani_provision.networks.page import create_page
from pikvani_provision.networks.words import LOCALES, say

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_LOCALE = click.option("--locale", type=click.Choice(LOCALES), default="en-IN", show_default=True)


@click.group()
def wifi() -> None:
    """Join this device to a Wi-Fi network, or make it one."""


@wifi.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def list_command(as_json: bool) -> None:
    """Show the networks in reach, the strongest first."""
    found = NmcliNetworks().scan()
    if as_json:
        click.echo(json.dumps({"networks": [asdict(network) for network in found]}, ensure_ascii=False))
        return
    for network in found:
        mark, kind = "*" if network.joined else " ", "" if network.locked else "open  "
        click.echo(f"{mark} {network.percent:>3}%  {kind}{network.name}")


@wifi.command()
@click.argument("name")
@click.option("--hidden", is_flag=True, help="The network does not say its name.")
@click.option("--open", "is_open", is_flag=True, help="It wants no passphrase.")
@_LOCALE
def join(name: str, hidden: bool, is_open: bool, locale: str) -> None:
    """Join a network. The passphrase is read from standard input, so that it stands in no history."""
    if is_open:
        passphrase = ""
    elif sys.stdin.isatty():
        passphrase = click.prompt("Passphrase", hide_input=True)
    else:
        passphrase = sys.stdin.readline().rstrip("\n")
    result = NmcliNetworks().join(name, passphrase, hidden)
    if result.outcome != "joined":
        raise RefusedError(say(result.outcome, locale, name))
    click.echo(say("joined", locale, name))


@wifi.command()
@click.option("--off", is_flag=True, help="Stop being one.")
@click.option("--name", default="Pikvani", show_default=True)
@click.option("--page", "port", type=click.IntRange(0, 65_535), help="Serve the page for phones on this port.")
@_LOCALE
def hotspot(off: bool, name: str, port: int | None, locale: str) -> None:
    """Be a hotspot under a passphrase made anew; with --page, a phone on it can choose the village's network."""
    networks = NmcliNetworks()
    if off:
        networks.hotspot_off()
        return
    passphrase = "".join(secrets.choice(_LETTERS) for _ in range(10))
    result = networks.hotspot(name, passphrase)
    if result.outcome != "joined":
        raise RefusedError(say(result.outcome, locale, name))
    click.echo(f"{name}: {passphrase}")
    if port is not None:
        serve_page(networks, port, locale)


def serve_page(networks: NmcliNetworks, port: int, locale: str, host: str = "") -> None:
    """Serve the page until interrupted; one phone at a time is enough for one technician.

    Raises:
        ProvisionError: the port is taken.
    """
    try:
        server = make_server(host, port, create_page(networks, locale), handler_class=_Quiet)  # type: ignore[arg-type]
    except OSError as error:
        raise ProvisionError(f"cannot listen on port {port} ({error.strerror}); choose another with --page") from None
    with server:
        click.echo(f"page on port {server.server_port}")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            networks.hotspot_off()


class _Quiet(WSGIRequestHandler):
    timeout = 20

    def log_message(self, *_: object) -> None:
        """What is asked here names networks: it is not logged."""
