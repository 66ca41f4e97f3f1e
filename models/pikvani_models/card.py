"""The model card, written from the manifest's measured numbers and from nothing else."""

from __future__ import annotations

from pathlib import Path

from msgspec import structs

from pikvani_contract.model.gates import REFUSAL_PROTOCOL, REFUSED, REHEARSED_PROTOCOL, UNSEEN_PROTOCOL
from pikvani_contract.model.manifest import Manifest, Metric
from pikvani_models.leaving import PROTOCOL as LEFT_OUT
from pikvani_models.measuring import NEVER_SHOWN
from pikvani_models.registry import CROPS, HELD_OUT_SOURCES

COLUMNS = ("accuracy", "accuracy_open", "macro_f1", "ece", "answered", "right_of_answered")


def write_card(manifest: Manifest, path: Path) -> None:
    """Write `MODEL_CARD.md`."""
    unseen = [x for x in manifest.metrics if x.protocol == UNSEEN_PROTOCOL]
    lines = [
        f"# Model card: {manifest.name} {manifest.version}",
        "",
        "Names leaf diseases from photographs, offline, and refuses where it is not sure. It advises nobody to spray:",
        'a confident answer is still a photograph\'s answer, and a refusal means "show it to your KVK".',
        "",
        f"- Network: {manifest.quantisation.get('network', 'EfficientNet-Lite0')}, {manifest.input.size} px, "
        f"{len(manifest.labels) - 1} conditions of "
        f"{len(manifest.crops)} crop{'s' if len(manifest.crops) > 1 else ''} and one refusal label.",
        *_limits(manifest),
        f"- Thresholds: answer at {manifest.decision.overall.answer:.2f}, ask again at "
        f"{manifest.decision.overall.more:.2f}"
        f"{' (crops of the laboratory alone: higher, see the manifest)' if manifest.decision.crops else ''}; "
        f"the aim is at most {manifest.decision.risk:.0%} wrong among the answered.",
        "",
        "## Measured (quantised ONNX file, crop known unless said)",
        *_went_on(manifest),
        *_table([x for x in manifest.metrics if x.protocol == "in-source"], "Same sources, other photographs"),
        *(_table(unseen, "A source never trained on") if unseen else []),
        *_cases(manifest),
        *_rehearsed(manifest),
        *_left_out(manifest),
        "",
        f"### Refused, at the confidence that keeps 90% of known {_kept(manifest)} (crop not told)",
        *_refused([x for x in manifest.metrics if x.protocol == REFUSAL_PROTOCOL and x.source]),
        "The refusal pictures come from the same sets as those trained on: expect less elsewhere.",
        *_never_shown(manifest),
        "",
        "## INT8 against FP32",
        "",
        "| file | photographs | same top label | accuracy lost, points | size ratio | speed ratio, x86, one thread |",
        "|---|---|---|---|---|---|",
        *[
            f"| {name} | {a.photographs} | {a.top1:.1%} | {a.accuracy_drop:.2f} | {a.size_ratio:.3f} | "
            f"{a.speed_ratio or 'not measured'} |"
            for name, a in manifest.agreement.items()
        ],
        "",
        "## Trained on",
        "",
        "| source | crop | kind | licence | photographs |",
        "|---|---|---|---|---|",
        *[f"| {d.name} | {d.crop} | {d.kind} | {d.licence} | {d.photographs} |" for d in manifest.data],
        "",
        "Source and class are tangled in these sets; same-source figures flatter. Not covered at all: soybean, onion,",
        "pomegranate, wheat, tur, healthy rice.",
        "",
    ]
    path.write_text("\n".join(lines))


def _limits(manifest: Manifest) -> list[str]:
    """What a reader must know before any figure."""
    lines = []
    if manifest.laboratory_only:
        lines.append(
            f"- **Trained on laboratory pictures only: {', '.join(manifest.laboratory_only)}.** No field photograph of "
            "these crops was seen in training; expect much lower accuracy in the field."
        )
    if painted := manifest.quantisation.get("painted"):
        lines.append(
            f"- What sick leaves of {painted} look like was learnt from healthy leaves on which diseases were painted "
            "as handbooks tell them (`models/pikvani_models/looks.py`), mixed with what a laboratory's leaves show."
        )
    if "maize" in manifest.crops:
        lines.append(
            "- Maize: the figures at a source never trained on are of a network that knew it from the laboratory alone."
        )
    if UNSEEN_PROTOCOL in manifest.not_measured:
        lines.append(
            "- **Never measured on a source it was not trained on**: none of these crops has one that is held out. "
            "Expect lower accuracy on another farm, and more confidence than is due there."
        )
    if left_out := sorted(set(CROPS) - set(manifest.crops)):
        lines.append(
            f"- Knows nothing of other crops and was never shown them: it may name a leaf of {', '.join(left_out)}, or "
            "of any other, as one of its own."
        )
    return lines


def _kept(manifest: Manifest) -> str:
    known = {d.kind for d in manifest.data if d.crop in manifest.crops and d.name not in HELD_OUT_SOURCES}
    return "field photographs" if "field" in known else "photographs, of which none is from a field"


def _cases(manifest: Manifest) -> list[str]:
    found = sorted({x.protocol for x in manifest.metrics if "cases of" in x.protocol})
    if not found:
        return []
    lines = ["", "### Several photographs in a case", "", "| cases | count | accuracy | answered | right of answered |"]
    lines.append("|---|---|---|---|---|")
    for protocol in found:
        values = {x.name: x for x in manifest.metrics if x.protocol == protocol}
        cells = " | ".join(f"{values[n].value:.3f}" for n in ("accuracy", "answered", "right_of_answered"))
        lines.append(f"| {protocol} | {values['accuracy'].count} | {cells} |")
    return lines


def _went_on(manifest: Manifest) -> list[str]:
    if not (how := manifest.quantisation.get("went_on")):
        return []
    return [
        "",
        f"**This network went on from the one that was measured, {how}.** The figures are of the one before it;",
        "its own are those of INT8 against FP32 alone.",
    ]


def _rehearsed(manifest: Manifest) -> list[str]:
    found = [x for x in manifest.metrics if x.protocol == REHEARSED_PROTOCOL]
    if not found:
        return []
    refused = [x for x in found if x.name == REFUSED]
    held = [x.source for x in found if x.name == "accuracy" and x.source in HELD_OUT_SOURCES]
    lines = _table([x for x in found if x.name != REFUSED], "Rehearsed: the last steps, without these photographs")
    lines += [
        "",
        "What going on changes: a network that took the same last steps, but for the photographs above, with the",
        "confidence and the thresholds of the one before them.",
    ]
    if held:
        lines += [f"It saw the other half of {', '.join(held)}, which the sum leaves out."]
    return [*lines, *_refused(refused)[:-1]]


def _left_out(manifest: Manifest) -> list[str]:
    found = [x for x in manifest.metrics if x.protocol.startswith(LEFT_OUT) and x.name != NEVER_SHOWN]
    if not found:
        return []
    farms = [structs.replace(x, source=x.protocol.removeprefix(LEFT_OUT)) for x in found]
    return [
        *_table(farms, "A farm left out"),
        "",
        "Networks like this one, trained less long and without that farm, on its photographs: what a farm unlike all",
        "those below may expect, and how far the aim above holds there. This network was trained on them.",
    ]


def _never_shown(manifest: Manifest) -> list[str]:
    found = [x for x in manifest.metrics if x.name == NEVER_SHOWN]
    if not found:
        return []
    return [
        "",
        "### Crops never shown, refused at the same confidence (crop not told)",
        *_refused([structs.replace(x, source=x.protocol.removeprefix(LEFT_OUT)) for x in found]),
        "What stands among the sources below was refused by a network like this one, trained less long and without",
        "them; anything else by this network itself.",
    ]


def _refused(metrics: list[Metric]) -> list[str]:
    rows = [f"| {x.source} | {x.count} | {x.value:.1%} |" for x in metrics]
    return ["", "| pictures of | photographs | refused |", "|---|---|---|", *rows, ""]


def _table(metrics: list[Metric], title: str) -> list[str]:
    rows: dict[str, dict[str, Metric]] = {}
    for x in metrics:
        rows.setdefault(x.source or "all", {})[x.name] = x
    lines = [
        "",
        f"### {title}",
        "",
        f"| source | photographs | {' | '.join(COLUMNS)} |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for source, values in rows.items():
        cells = " | ".join(f"{values[c].value:.3f}" if c in values else "" for c in COLUMNS)
        lines.append(f"| {source} | {next(iter(values.values())).count} | {cells} |")
    return lines
