"""The tables of the device's database, as small migrations that each run once and in order."""

import msgspec
from sqlite_utils import Database, Migrations

from pikvani_contract.sequences import SequenceSet

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


@migrations()
def one_row_a_record(db: Database) -> None:
    """A case was written twice, as history and as what waits; now once, and its outbox knows what is committed.

    Half the pages a farmer's answer waits for. `committed` holds the committed sequences as MessagePack pairs
    (first, last); only the lane of results needs it, the rows of other lanes go when they are committed.
    """
    db.conn.execute(
        """CREATE TABLE records (
            id INTEGER PRIMARY KEY,
            kind TEXT NOT NULL,
            mono_ms INTEGER NOT NULL,
            offset_ms INTEGER NOT NULL,
            trust INTEGER NOT NULL,
            body BLOB NOT NULL,
            photo_names TEXT
        )"""
    )
    db.conn.execute("ALTER TABLE outboxes ADD COLUMN committed BLOB NOT NULL DEFAULT x'90'")
    db.conn.execute(
        """INSERT INTO records SELECT o.id, kind, mono_ms, offset_ms, o.trust, o.body, c.photo_names
           FROM outbox o LEFT JOIN cases c ON c.id = o.id"""
    )
    db.conn.execute(
        """INSERT INTO records SELECT id, 'case', 0, wall_ms, trust, body, photo_names FROM cases
           WHERE id NOT IN (SELECT id FROM outbox)"""
    )
    for stream, highest in db.conn.execute("SELECT stream, highest FROM outboxes WHERE stream % 16 = 0").fetchall():
        waiting = db.conn.execute("SELECT id & 1099511627775 FROM outbox WHERE id >> 40 = ? ORDER BY id", (stream,))
        committed, expected = SequenceSet(), 1
        for (seq,) in waiting:
            if seq > expected:
                committed.add_interval(expected, seq - 1)
            expected = seq + 1
        if highest >= expected:
            committed.add_interval(expected, highest)
        packed = msgspec.msgpack.encode(committed.intervals())
        db.conn.execute("UPDATE outboxes SET committed = ? WHERE stream = ?", (packed, stream))
    db.conn.execute("DROP TABLE outbox")
    db.conn.execute("DROP TABLE cases")


@migrations()
def traits_and_said_sketches(db: Database) -> None:
    """What a case adds to the day's sketch and its record does not hold, and which sketches were said."""
    db.conn.execute("ALTER TABLE records ADD COLUMN traits BLOB")
    db.conn.execute(
        """CREATE TABLE said_sketches (
            model TEXT NOT NULL,
            day TEXT NOT NULL,
            revision INTEGER NOT NULL,
            data BLOB NOT NULL,
            spent_bytes INTEGER NOT NULL,
            PRIMARY KEY (model, day)
        ) WITHOUT ROWID"""
    )


@migrations()
def soil_readings(db: Database) -> None:
    """What the soil was like; monotonic time finds the cases of that time, whatever the clock on the wall said."""
    db.conn.execute(
        """CREATE TABLE soil (
            boot INTEGER NOT NULL,
            mono_ms INTEGER NOT NULL,
            wall_ms INTEGER NOT NULL,
            moisture_percent REAL NOT NULL,
            temperature_c REAL NOT NULL,
            ec_us_cm INTEGER NOT NULL,
            PRIMARY KEY (boot, mono_ms)
        ) WITHOUT ROWID"""
    )


@migrations()
def consents_and_erasures(db: Database) -> None:
    """What farmers allowed and took back. A consent outlives its case: what was sent can be taken back later."""
    db.conn.execute(
        """CREATE TABLE consents (
            id INTEGER PRIMARY KEY,
            outbox BLOB NOT NULL,
            seq INTEGER NOT NULL,
            code TEXT NOT NULL UNIQUE,
            purposes INTEGER NOT NULL,
            given_by TEXT NOT NULL,
            notice TEXT NOT NULL,
            locale TEXT NOT NULL,
            wall_ms INTEGER NOT NULL,
            notes TEXT NOT NULL,
            UNIQUE (outbox, seq)
        )"""
    )
    db.conn.execute(
        """CREATE TABLE erasures (
            id INTEGER PRIMARY KEY,
            outbox BLOB NOT NULL,
            seq INTEGER NOT NULL,
            whole INTEGER NOT NULL,
            wall_ms INTEGER NOT NULL,
            UNIQUE (outbox, seq)
        )"""
    )
