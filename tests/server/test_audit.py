"""The audit log: what it holds together, what it refuses, what it finds, on both databases."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from pikvani_server.audit_commands import audit_commands
from pikvani_server.errors import StoreRefusedError
from pikvani_server.store import Store, audit, open_store
from pikvani_server.store.joined import together
from pikvani_server.store.schema_audit import audit_log
from pikvani_server.store.schema_learning import progress

NOW = datetime(2026, 9, 21, 12, 0, 0, 123_456, tzinfo=UTC)


def fill(store: Store, count: int = 3) -> None:
    for number in range(count):
        audit.record(store, "asha", "rollout.pause", f"rollout-{number}", {"cohort": number, "नाव": "x"}, NOW)


def unlock(store: Store) -> None:
    """What only somebody with the database's own password can do."""
    sqlite = store.name.startswith("sqlite")
    with store.writing("forging") as connection:
        for name in ("audit_log_no_update", "audit_log_no_delete") if sqlite else ("audit_log_no_change",):
            connection.execute(sa.text(f"DROP TRIGGER {name}" + ("" if sqlite else " ON audit_log")))


def test_given_entries_then_they_are_numbered_sealed_and_told_newest_first(store: Store) -> None:
    fill(store)
    found = audit.entries(store)
    assert [row["number"] for row in found] == [3, 2, 1]
    assert found[0]["detail"] == {"cohort": 2, "नाव": "x"}
    assert found[0]["at"] == NOW.replace(microsecond=123_000)
    checked = audit.verify(store)
    assert checked.sound and checked.entries == 3 and checked.head == audit.head(store)


def test_given_an_act_that_fails_then_neither_it_nor_its_entry_is_there(store: Store) -> None:
    with pytest.raises(RuntimeError), together(store, "acting") as (joined, connection):
        with joined.writing("acting") as inner:
            inner.execute(sa.insert(progress).values(name="act", value="done"))
        audit.append(connection, "asha", "act", "x")
        raise RuntimeError("power went")
    assert audit.entries(store) == [] and store.read("looking", sa.select(progress)) == []


def test_given_writers_at_once_then_the_chain_has_no_hole(store: Store) -> None:
    threads = [threading.Thread(target=fill, args=(store, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    checked = audit.verify(store)
    assert checked.sound and checked.entries == 20


@pytest.mark.parametrize("statement", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
def test_given_somebody_who_changes_the_log_then_the_database_refuses(store: Store, statement: str) -> None:
    fill(store)
    with pytest.raises(StoreRefusedError, match="only be added to"), store.writing("forging") as connection:
        connection.execute(sa.text(statement))
    assert audit.verify(store).entries == 3


@pytest.mark.parametrize(
    ("forgery", "says"),
    [
        (sa.update(audit_log).where(audit_log.c.number == 2).values(actor="nobody"), "entry 2 was changed"),
        (sa.update(audit_log).where(audit_log.c.number == 2).values(detail="{}"), "entry 2 was changed"),
        (sa.delete(audit_log).where(audit_log.c.number == 2), "entry 2 is missing"),
        (sa.update(audit_log).where(audit_log.c.number == 2).values(previous=bytes(32)), "does not follow"),
    ],
)
def test_given_a_forged_entry_then_verify_names_the_first_that_does_not_hold(
    store: Store, forgery: sa.Update | sa.Delete, says: str
) -> None:
    fill(store)
    unlock(store)
    with store.writing("forging") as connection:
        connection.execute(forgery)
    checked = audit.verify(store)
    assert not checked.sound and checked.entries == 1 and says in checked.fault


def test_given_a_noted_head_then_a_cut_off_end_and_a_log_written_anew_are_seen(store: Store) -> None:
    fill(store)
    noted = audit.head(store)
    fill(store)
    assert audit.verify(store, noted).sound
    unlock(store)
    with store.writing("forging") as connection:
        connection.execute(sa.delete(audit_log).where(audit_log.c.number >= 3))
    assert audit.verify(store).sound
    assert "cut off" in audit.verify(store, noted).fault
    audit.record(store, "asha", "something else", now=NOW)
    assert "written anew" in audit.verify(store, noted).fault


@given(st.text(max_size=300), st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4))
def test_given_any_words_then_what_was_written_verifies(
    tmp_path_factory: pytest.TempPathFactory, subject: str, detail: dict[str, str]
) -> None:
    store = open_store(f"sqlite:///{tmp_path_factory.getbasetemp() / 'audit-any.sqlite3'}")
    store.migrate()
    audit.record(store, "asha", "act", subject, {k: v for k, v in detail.items() if v.isascii()})
    assert audit.verify(store).sound
    store.close()


def test_given_the_command_then_it_prints_the_head_and_fails_on_a_broken_log(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'c.sqlite3'}"
    store = open_store(url)
    store.migrate()
    fill(store)
    run = CliRunner()
    told = run.invoke(audit_commands, ["verify", "--db", url])
    assert told.exit_code == 0 and str(audit.head(store)) in told.output
    again = run.invoke(audit_commands, ["verify", "--db", url, "--noted", told.output.splitlines()[-1]])
    assert again.exit_code == 0
    unlock(store)
    with store.writing("forging") as connection:
        connection.execute(sa.update(audit_log).values(action="nothing"))
    assert run.invoke(audit_commands, ["verify", "--db", url]).exit_code == 1
    assert run.invoke(audit_commands, ["verify", "--db", url, "--noted", "zzz"]).exit_code == 2
    store.close()
