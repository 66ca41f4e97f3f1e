"""Whether dates of certificates are looked at: a board without a battery cannot know today's date before it has asked.

The chain, the name and the list of the centre's authorities are always checked. Dates are only where this machine's
own clock, which is what OpenSSL reads, agrees with a time that something has confirmed.
"""

from __future__ import annotations

import ssl
import time

from pikvani_contract.clock import ClockTrust, Moment

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python's `ssl` does not name."""
_DAY_MS = 86_400_000


def dates_count(now: Moment) -> bool:
    """Whether the machine's clock is one by which a certificate may be called too old or too new."""
    return now.trust >= ClockTrust.FLOOR and abs(time.time_ns() // 1_000_000 - now.wall_ms) < _DAY_MS


def ignore_dates(context: ssl.SSLContext) -> None:
    """Believe certificates whatever their dates."""
    context.verify_flags = ssl.VerifyFlags(context.verify_flags | _NO_CHECK_TIME)
