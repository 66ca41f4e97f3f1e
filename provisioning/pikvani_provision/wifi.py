"""`pikvani-provision wifi`: networks in reach, join one, be a hotspot, and the page for kiosk and phone."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from wsgiref.simple_server import WSGIRequestHandler, make_server

import click

from pikvani_contract.health import Health
from pikvani_contract.service import Service
from pikvani_provision.errors import ProvisionError, RefusedError
from pikvani_provision.networks.fake import FakeNetworks
from pikvani_provision.networks.nmcli import NmcliNetworks
from pikvani_provision.networks.page import HOTSPOT_NAME, create_page
from pikvani_provision.networks.port import Networks
from pikvani_provision.networks.setup import Setup
from pikvani_provision.networks.words import LOCALES, say

_LOCALE = click.option("--locale", type=click.Choice(LOCALES), default="en-IN", show_default=True)
_ADAPTERS = {"nmcli": NmcliNetworks, "fake": FakeNetworks}


@click.group()
@click.option("--networks", "adapter", type=click.Choice(list(_ADAPTERS)), default="nmcli", show_default=True)
@click.pass_context
def wifi(context: click.Context, adapter: str) -> None:
    """Join this device to a Wi-Fi network, or make it one."""
    context.obj = _ADAPTERS[adapter]()


@wifi.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def list_command(networks: Networks, as_json: bool) -> None:
    """Show the networks in reach, the strongest first."""
    found = networks.scan()
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
@click.pass_obj
def join(networks: Networks, name: str, hidden: bool, is_open: bool, locale: str) -> None:
    """Join a network. The passphrase is read from standard input, so that it stands in no history."""
    if is_open:
        passphrase = ""
    elif sys.stdin.isatty():
        passphrase = click.prompt("Passphrase", hide_input=True)
    else:
        passphrase = sys.stdin.readline().rstrip("\n")
    result = networks.join(name, passphrase, hidden)
    if result.outcome != "joined":
        raise RefusedError(say(result.outcome, locale, name))
    click.echo(say("joined", locale, name))


@wifi.command()
@click.option("--off", is_flag=True, help="Stop being one.")
@click.option("--name", default=HOTSPOT_NAME, show_default=True)
@_LOCALE
@click.pass_obj
def hotspot(networks: Networks, off: bool, name: str, locale: str) -> None:
    """Be a hotspot under a passphrase made anew, until it is switched off."""
    if off:
        networks.hotspot_off()
        return
    setup = Setup(networks)
    outcome = setup.open_hotspot(name)
    if setup.hotspot is None:
        raise RefusedError(say(outcome, locale, name))
    click.echo(f"{setup.hotspot.name}: {setup.hotspot.passphrase}")


@wifi.command()
@click.option("--host", default="", help="Address to listen on; others than the kiosk and its hotspot are refused.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8081, show_default=True, envvar="PIKVANI_WIFI_PORT")
@click.option("--back", default="http://127.0.0.1:8080/service/", envvar="PIKVANI_WIFI_BACK", help="The kiosk's pages.")
@click.option("--locale", type=click.Choice(LOCALES), default="en-IN", envvar="PIKVANI_WIFI_LOCALE")
@click.pass_obj
def serve(networks: Networks, host: str, port: int, back: str, locale: str) -> None:
    """Serve the page of Wi-Fi set-up for the kiosk's screen, and for a phone while it is a hotspot."""
    try:
        server = make_server(host, port, lambda *_: [], handler_class=_Quiet)
    except OSError as error:
        raise ProvisionError(f"cannot listen on port {port} ({error.strerror}); choose another with --port") from None
    server.set_app(create_page(Setup(networks), locale, server.server_port, back))  # type: ignore[arg-type]
    health = Health()
    health.expect("page", 180.0)  # nmcli may look around for so long
    server.timeout = 10.0
    with server:
        Service(health).ready(None)
        click.echo(f"page on port {server.server_port}")
        while True:
            health.beat("page")
            server.handle_request()


class _Quiet(WSGIRequestHandler):
    timeout = 20

    def log_message(self, *_: object) -> None:
        """What is asked here names networks: it is not logged."""
