"""Checks of the board: clock, temperature, power, memory, card, data partition, touch screen."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from pikvani_provision.checking.around import Around, Finding

BORN_S = 1_767_225_600
"""2026-01-01: no device of this software is older."""
_FAR_S = 4_102_444_800
_UNDERVOLTED, _THROTTLED, _EVER = 0x1, 0x6, 0x50000
_PROP_DIRECT = 0x2


def clock(around: Around) -> Finding:
    """Is the time one that can be?"""
    now_s = time.time()
    has_rtc = bool(around.glob("sys/class/rtc/rtc*"))
    told = around.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).out.strip()
    values = {"year": time.gmtime(now_s).tm_year, "rtc": has_rtc, "synchronised": told == "yes"}
    if not BORN_S < now_s < _FAR_S:
        return Finding("clock", "bad", "clock_wrong", values)
    if told != "yes" and not has_rtc:
        return Finding("clock", "warn", "clock_unsure", values)
    return Finding("clock", "good", "clock_good", values)


def temperature(around: Around) -> Finding:
    """Does it get too hot?"""
    found = [
        int(text) for zone in around.glob("sys/class/thermal/thermal_zone*/temp") if _is_number(text := _read(zone))
    ]
    if not found:
        return Finding("temperature", "absent", "temperature_unknown")
    celsius = round(max(found) / 1000)
    values = {"celsius": celsius}
    if celsius >= 80:
        return Finding("temperature", "bad", "temperature_hot", values)
    if celsius >= 70:
        return Finding("temperature", "warn", "temperature_warm", values)
    return Finding("temperature", "good", "temperature_good", values)


def power(around: Around) -> Finding:
    """Is the supply strong enough? The Raspberry Pi remembers."""
    ran = around.run(["vcgencmd", "get_throttled"])
    match = re.search(r"throttled=0x([0-9a-fA-F]+)", ran.out)
    if ran.code or match is None:
        return Finding("power", "absent", "power_unknown")
    bits = int(match.group(1), 16)
    values = {"bits": f"0x{bits:x}"}
    if bits & _UNDERVOLTED:
        return Finding("power", "bad", "power_low", values)
    if bits & _THROTTLED:
        return Finding("power", "bad", "power_throttled", values)
    if bits & _EVER:
        return Finding("power", "warn", "power_was_low", values)
    return Finding("power", "good", "power_good", values)


def memory(around: Around) -> Finding:
    """Is there enough memory?"""
    match = re.search(r"MemTotal:\s+(\d+) kB", around.text("proc/meminfo"))
    if match is None:
        return Finding("memory", "absent", "memory_unknown")
    megabytes = int(match.group(1)) // 1024
    verdict, key = ("good", "memory_good") if megabytes >= 850 else ("bad", "memory_small")
    return Finding("memory", verdict, key, {"megabytes": megabytes})  # type: ignore[arg-type]


def card_wear(around: Around) -> Finding:
    """How worn is what it boots from? eMMC tells; SD cards tell their date; disks are asked through smartctl."""
    for device in around.glob("sys/block/mmcblk[0-9]/device"):
        life = [
            int(word, 16) for word in _read(device / "life_time").split() if re.fullmatch(r"0x[0-9a-fA-F]{2}", word)
        ]
        if life and max(life):
            percent = min(100, max(life) * 10)
            eol = _read(device / "pre_eol_info")
            worn = percent >= 90 or eol in {"0x02", "0x03"}
            verdict, key = (
                ("bad", "card_worn") if worn else ("warn", "card_used") if percent >= 70 else ("good", "card_good")
            )
            return Finding("card", verdict, key, {"percent": percent, "kind": "eMMC"})  # type: ignore[arg-type]
        date = _read(device / "date")
        if match := re.fullmatch(r"(\d\d)/(\d{4})", date):
            age = time.gmtime().tm_year - int(match.group(2))
            old = age >= 5
            return Finding("card", "warn" if old else "good", "card_old" if old else "card_dated", {"date": date})
    for disk in ("nvme0n1", "sda", "vda"):
        if not (around.root / "sys/block" / disk).exists():
            continue
        ran = around.run(["smartctl", "-H", "-A", f"/dev/{disk}"])
        if match := re.search(r"Percentage Used:\s+(\d+)%", ran.out):
            percent = int(match.group(1))
            verdict, key = ("bad", "card_worn") if percent >= 90 else ("good", "card_good")
            return Finding("card", verdict, key, {"percent": percent, "kind": disk})  # type: ignore[arg-type]
        if "FAILED" in ran.out:
            return Finding("card", "bad", "card_failing", {"kind": disk})
    return Finding("card", "absent", "card_unknown")


def data_space(around: Around) -> Finding:
    """Is the data partition there, writable and not full?"""
    section = around.config.get("device", {})
    folder = around.root / str(section.get("data_dir", "/var/lib/pikvani")).lstrip("/")
    marker = str(around.config.get("store", {}).get("marker", ""))
    if marker and not (folder / marker).exists():
        return Finding("data", "bad", "data_missing", {"folder": str(folder)})
    if not folder.is_dir():
        return Finding("data", "bad", "data_missing", {"folder": str(folder)})
    try:
        probe = folder / ".check"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Finding("data", "bad", "data_locked", {"why": error.strerror or "?"})
    usage = shutil.disk_usage(folder)
    free = round(100 * usage.free / usage.total) if usage.total else 0
    values = {"free_percent": free, "free_mb": usage.free // 10**6}
    if free < 3:
        return Finding("data", "bad", "data_full", values)
    return Finding("data", "warn" if free < 15 else "good", "data_scarce" if free < 15 else "data_good", values)


def touch(around: Around) -> Finding:
    """Is there a touch screen? The kernel lists it as an input whose touches are where the picture is."""
    for block in around.text("proc/bus/input/devices").split("\n\n"):
        name = re.search(r'N: Name="([^"]{1,80})', block)
        properties = re.search(r"B: PROP=([0-9a-fA-F]+)", block)
        absolute = re.search(r"B: ABS=", block)
        if name and properties and absolute and int(properties.group(1), 16) & _PROP_DIRECT:
            return Finding("touch", "good", "touch_good", {"name": name.group(1)})
    return Finding("touch", "absent", "touch_missing")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"-?\d{1,7}", text))
