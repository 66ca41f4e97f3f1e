"""How much one device may send, as a token bucket a device in a table of bounded size. No clock of its own.

What is over the limit is not lost: it is dropped without a receipt, so the device keeps it and sends it again.
"""

from __future__ import annotations

from collections import OrderedDict

MESSAGE_COST_BYTES = 1_000
"""What a message costs beside its bytes, so that many tiny ones are not free."""


class RateLimit:
    """A token bucket for each device.

    Args:
        rate_bytes_s: refill, in bytes a second; 0 switches the limit off.
        burst_bytes: what an idle device may send at once.
        max_devices: buckets kept; the least recently used is forgotten, which only errs in its favour.
    """

    def __init__(self, rate_bytes_s: float, burst_bytes: float, max_devices: int = 10_000) -> None:
        self._rate = rate_bytes_s
        self._burst = burst_bytes
        self._max_devices = max_devices
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allows(self, device_id: str, size_bytes: int, now_s: float) -> bool:
        """Take `size_bytes` from the device's bucket, if they are there.

        Args:
            device_id: whose bucket.
            size_bytes: of the payload.
            now_s: monotonic seconds.
        """
        if self._rate <= 0:
            return True
        tokens, since_s = self._buckets.pop(device_id, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - since_s) * self._rate)
        cost = size_bytes + MESSAGE_COST_BYTES
        allowed = tokens >= cost
        self._buckets[device_id] = (tokens - cost if allowed else tokens, now_s)
        if len(self._buckets) > self._max_devices:
            self._buckets.popitem(last=False)
        return allowed
