"""What a farmer may allow, one bit a purpose. Nothing is allowed unless its bit is set."""

from __future__ import annotations

from enum import IntFlag


class Consent(IntFlag):
    """Bits of `CaseBody.consents`. A new purpose takes the next bit; none is ever given another meaning."""

    PHOTO = 1
    """A thumbnail of the leaf may go to the centre, for a person to look at."""
    VOICE = 2
    """The voice note or its words may go to the centre."""
    TRAINING = 4
    """What went to the centre may be used to make the model better."""
    PLACE = 8
    """The place may be told, rounded to the taluka."""
