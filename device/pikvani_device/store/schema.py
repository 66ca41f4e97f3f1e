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
    # can ever name two different records at the centre.
    db.conn.execute(
        """CREATE TABLE outboxes (
            outbox BLOB PRIMARY KEY,
            boot INTEGER NOT NULL REFERENCES boots(boot),
            lane INTEGER NOT NULL,
            next_seq INTEGER NOT NULL,
            UNIQUE (boot, lane)
        ) WITHOUT ROWID"""
    )
    db.conn.execute(
        """CREATE TABLE outbox (
            outbox BLOB NOT NULL,
            seq INTEGER NOT NULL,
            lane INTEGER NOT NULL,
            kind TEXT NOT NULL,
            mono_ms INTEGER NOT NULL,
            offset_ms INTEGER NOT NULL,
            trust INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (outbox, seq)
        ) WITHOUT ROWID"""
    )
    db.conn.execute(
        """CREATE TABLE cases (
            id INTEGER PRIMARY KEY,
            outbox BLOB NOT NULL,
            seq INTEGER NOT NULL,
            wall_ms INTEGER NOT NULL,
            trust INTEGER NOT NULL,
            body BLOB NOT NULL,
            photo_names TEXT NOT NULL,
            synced_ms INTEGER,
            UNIQUE (outbox, seq)
        )"""
    )
    db.conn.execute(
        "CREATE TABLE shed (lane INTEGER PRIMARY KEY, records INTEGER NOT NULL, bytes INTEGER NOT NULL)"
    )
