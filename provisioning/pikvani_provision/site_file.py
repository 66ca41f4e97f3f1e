"""What a district's centre hands out for its cards: a TOML file and the public keys beside it. Nothing secret.

    [centre]                       # where cases go and updates come from
    broker = "mqtt.example:8883"
    enrolment = "https://enrol.example:8443"   # empty: sticks and QR codes alone
    updates = ""                   # an http address; empty: over the broker
    [place]
    locale = "mr-IN"
    wifi_country = "IN"
    timezone = "Asia/Kolkata"
    [device]                       # any section of the device's configuration may follow

Beside it: `root.json` (the updates' root of trust), `ca.pem` (the authority that signs devices and broker), and, where
USB sticks are used, `centre-public.pem`.
"""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pikvani_provision.errors import ProvisionError

WIFI_PORT = 8081
FILES = {"root.json": True, "ca.pem": True, "centre-public.pem": False}
"""File beside the site file, and whether it must be there."""


class Centre(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[centre]`."""

    broker: Annotated[str, Meta(pattern=r"^[A-Za-z0-9.\-\[\]:]{1,250}:\d{1,5}$")]
    enrolment: Annotated[str, Meta(pattern=r"^(https://\S{1,250})?$")] = ""
    updates: Annotated[str, Meta(pattern=r"^(https?://\S{1,250})?$")] = ""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[place]`."""

    locale: Literal["mr-IN", "hi-IN", "en-IN"] = "mr-IN"
    wifi_country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$")] = "IN"
    timezone: Annotated[str, Meta(pattern=r"^[A-Za-z_]+(/[A-Za-z_\-]+){0,2}$")] = "Asia/Kolkata"


@dataclass(frozen=True)
class Site:
    """A site file with what lies beside it.

    Attributes:
        centre: `[centre]`.
        place: `[place]`.
        overrides: sections of the device's configuration, as written.
        files: name and bytes of the public files.
    """

    centre: Centre
    place: Place
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)


def read_site(path: Path) -> Site:
    """Read a site file and its neighbours.

    Raises:
        ProvisionError: something is missing, misspelt or secret.
    """
    try:
        tree = tomllib.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ProvisionError(f"{path}: cannot be read ({error.strerror}); name the site file of the centre") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProvisionError(f"{path}: not a TOML file: {error}") from None
    try:
        centre = msgspec.convert(tree.pop("centre", {}), Centre)
        place = msgspec.convert(tree.pop("place", {}), Place)
    except msgspec.ValidationError as error:
        raise ProvisionError(f"{path}: {error}; correct it") from None
    for name, table in tree.items():
        if not isinstance(table, dict) or not re.fullmatch(r"[a-z_]{1,40}", name):
            raise ProvisionError(f"{path}: {name} is no section; sections are [centre], [place] or the device's own")
    files = {}
    for name, needed in FILES.items():
        try:
            files[name] = (path.parent / name).read_bytes()
        except OSError as error:
            if needed:
                raise ProvisionError(
                    f"{path.parent / name}: cannot be read ({error.strerror}); put it beside the site file"
                ) from None
    return Site(centre, place, tree, files)


def wifi_environment(site: Site) -> str:
    """What the Wi-Fi page's unit is told: its language, its port, and where the kiosk's own pages are."""
    web = site.overrides.get("web", {})
    return (
        f"PIKVANI_WIFI_LOCALE={site.place.locale}\nPIKVANI_WIFI_PORT={int(web.get('wifi_port', WIFI_PORT))}\n"
        f"PIKVANI_WIFI_BACK=http://127.0.0.1:{int(web.get('port', 8080))}/service/\n"
    )


def device_toml(site: Site, runtime: str, camera: str, where: str = "/etc/pikvani") -> str:
    """The device's configuration as first boot finds it; `@DEVICE@` stands for the id that the card brings.

    Args:
        site: of the centre.
        runtime: adapter of the model's runtime.
        camera: adapter of the camera.
        where: folder of the public files on the device.
    """
    host, _, port = site.centre.broker.rpartition(":")
    sections: dict[str, dict[str, Any]] = {
        "device": {"id": "@DEVICE@", "data_dir": "/var/lib/pikvani", "locale": site.place.locale},
        "runtime": {"adapter": runtime},
        "camera": {"adapter": camera},
        "web": {"host": "0.0.0.0", "port": 8080, "wifi_port": WIFI_PORT},  # noqa: S104 - it serves the village Wi-Fi
        "sync": {"host": host.strip("[]"), "port": int(port)},
        "store": {"marker": "@MARKER@"},
        "enrolment": {
            "dir": "/var/lib/pikvani/identity",
            "card": "/var/lib/pikvani/card.json",
            "trust": f"{where}/ca.pem",
            "url": site.centre.enrolment,
        },
        "update": {"source": "mqtt", "root": f"{where}/root.json"},
    }
    if site.centre.updates:
        sections["update"] |= {"source": "http", "url": site.centre.updates}
    if "centre-public.pem" in site.files:
        sections["sync"]["centre_keys"] = f"{where}/centre-public.pem"
    for name, table in site.overrides.items():
        sections[name] = sections.get(name, {}) | table
    lines = []
    for name, table in sections.items():
        written = (f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items())
        lines += [f"[{name}]", *written, ""]

    return "\n".join(lines)
