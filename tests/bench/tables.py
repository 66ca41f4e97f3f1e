"""What benches print, as the tables of one page. A function a part: JSON objects in, lines of Markdown out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

Found: TypeAlias = list[dict[str, Any]]
Rows: TypeAlias = Callable[[Found], list[str]]


def table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines]


def bound(words: str, kept: bool) -> str:
    """A bound, bold where it was missed."""
    return words if kept else f"**{words}**"


def percent(share: float) -> str:
    """A share with one digit."""
    return f"{100 * share:.1f}%"


def answer(found: Found) -> list[str]:
    """Device against FastAPI and PyTorch."""
    one = found[-1]
    rows = [
        (what, f"{one['ours_' + key]:,} {unit}", f"{one['fastapi_torch_' + key]:,} {unit}", one[ratio])
        for what, key, unit, ratio in (
            ("photograph to answer over HTTP, median", "ms", "ms", "ms_ratio"),
            ("the same, p95", "p95_ms", "ms", "p95_ratio"),
            ("from the start of the process to its first answer", "start_s", "s", "start_s_ratio"),
            ("memory after all photographs", "rss_mb", "MB", "rss_mb_ratio"),
        )
    ]
    about = (
        f"{one['photos']} drawn leaves, one thread each, in turns. Ours checks the photograph, runs INT8, decides "
        "whether to answer, makes the case durable and adds advice; the peer runs the same network in FP32 and keeps "
        "nothing."
    )
    return [about, "", *table(("what", "ours", "FastAPI + PyTorch FP32", "ratio"), rows)]


def int8(found: Found) -> list[str]:
    """INT8 against FP32."""
    one = found[-1]
    rows = []
    for runtime, name in (("onnx", "onnxruntime"), ("tflite", "LiteRT")):
        speed, size = one[f"{runtime}_speed_ratio"], one[f"{runtime}_size_ratio"]
        speed_bound = bound("1.35 times", speed >= 1.35) if runtime == "onnx" else "-"
        times = (f"{one[f'{runtime}_int8_ms']} ms", f"{one[f'{runtime}_fp32_ms']} ms")
        rows.append((f"{name}, one invoke", *times, speed, speed_bound))
        rows.append((f"{name}, size of the file", "-", "-", size, bound("at most 0.28", size <= 0.28)))
    return table(("what", "INT8", "FP32", "ratio", "bound"), rows)


_BARS = {"hindi_30_words": 0.90, "hindi_digits": 0.92, "marathi_1_20": 0.91, "marathi_1_10": 0.92}


def speech(found: Found) -> list[str]:
    """Ours against Sphinx."""
    one = found[-1]
    rows = []
    for name, bar in _BARS.items():
        seen = one[name]
        baseline = max(seen["sphinx_right"], seen["sphinx_first_measured"])
        rtf = f"{seen['ours_rtf']} / {seen['sphinx_rtf']}"
        words = f"{name.replace('_', ' ')}, {seen['clips']} clips"
        right, bar_told = seen["ours_right"], bound(percent(bar), seen["ours_right"] >= bar)
        rows.append((words, percent(right), percent(seen["sphinx_right"]), percent(baseline), rtf, bar_told))
    head = ("set", "ours", "Sphinx here", "Sphinx at its best", "s a second of speech, ours / Sphinx", "bound")
    return table(head, rows)


def sync(found: Found) -> list[str]:
    """Queue, wire, drain, ingest, kills."""
    one = found[-1]
    per_result, ratio = one["bytes_per_result"], one["drain_ratio"]
    litequeue, persist = one["enqueue_ratio_litequeue"], one["enqueue_ratio_persist_queue"]
    workers = one["ingest_two_workers_ratio"]
    peak, kills = one["outage_peak_over_idle_mb"], sum(one["kills"].values())
    rows = [
        ("bytes on the socket a result, receipts included", per_result,
         f"{one['bytes_per_result_json']} (a JSON message a result)", one["json_over_ours"],
         bound("100 bytes", per_result <= 100)),
        ("durable enqueue, mean", f"{one['ours_us']} us", f"{one['litequeue_us']} us (litequeue)", litequeue,
         bound("1", litequeue >= 1)),
        ("the same", f"{one['ours_us']} us", f"{one['persist_queue_us']} us (persist-queue)", persist,
         bound("1", persist >= 1)),
        ("drain over mutual TLS, committed and receipted, results/s", f"{one['drain_results_per_s']:,}",
         f"{one['one_message_results_per_s']:,} (paho QoS 1 from memory, never waits; nothing stored)",
         ratio, bound("10", ratio >= 10)),
        ("the same", f"{one['drain_results_per_s']:,}",
         f"{one['one_message_committed_results_per_s']:,} (the same client; each committed as it comes)",
         one["drain_ratio_committed"], "-"),
        ("the same", f"{one['drain_results_per_s']:,}",
         f"{one['one_message_waiting_results_per_s']:,} (paho QoS 1, each acknowledged before the next)",
         one["drain_ratio_waiting"], "-"),
        ("ingest with commit on PostgreSQL, results a worker CPU-second", f"{one['ingest_per_cpu_s']:,}", "-", "-",
         bound("10,000", one["ingest_per_cpu_s"] >= 10_000)),
        ("the same from ten times the devices", f"{one['ingest_per_cpu_s_ten_times_the_devices']:,}", "-", "-", "-"),
        ("two shared-subscription workers against one, wall", f"{one['two_workers']['results_per_wall_s']:,}/s",
         f"{one['one_worker']['results_per_wall_s']:,}/s", workers, "-"),
        (f"{one['outage_cases']:,} cases after {one['outage_days']} days offline: memory over idle", f"{peak} MB", "-",
         "-", bound("40 MB", peak <= 40)),
        (f"{one['sent']:,} results, {kills} kills: lost, twice", f"{one['lost']}, {one['duplicates']}", "-", "-",
         bound("0, 0", one["lost"] == one["duplicates"] == 0)),
    ]  # fmt: skip
    cpu = one["one_worker"]["cpu_s"]
    rounds = sorted(one["drain_ratio_rounds"])
    about = (
        f"The drain is the median of {len(rounds)} rounds in which peers and we took turns, ratios {rounds[0]} to "
        f"{rounds[-1]}. CPU seconds of one worker's run: worker {cpu['workers']}, broker "
        f"{cpu['broker']}, database {cpu['database']}."
    )
    return [*table(("what", "ours", "peer", "ratio", "bound"), rows), "", about]


def update(found: Found) -> list[str]:
    """Bytes of updates."""
    one = found[-1]
    tuned, heads, texts = one["tuned"], one["heads"]["wire_bytes"], one["heads_texts"]["wire_bytes"]
    rows = [
        ("a check with nothing new", one["check_bytes"], bound("700", one["check_bytes"] <= 700)),
        ("the head alone changed", f"{heads:,}", bound("15,000", heads <= 15_000)),
        ("the same, with all texts measured anew", f"{texts:,}", bound("15,000", texts <= 15_000)),
        (f"one weight in forty moved, the link cut {tuned['cuts']} times: bytes of files that came, against needed",
         f"{tuned['fetched_bytes']:,} / {tuned['needed_bytes']:,} = {tuned['fetched_ratio']}",
         bound("1.05", tuned["fetched_ratio"] <= 1.05)),
    ]  # fmt: skip
    return table(("what", "bytes", "bound"), rows)


def rollout(found: Found) -> list[str]:
    """The simulated fleet."""
    rows = [
        (o["version"], o["state"], f"{o['exposed']:,} ({o['exposed_percent']:g}%)", o["ran"], o["back"], o["on_new"],
         o["hours"], o["reason"])
        for o in found[-1]["outcomes"]
    ]  # fmt: skip
    kept = bound("bad versions stop within 1% and one step, all are back", found[-1]["kept"])
    return [
        f"Bound: {kept}.",
        "",
        *table(("version", "ends", "exposed", "ran on", "back", "on new", "hours", "why"), rows),
    ]


def drift(found: Found) -> list[str]:
    """Ours, silence, river."""
    plain = {row["detector"]: row for row in found if "nulls_with_alarm" in row}
    real = {row["detector"]: row for row in found if "alarms" in row}
    rows = [
        (name, real[name]["f1"], real[name]["covering"], row["f1"], row["covering"], percent(row["nulls_with_alarm"]),
         row["median_delay_steps"], row["seconds"])
        for name, row in plain.items()
    ]  # fmt: skip
    head = ("detector", "F1, stand-ins", "covering", "F1, made", "covering", "nulls alarmed", "delay, steps", "seconds")
    about = "Stand-ins are made after kinds of annotated real series, with five annotators each; none was tuned on."
    return [about, "", *table(head, rows)]


def memory(found: Found) -> list[str]:
    """RSS and PSS by process."""
    one = found[-1]
    rows = [(f"`{row['process']}`", row["rss_mb"], row["pss_mb"]) for row in one["processes"]]
    total = bound(f"{one['limit_mb']} MB RSS", one["rss_mb"] <= one["limit_mb"])
    return table(("process", "RSS, MB", "PSS, MB"), [*rows, (f"all; bound {total}", one["rss_mb"], one["pss_mb"])])


def kiosk(found: Found) -> list[str]:
    """Robots and times."""
    one = found[-1]
    times = one["times"]
    rows = [
        (
            f"an answer by {name}",
            f"{one[name]['found']} of {one[name]['runs']}",
            bound(told, one[name]["share"] >= least),
        )
        for name, told, least in (("touch", "100%", 1.0), ("picture", "100%", 1.0), ("voice", "96%", 0.96))
    ]
    rows += [
        (f"{what}, median / p95, ms", f"{times[key]['p50']:,.0f} / {times[key]['p95']:,.0f}",
         bound(f"{limit:,} ms", times[key]["p95"] <= limit))
        for what, key, limit in (("shutter to answer, three phones sending", "answer_ms", 1_500),
                                 ("first page ready to be touched", "first_page_interactive_ms", 1_000))
    ]  # fmt: skip
    return table(("what", "measured", "bound"), rows)


def growth(found: Found) -> list[str]:
    """Device and centre as they fill."""
    one = found[-1]
    head = ("cases that wait on the device", "to record one, us", "latest fifty, us", "queue looked at, us",
            "bytes a case", "to open, ms")  # fmt: skip
    keys = ("cases", "record_us", "latest_page_us", "depths_us", "bytes_a_case", "open_ms")
    device = table(head, [[f"{row[key]:,}" for key in keys] for row in one["device"]])
    pages = [key for key in one["centre"][0] if key.startswith("/")]
    rows = [[f"{row['devices']:,}", f"{row['cases']:,}", *(row[page] for page in pages)] for row in one["centre"]]
    centre = table(("devices", "cases at the centre", *(f"`{page}` p95, ms" for page in pages)), rows)
    return [*device, "", *centre]
