"""Monthly partitions of `cases` on PostgreSQL, made ahead of need. Nothing here runs on SQLite."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

log = logging.getLogger(__name__)

MONTHS_AHEAD = 2
PARENT = "cases"
LOCK_KEY = 0x70696B76  # "pikv": one process at a time makes partitions

Month = tuple[int, int]


def month_of(at: datetime) -> Month:
    """The month a row received at `at` belongs to; `at` is in UTC."""
    return at.year, at.month


def name_of(month: Month) -> str:
    """The partition's table name."""
    return f"{PARENT}_{month[0]:04d}_{month[1]:02d}"


def following(month: Month) -> Month:
    """The month after."""
    year, number = month
    return (year + 1, 1) if number == 12 else (year, number + 1)


def ensure(connection: psycopg.Connection[Any], month: Month) -> str:
    """Make the partition of `month` and of the months ahead if they are missing, and commit.

    A partition that cannot be made (rows of its month already lie in the default one) is no reason to stop:
    rows then go through the parent table.

    Returns:
        The table that rows of `month` can be copied into.
    """
    target = PARENT
    for ahead in range(MONTHS_AHEAD + 1):
        made = _ensure_one(connection, month)
        if ahead == 0 and made:
            target = name_of(month)
        month = following(month)
    return target


def _ensure_one(connection: psycopg.Connection[Any], month: Month) -> bool:
    name = name_of(month)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK_KEY,))
        cursor.execute(
            "SELECT 1 FROM pg_inherits WHERE inhrelid = to_regclass(%s) AND inhparent = to_regclass(%s)",
            (name, PARENT),
        )
        if cursor.fetchone():
            connection.commit()
            return True
        until = following(month)
        try:
            # Attaching takes a weaker lock on the parent than creating a partition in place does.
            cursor.execute(
                sql.SQL("CREATE TABLE IF NOT EXISTS {} (LIKE {} INCLUDING ALL)").format(
                    sql.Identifier(name), sql.Identifier(PARENT)
                )
            )
            cursor.execute(
                sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                    sql.Identifier(PARENT),
                    sql.Identifier(name),
                    sql.Literal(datetime(*month, 1, tzinfo=UTC)),
                    sql.Literal(datetime(*until, 1, tzinfo=UTC)),
                )
            )
        except (psycopg.errors.CheckViolation, psycopg.errors.InsufficientPrivilege) as error:
            connection.rollback()
            log.warning("partition %s was not made (%s); its rows go to the default partition", name, error)
            return False
        connection.commit()
        return True
