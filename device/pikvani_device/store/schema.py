"""The tables of the device's database, as small migrations that each run once and in order."""

from sqlite_utils import Database, Migrations

migrations = Migrations("pikvani_device")


@migrations()
def cases_and_outbox(db: Database) -> None:
    """The first tables: who we are, which boots there were, what waits for the centre, what farmers asked."""
    db.conn.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    db.conn.execute(
        """CREATE TABLE boots (
            boot INTEGER PRIMARY KEY,
            boot_id TEXT NOT NULL
        )"""
    )
    # One outbox a boot and lane: a database restored from an old copy opens new ones, so no sequence number
    # can ever name two different records at the centre. `stream` is boot * 16 + lane; `highest` is the highest
    # sequence that ever left the outbox, so that a number is not given twice when the outbox is empty.
    db.conn.execute(
        """CREATE TABLE outboxes (
            stream INTEGER PRIMARY KEY,
            outbox BLOB NOT NULL UNIQUE,
            highest INTEGER NOT NULL
        )"""
    )
    # The keys of both tables are stream * 2^40 + sequence: one integer orders by boot, lane and sequence, and a
    # case costs the card two pages a commit, no index among them.
    db.conn.execute(
        """CREATE TABLE outbox (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            mono_ms INTEGER NOT NULL,
            offset_ms INTEGER NOT NULL,
            trust INTEGER NOT NULL,
            body BLOB NOT NULL
        )"""
    )
    db.conn.execute(
        """CREATE TABLE cases (
            id INTEGER PRIMARY KEY,
            wall_ms INTEGER NOT NULL,
            trust INTEGER NOT NULL,
            body BLOB NOT NULL,
            photo_names TEXT NOT NULL,
            synced_ms INTEGER
        )"""
    )
    db.conn.execute("CREATE TABLE shed (lane INTEGER PRIMARY KEY, records INTEGER NOT NULL, bytes INTEGER NOT NULL)")
