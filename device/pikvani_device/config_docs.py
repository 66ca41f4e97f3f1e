"""The configuration for people: the reference page in Markdown, and a file with every default filled in."""

from __future__ import annotations

import re

import msgspec

from pikvani_device.config import ENVIRONMENT, Config


def reference() -> str:
    """The reference page in Markdown, out of the docstrings and defaults of this module."""
    lines = [
        "# The device's configuration",
        "",
        "Generated from `device/pikvani_device/config.py` by `pikvani-device config reference`; do not edit.",
        f"The file is TOML, named by `--config` or by the environment variable `{ENVIRONMENT}`.",
        "Every key may be left out.",
    ]
    for section in msgspec.structs.fields(Config):
        doc = section.type.__doc__ or ""
        lines += [
            "",
            f"## [{section.name}]",
            "",
            doc.strip().splitlines()[0],
            "",
            "| key | default | meaning |",
            "|---|---|---|",
        ]
        meanings = dict(re.findall(r"^        (\w+): (.+)$", doc, re.MULTILINE))
        for field in msgspec.structs.fields(section.type):
            default = msgspec.json.encode(field.default).decode()
            lines.append(f"| `{field.name}` | `{default}` | {meanings[field.name]} |")
    return "\n".join(lines) + "\n"


def as_toml(config: Config) -> str:
    """The configuration with all defaults filled in, as TOML that `parse_config` reads back."""
    lines: list[str] = []
    for name, table in msgspec.to_builtins(config).items():
        lines += [
            f"[{name}]",
            *(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in table.items()),
            "",
        ]
    return "\n".join(lines)
