"""Which packages may go to farmers: registry stages, and the stamp without which none is signed for production.

The stamp is a person's word that the gates were passed and the rights are clear, tied to the very bytes by their hash.
What can be compared with the package is compared; the rest stands in the signed metadata under that person's name.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from pikvani_server.repository.errors import ComplianceError
from pikvani_server.repository.packages import PackedPackage

Stage = Literal["candidate", "staging", "production", "archived"]
STAGES: tuple[str, ...] = get_args(Stage)

_Text = Annotated[str, Meta(min_length=3, max_length=2000)]


class Stamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What must be known of a package before it is signed for production.

    Attributes:
        sha256: of the packed package (`repository add-target --stage candidate` prints it).
        gates: every gate of the evaluation and whether it was passed, as `pikvani-models validate --json` names them.
        model_card_sha256: of what was read and approved: the model card, the sources of an advice package, or the
            manifest of a speech package or prompt pack.
        licences: licences of all it was made from, as the manifest names them.
        data_rights: why these data may be used for this.
        approved_by: names of those who answer for it.
        approved_at: when.
    """

    sha256: str
    gates: Annotated[dict[str, bool], Meta(min_length=1)]
    model_card_sha256: str
    licences: Annotated[tuple[str, ...], Meta(min_length=1)]
    data_rights: _Text
    approved_by: Annotated[tuple[_Text, ...], Meta(min_length=1)]
    approved_at: datetime


def registry_entry(package: PackedPackage, stage: Stage, stamp: bytes | None) -> dict[str, Any]:
    """What is signed beside a package's hash: name, version, stage and stamp.

    Args:
        package: the package.
        stage: where it shall stand.
        stamp: JSON of a `Stamp`; needed for production.

    Raises:
        ComplianceError: production without a stamp that holds, or a stamp that cannot be read.
    """
    manifest = package.manifest
    entry: dict[str, Any] = {
        "package": manifest.name,
        "version": manifest.version,
        "stage": stage,
        "kind": package.kind,
    }
    if stamp is None:
        if stage == "production":
            raise ComplianceError(f"{package.target_path}: production needs a stamp; have it approved, give --stamp")
        return entry
    try:
        read = msgspec.json.decode(stamp, type=Stamp)
    except msgspec.MsgspecError as error:
        raise ComplianceError(f"{package.target_path}: the stamp cannot be read ({error}); write it anew") from None
    wrong = _shortcomings(package, read)
    if wrong:
        raise ComplianceError(f"{package.target_path}: the stamp does not hold: {'; '.join(wrong)}")
    return {**entry, "stamp": msgspec.to_builtins(read)}


def _shortcomings(package: PackedPackage, stamp: Stamp) -> list[str]:
    wrong = []
    if stamp.sha256 != package.sha256:
        wrong.append(f"it is for {stamp.sha256[:12]}, this package is {package.sha256[:12]}")
    wrong += [f"gate {gate} was not passed" for gate, passed in sorted(stamp.gates.items()) if not passed]
    wrong += [f"gate {gate} is not named" for gate in package.gates if gate not in stamp.gates]
    if not package.card_sha256:
        wrong.append(f"the package has no {package.card}")
    elif package.card_sha256 != stamp.model_card_sha256:
        wrong.append(f"another {package.card} was approved")
    missing = package.licences - set(stamp.licences)
    wrong += [f"licence {licence} is not listed" for licence in sorted(missing)]
    if stamp.approved_at.tzinfo is None:
        wrong.append("approved_at has no time zone")
    return wrong
