"""Labelled cases for `pikvani-models`: pictures by their checksum, one line a case, and where everything is from.

Only cases whose farmer allowed training, with a label two people agreed on or a referee settled. No device id, no
village and no name of a labeller goes out: devices and people are numbered by a keyed hash that the export holds alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from pikvani_contract.consent import Consent
from pikvani_server.errors import ServerError
from pikvani_server.review import queue, results
from pikvani_server.store import Store

FORMAT = 1


def export(store: Store, out: Path, now: datetime, key: bytes | None = None) -> dict[str, Any]:
    """Write `labels.jsonl`, `photos/SHA256.jpg` and, last, `provenance.json` into a new folder.

    Args:
        store: what to read.
        out: must not exist, or be empty.
        now: UTC, told in the provenance.
        key: makes the numbers of devices and people; random, and so unlinkable between exports, if left out.

    Returns:
        What `provenance.json` says.

    Raises:
        ServerError: the folder is in use or cannot be written.
    """
    secret = key or os.urandom(32)

    def number(text: str) -> str:
        return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()[:16]

    lines, left_out = [], {"no_training_consent": 0, "picture_gone": 0}
    try:
        if out.exists() and any(out.iterdir()):
            raise ServerError(f"{out} is not empty: export into a new folder")
        (out / "photos").mkdir(parents=True, exist_ok=True)
        for row in results.labelled(store):
            if not row["consents"] & Consent.TRAINING:
                left_out["no_training_consent"] += 1
                continue
            case = queue.CaseKey(row["device_id"], bytes(row["outbox"]), row["seq"])
            picture = queue.thumbnail(store, case)
            if picture is None or hashlib.sha256(picture).hexdigest() != row["sha256"]:
                left_out["picture_gone"] += 1
                continue
            (out / "photos" / f"{row['sha256']}.jpg").write_bytes(picture)
            labels = queue.labels_of(store, case)
            lines.append(_line(row, labels, number))
        body = "".join(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n" for line in lines)
        (out / "labels.jsonl").write_text(body, encoding="utf-8")
        provenance = {
            "format": FORMAT,
            "exported_at": now.isoformat(),
            "cases": len(lines),
            "left_out": left_out,
            "labels_sha256": hashlib.sha256(body.encode()).hexdigest(),
            "licence": "by the farmers' consent to training; not for publication",
        }
        (out / "provenance.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ServerError(f"cannot write {out}: {error.strerror}; free some space or name another folder") from None
    return provenance


def _line(row: dict[str, Any], labels: list[dict[str, Any]], number: Any) -> dict[str, Any]:
    return {
        "photo": f"photos/{row['sha256']}.jpg",
        "sha256": row["sha256"],
        "condition": row["outcome"],
        "agreement": row["state"],
        "labels": [
            {"labeller": number(one["labeller"]), "role": one["role"], "condition": one["condition"]} for one in labels
        ],
        "group": number(row["device_id"]),
        "happened_on": row["happened_at"].date().isoformat(),
        "why": row["why"],
        "share": row["share"],
        "model": row["model"],
        "model_said": row["condition"],
        "confidence": row["confidence_e4"] / 10_000,
        "consents": row["consents"],
    }
