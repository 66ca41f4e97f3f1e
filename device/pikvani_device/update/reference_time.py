"""By which time metadata is judged expired, on a machine whose clock may lie. Rules only; reads no clock, no file.

A Pi without a battery boots in 1970. Judged by that, nothing ever expires and yesterday's repository could be shown
for years; so the latest time known from elsewhere is a floor. The centre signs the time of signing into `timestamp`,
which makes every accepted timestamp such a floor. It is read again from the stored file each time, never kept apart:
once the root names other timestamp keys, a floor signed with the old ones is gone too, so that a stolen key or a wrong
clock at the centre cannot lock devices out for good.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tuf.api.metadata import Signed, Timestamp  # type: ignore[attr-defined]
from tuf.ngclient._internal.trusted_metadata_set import TrustedMetadataSet
from tuf.ngclient.config import EnvelopeType

from pikvani_contract.clock import ClockTrust, Moment
from pikvani_contract.repository import SIGNED_AT_FIELD

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def reference_time(moment: Moment, floor_ms: int) -> datetime:
    """The time to judge expiry by.

    Args:
        moment: what this machine's clocks say.
        floor_ms: UTC milliseconds it is known to be at least (receipts, GNSS), 0 when nothing is known.

    Returns:
        The wall clock, never before the floor. A clock nothing has confirmed may also be far ahead, so the floor
        alone counts beside it; without a floor, the wall clock is all there is.
    """
    trusted_ms = moment.wall_ms if moment.trust > ClockTrust.UNTRUSTED or not floor_ms else floor_ms
    return _EPOCH + timedelta(milliseconds=max(trusted_ms, floor_ms))


def signed_at(timestamp: Timestamp) -> datetime | None:
    """When a timestamp says it was signed; nothing where it says so not at all, or what cannot be."""
    text = timestamp.unrecognized_fields.get(SIGNED_AT_FIELD)
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if isinstance(text, str) else None
    except ValueError:
        return None
    # A timestamp born expired would make itself, and all that follow, unacceptable.
    return at if at is not None and at < timestamp.expires else None


class FlooredMetadataSet(TrustedMetadataSet):
    """python-tuf's rules of trust, judged at a time of our choice.

    Args:
        root: the trusted root.
        moment: what this machine's clocks say.
        floor_ms: as for `reference_time`.

    Raises:
        RepositoryError: the root does not verify by itself.
    """

    def __init__(self, root: bytes, moment: Moment, floor_ms: int) -> None:
        self._moment = moment
        self._floor_ms = floor_ms
        super().__init__(root, EnvelopeType.METADATA)
        self.reference_time = reference_time(moment, floor_ms)

    @property
    def floor_ms(self) -> int:
        """UTC milliseconds it is now known to be at least."""
        return self._floor_ms

    def update_timestamp(self, data: bytes) -> Timestamp:
        """Verify and load a timestamp, and let its time of signing raise the floor."""
        try:
            return super().update_timestamp(data)
        finally:
            # Also after a refusal: an expired timestamp is kept for rollback protection, and dates just as well.
            at = signed_at(self.timestamp) if Timestamp.type in self else None
            if at is not None:
                self._floor_ms = max(self._floor_ms, int((at - _EPOCH).total_seconds() * 1000))
                self.reference_time = reference_time(self._moment, self._floor_ms)

    def _add(self, role: str, signed: Signed, delegator: str) -> None:
        # Two roles may delegate to one name with different keys, and a repository may serve each its own file of
        # that version. What was verified for one must not pass for the other, nor may what hung on it.
        self._trusted_delegations = {pair for pair in self._trusted_delegations if role not in pair}
        super()._add(role, signed, delegator)
