"""Made-up but lifelike messages: what the wire dictionary is trained on and what benchmarks and simulations send.

The values have the entropy of real ones (times, confidences and sequences are random); nobody's data is in here.
"""

from __future__ import annotations

import random

import msgspec

from pikvani_contract.messages import SCHEMA, Batch, CaseBody, Lane, LaneDepth, Record, Status
from pikvani_contract.wire import pack_body

CONDITIONS = (
    "cotton/healthy",
    "cotton/bacterial_blight",
    "cotton/leaf_curl_virus",
    "cotton/fusarium_wilt",
    "cotton/diseased_unspecified",
    "sugarcane/healthy",
    "sugarcane/red_rot",
    "sugarcane/rust",
    "sugarcane/mosaic",
    "sugarcane/yellow_leaf",
    "blackgram/healthy",
    "blackgram/yellow_mosaic",
    "blackgram/anthracnose",
    "blackgram/powdery_mildew",
    "blackgram/leaf_crinkle",
    "chilli/healthy",
    "chilli/leaf_curl_mites_thrips",
    "chilli/cercospora",
    "chilli/powdery_mildew",
    "chilli/nutritional",
    "rice/blast",
    "rice/brown_spot",
    "rice/bacterial_leaf_blight",
    "maize/healthy",
    "maize/common_rust",
    "maize/northern_leaf_blight",
    "maize/grey_leaf_spot",
    "tomato/early_blight",
    "tomato/late_blight",
    "potato/late_blight",
    "grape/black_rot",
)
_REASONS = {
    "answer": ("",),
    "more": ("unsure", "blurred", "too_dark", "too_far"),
    "refuse": ("not_sure", "not_a_leaf", "unknown_crop"),
}


def case_body(rng: random.Random) -> CaseBody:
    """One lifelike case."""
    decision = rng.choices(("answer", "more", "refuse"), (0.7, 0.15, 0.15))[0]
    condition = rng.choice(CONDITIONS)
    crop = condition.split("/")[0]
    neighbours = [c for c in CONDITIONS if c.startswith(crop) and c != condition]
    rng.shuffle(neighbours)
    confidence = min(9_999, max(500, int(rng.betavariate(5, 2) * 10_000)))
    rest = 10_000 - confidence
    return CaseBody(
        decision=decision,
        reason=rng.choice(_REASONS[decision]),
        crop=crop if rng.random() < 0.8 else "",
        condition=condition,
        confidence=confidence,
        others=[(name, rng.randint(0, rest // (i + 2))) for i, name in enumerate(neighbours[:2])],
        model="leaf@1.0.0",
        runtime="onnx/CPU",
        photos=rng.choices((1, 2, 3, 4, 5, 6), (50, 20, 15, 5, 5, 5))[0],
        latency_ms=int(rng.lognormvariate(3.6, 0.5)),
        quality=[rng.randint(1_000, 9_999) for _ in range(3)],
        channel=rng.choice(("kiosk", "kiosk", "kiosk", "lan")),
        locale=rng.choice(("mr-IN", "mr-IN", "mr-IN", "hi-IN")),
        consents=rng.choice((0, 0, 1, 3)),
    )


def case_batch(rng: random.Random, records: int, first_seq: int = 1) -> Batch:
    """A batch of cases as one device would send it."""
    mono_ms = rng.randint(10_000, 10**9)
    offset_ms = 1_790_000_000_000 + rng.randint(0, 10**10)
    rows = []
    for seq in range(first_seq, first_seq + records):
        mono_ms += int(rng.expovariate(1 / 600_000)) + 20_000
        rows.append(Record(seq, mono_ms, offset_ms, 1, "case", msgspec.Raw(pack_body(case_body(rng)))))
    outbox = rng.randbytes(8)
    return Batch(SCHEMA, outbox, Lane.RESULT, first_seq, 0, mono_ms + 2_000, offset_ms, 1, rows)


def status(rng: random.Random) -> Status:
    """A status as one device would send it."""
    lanes = [LaneDepth(int(lane), rng.randint(0, 500), rng.randint(0, 60_000)) for lane in Lane]
    boot_id = f"{rng.getrandbits(128):032x}"
    return Status(
        SCHEMA,
        True,
        boot_id,
        rng.randint(0, 10**9),
        1_790_000_000_000,
        1,
        "0.1.0",
        "leaf@1.0.0",
        "onnx/CPU",
        lanes,
    )
