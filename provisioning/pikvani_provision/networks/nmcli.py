"""`Networks` through NetworkManager's command line. The passphrase goes through a pipe, never onto a command line."""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess

from pikvani_provision.errors import ProvisionError
from pikvani_provision.networks.port import Network, Outcome, Result, name_fits, passphrase_fits

HOTSPOT = "pikvani-hotspot"
HOTSPOT_ADDRESS = "10.42.77.1"
HOTSPOT_NET = ipaddress.IPv4Network("10.42.77.0/24")
_JOIN_S = 60
# What NetworkManager says (in the C locale), and what it means. Its secrets agent calls a wrong key "required".
_MEANINGS: tuple[tuple[str, Outcome], ...] = (
    (
        r"Secrets were required|802-11-wireless-security\.psk|supplicant (?:took too long|disconnected|failed)",
        "wrong_passphrase",
    ),
    (r"No network with SSID|could not be found|not available", "not_found"),
    (r"IP configuration could not be reserved|ip-config-unavailable|DHCP", "no_address"),
    (r"No Wi-Fi device found|no wifi device", "no_radio"),
    (r"[Nn]ot authorized|[Ii]nsufficient privileges", "not_allowed"),
    (r"NetworkManager is not running|Could not create NMClient", "no_service"),
    (r"[Tt]imeout", "timed_out"),
)


def meaning(code: int, words: str) -> Outcome:
    """What nmcli's exit code and words come to."""
    if code == 0:
        return "joined"
    for pattern, outcome in _MEANINGS:
        if re.search(pattern, words):
            return outcome
    return {3: "timed_out", 8: "no_service", 10: "not_found"}.get(code, "failed")  # type: ignore[return-value]


def fields(line: str) -> list[str]:
    r"""The fields of a line of `nmcli --terse`: parted by `:`, where `\:` is a colon and `\\` a backslash."""
    found, field, escaped = [], "", False
    for letter in line:
        if escaped:
            field, escaped = field + letter, False
        elif letter == "\\":
            escaped = True
        elif letter == ":":
            found.append(field)
            field = ""
        else:
            field += letter
    return [*found, field]


class NmcliNetworks:
    """See `Networks`.

    Args:
        path: folders nmcli is looked for in; this process's if empty.
    """

    def __init__(self, path: str = "") -> None:
        self._path = path or os.environ.get("PATH", os.defpath)

    def scan(self) -> list[Network]:
        """See `Networks.scan`."""
        code, out, words = self._run("--terse", "--fields", "IN-USE,SIGNAL,SECURITY,SSID", "device", "wifi", "list")
        if code:
            raise ProvisionError(f"Wi-Fi cannot be looked at: {words or f'nmcli ended with {code}'}")
        best: dict[str, Network] = {}
        for line in out.splitlines():
            parts = fields(line)
            if len(parts) != 4 or not name_fits(parts[3]):
                continue
            percent = int(parts[1]) if parts[1].isdecimal() else 0
            locked = parts[2] not in ("", "--")
            network = Network(parts[3], min(percent, 100), locked, parts[0].strip() == "*")
            known = best.get(network.name)
            if known is None or (network.joined, network.percent) > (known.joined, known.percent):
                best[network.name] = network
        return sorted(best.values(), key=lambda network: (-network.joined, -network.percent, network.name))

    def join(self, name: str, passphrase: str, hidden: bool = False) -> Result:
        """See `Networks.join`."""
        if not name_fits(name) or not passphrase_fits(passphrase, locked=bool(passphrase)):
            return Result("bad_form")
        command = ["--wait", str(_JOIN_S), "--ask", "device", "wifi", "connect", name, "name", f"pikvani {name}"]
        if hidden:
            command += ["hidden", "yes"]
        code, out, words = self._run(*command, given=passphrase)
        outcome = meaning(code, words or out)
        if outcome != "joined":
            # A profile with a wrong key would be tried again for ever, and hide the next try's reason.
            self._run("connection", "delete", f"pikvani {name}")
        return Result(outcome, _without(words or out, passphrase))

    def hotspot(self, name: str, passphrase: str) -> Result:
        """See `Networks.hotspot`."""
        if not name_fits(name) or not passphrase_fits(passphrase):
            return Result("bad_form")
        self._run("connection", "delete", HOTSPOT)
        access_point = "connection.autoconnect no 802-11-wireless.mode ap ipv4.method shared ipv6.method ignore"
        steps = (
            ["connection", "add", "type", "wifi", "ifname", "*", "con-name", HOTSPOT, "ssid", name],
            ["connection", "modify", HOTSPOT, *access_point.split(), "ipv4.addresses", f"{HOTSPOT_ADDRESS}/24"],
            ["connection", "modify", HOTSPOT, "wifi-sec.key-mgmt", "wpa-psk", "wifi-sec.proto", "rsn"],
        )
        for step in steps:
            code, out, words = self._run(*step)
            if code:
                return Result(meaning(code, words or out), words)
        code, out, words = self._run("--wait", "30", "--ask", "connection", "up", HOTSPOT, given=passphrase)
        return Result(meaning(code, words or out), _without(words or out, passphrase))

    def hotspot_off(self) -> Result:
        """See `Networks.hotspot_off`."""
        code, out, words = self._run("connection", "delete", HOTSPOT)
        return Result("joined" if code in (0, 10) else meaning(code, words or out), words)

    def _run(self, *words: str, given: str = "") -> tuple[int, str, str]:
        program = shutil.which("nmcli", path=self._path)
        if program is None:
            raise ProvisionError("nmcli is not installed: apt install network-manager")
        try:
            done = subprocess.run(
                [program, *words],
                input=given + "\n" if given else "",
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_JOIN_S + 30,
                check=False,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            return 3, "", "Timeout expired"
        return done.returncode, done.stdout, done.stderr.strip()


def _without(words: str, passphrase: str) -> str:
    line = (words.strip().splitlines() or [""])[-1][:200]
    return line.replace(passphrase, "...") if passphrase else line
