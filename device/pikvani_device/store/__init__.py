"""What the appliance remembers: cases, the outbox to the centre, and a few facts. One SQLite file.

`open_store` is the way in. Nothing here knows MQTT; `sync` drains what lies in the outbox.
"""

from pikvani_device.store.database import Store, open_store
from pikvani_device.store.keys import StoredCase

LATEST_KNOWN_TIME_FACT = "clock.latest_known_ms"
"""UTC milliseconds the centre last said, kept for the next start."""

__all__ = ["LATEST_KNOWN_TIME_FACT", "Store", "StoredCase", "open_store"]
