"""Everything issue by issue that sync promises in numbers, in one run within eight minutes. Called by scripts/bench.

The set-sent-equals-set-stored part is a short fault run; the long one is `scripts/bench faults`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import drain, enqueue, ingest, wire_bytes
from tests.faults.harness import Plan
from tests.faults.harness import run as run_faults


def machine() -> dict[str, Any]:
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="end with one JSON object, say the rest on stderr")
    parser.parse_args()
    found: dict[str, Any] = {}
    here = machine()
    with tempfile.TemporaryDirectory(prefix="pikvani-bench-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        scratch.chmod(0o755)  # Mosquitto reads its files as a user of its own
        for name, part in (
            ("enqueue", lambda where: enqueue.measure(where, 3_000)),
            ("wire", wire_bytes.measure),
            ("drain", drain.measure),
            ("ingest", lambda where: ingest.run()),
            ("faults", faults),
        ):
            print(f"[bench] {name}", file=sys.stderr, flush=True)
            (scratch / name).mkdir()
            found |= part(scratch / name)
    print(json.dumps(found | {"machine": here}))
    return 0


def faults(folder: Path) -> dict[str, Any]:
    plan = Plan(devices=10, results_per_device=300, kills=40, pause_s=1.0, rate=10.0, deadline_s=150)
    outcome = run_faults(plan, folder, lambda text: print(f"[bench] {text}", file=sys.stderr, flush=True))
    return {"lost": outcome.lost, "duplicates": outcome.duplicates, "sent": outcome.sent, "kills": outcome.kills}


if __name__ == "__main__":
    sys.exit(main())
