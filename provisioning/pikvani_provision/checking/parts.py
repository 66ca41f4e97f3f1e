"""Checks of the appliance's parts: camera, model, services, modem, the road to the centre."""

from __future__ import annotations

import json
import re
import socket
import ssl
from pathlib import Path
from typing import Any

from pikvani_provision.checking.around import Around, Finding

UNITS = ("pikvani-web", "pikvani-sync", "pikvani-update", "pikvani-enrol", "pikvani-kiosk")


def camera(around: Around) -> Finding:
    """Take a photograph with the configured camera and look whether it shows anything."""
    adapter = str(around.config.get("camera", {}).get("adapter", "none"))
    if adapter == "none":
        return Finding("camera", "absent", "camera_none")
    ran = around.appliance("try", "camera", timeout_s=60)
    found = _json(ran.out)
    if ran.code or "width" not in found:
        if "busy" in ran.err.lower():
            return Finding("camera", "warn", "camera_busy")
        return Finding("camera", "bad", "camera_failed", {"why": _why(ran.err)})
    values = {key: found.get(key) for key in ("width", "height", "brightness", "sharpness")}
    if float(found.get("brightness", 0)) < 12:
        return Finding("camera", "warn", "camera_dark", values)
    return Finding("camera", "good", "camera_good", values)


def model(around: Around) -> Finding:
    """Run the golden cases of the model that answers."""
    ran = around.appliance("try", "model", timeout_s=240)
    found = _json(ran.out)
    if found.get("passed") is True:
        return Finding(
            "model", "good", "model_good", {"model": found.get("model", "?"), "detail": found.get("detail", "")}
        )
    return Finding("model", "bad", "model_failed", {"why": str(found.get("detail") or _why(ran.err))[:200]})


def services(around: Around) -> Finding:
    """Are the appliance's services up?"""
    states = {}
    for unit in UNITS:
        ran = around.run(["systemctl", "is-active", unit])
        if ran.code == 127:
            return Finding("services", "absent", "services_unknown")
        states[unit] = ran.out.strip() or "unknown"
    here = {unit: state for unit, state in states.items() if not _not_here(around, unit)}
    down = [unit for unit, state in here.items() if state not in ("active", "activating")]
    if down:
        return Finding("services", "bad", "services_down", {"units": ", ".join(down)})
    return Finding("services", "good", "services_good", {"count": len(here)})


def modem(around: Around) -> Finding:
    """Is there a modem with a SIM and a signal?"""
    listed = _json(around.run(["mmcli", "-L", "-J"]).out).get("modem-list")
    if not isinstance(listed, list) or not listed:
        return Finding("modem", "absent", "modem_missing")
    told = _json(around.run(["mmcli", "-m", str(listed[0]), "-J"]).out).get("modem", {})
    generic = told.get("generic", {}) if isinstance(told, dict) else {}
    state = str(generic.get("state", "unknown"))
    quality = generic.get("signal-quality", {})
    percent = int(quality.get("value", 0)) if str(quality.get("value", "")).isdecimal() else 0
    values = {"state": state, "percent": percent}
    if state in ("failed", "locked"):
        return Finding("modem", "bad", "modem_locked", values)
    if state in ("registered", "connected") and percent >= 20:
        return Finding("modem", "good", "modem_good", values)
    return Finding("modem", "warn", "modem_weak", values)


def broker(around: Around) -> Finding:
    """Does the centre's broker answer, and does it know us? Not reaching it is no fault of the device."""
    sync = around.config.get("sync", {})
    host, port = str(sync.get("host", "")), sync.get("port", 1883)
    if not host or sync.get("enabled") is False or not isinstance(port, int):
        return Finding("centre", "absent", "centre_none")
    values: dict[str, Any] = {"host": host, "port": port}
    try:
        with socket.create_connection((host, port), timeout=10) as plain:
            if not sync.get("tls_ca"):
                return Finding("centre", "good", "centre_reached", values)
            context = ssl.create_default_context(cafile=str(sync["tls_ca"]))
            cert, key = sync.get("tls_cert"), sync.get("tls_key")
            if not cert or not Path(str(cert)).exists():
                return Finding("centre", "warn", "centre_not_enrolled", values)
            context.load_cert_chain(str(cert), str(key))
            with context.wrap_socket(plain, server_hostname=host) as tls:
                tls.settimeout(10)
                return Finding("centre", "good", "centre_reached", values | {"tls": tls.version()})
    except ssl.SSLError as error:
        return Finding("centre", "bad", "centre_distrusted", values | {"why": error.reason or str(error)})
    except OSError as error:
        return Finding("centre", "warn", "centre_away", values | {"why": error.strerror or str(error)})


def _not_here(around: Around, unit: str) -> bool:
    """Whether systemd passes the unit over because what it needs is not on this machine, such as a compositor."""
    told = around.run(["systemctl", "show", "--property=ConditionResult,ActiveState", unit]).out
    return "ConditionResult=no" in told and "ActiveState=inactive" in told


def _json(text: str) -> dict[str, Any]:
    for line in reversed(text.strip().splitlines() or [""]):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            return found
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _why(words: str) -> str:
    lines = [line for line in words.strip().splitlines() if line]
    return re.sub(r"^pikvani-\w+: ", "", lines[-1])[:200] if lines else "?"
