"""Accounts: who gets in, who is kept out, and what ends when something changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner

from pikvani_server.account_commands import tokens_group, users_group
from pikvani_server.accounts import codes, limits, passwords, sessions, tokens, users
from pikvani_server.accounts.errors import AccountError
from pikvani_server.accounts.limits import Limit
from pikvani_server.accounts.secret import shared
from pikvani_server.accounts.signing_in import Outcome, sign_in
from pikvani_server.store import Store, audit, open_store

NOW = datetime(2026, 9, 21, 12, 0, tzinfo=UTC)
SHIPPED = passwords._HASHER
PASSWORD = "monsoon paper kettle nine"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    passwords._nobody.cache_clear()
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    yield
    passwords._nobody.cache_clear()


def test_given_the_shipped_settings_then_a_password_costs_what_the_field_asks() -> None:
    # RFC 9106, second recommended option: 3 passes over 64 MiB.
    shipped = SHIPPED
    assert (shipped.time_cost, shipped.memory_cost, shipped.type.name) == (3, 65_536, "ID")


def made(store: Store, name: str = "asha", role: str = "viewer") -> dict:
    user = users.add(store, name, role, "test", NOW)
    users.set_password(store, user, PASSWORD, "test", NOW)
    return users.named(store, name)


def enter(
    store: Store, name: str = "asha", password: str = PASSWORD, address: str = "10.0.0.1", at: datetime = NOW
) -> Outcome:
    return sign_in(store, name, password, address, "a browser", at, ("admin",))


def test_given_the_right_password_then_a_session_is_found_by_its_cookie_alone(store: Store) -> None:
    made(store)
    outcome = enter(store, " ASHA ")
    visitor = sessions.find(store, outcome.cookie, NOW)
    assert outcome.stage == "full" and visitor and (visitor.name, visitor.role) == ("asha", "viewer")
    assert sessions.find(store, visitor.session_id.hex(), NOW) is None
    assert audit.entries(store, action="sign_in")[0]["actor"] == "asha"


@pytest.mark.parametrize(("name", "password"), [("asha", "wrong"), ("nobody", PASSWORD), ("asha", ""), ("", "")])
def test_given_a_wrong_name_or_password_then_the_answer_is_the_same(store: Store, name: str, password: str) -> None:
    made(store)
    assert enter(store, name, password) == Outcome()


def test_given_an_account_without_a_password_then_no_password_fits(store: Store) -> None:
    users.add(store, "asha", "viewer", "test", NOW)
    assert enter(store, password="") == Outcome()
    assert not passwords.matches("", "no account has this password")


def test_given_five_wrong_passwords_then_the_right_one_waits_there_but_not_elsewhere(store: Store) -> None:
    made(store)
    for _ in range(limits.PAIR.most):
        assert enter(store, password="wrong") == Outcome()
    locked = enter(store)
    assert not locked.cookie and timedelta(0) < locked.wait <= limits.PAIR.within
    assert enter(store, address="10.0.0.2").cookie
    assert enter(store, at=NOW + limits.PAIR.within).cookie
    enter(store, password="wrong"), enter(store, password="wrong")
    assert len(audit.entries(store, action="sign_in.locked")) == 1


def test_given_many_addresses_then_a_name_is_guessed_only_so_often(store: Store) -> None:
    tries = [limits.take(store, {"name:asha": limits.NAME}, NOW) for _ in range(limits.NAME.most + 1)]
    assert not any(tries[:-1]) and tries[-1]


def test_given_many_tries_at_once_then_no_more_pass_than_allowed(store: Store) -> None:
    passed: list[bool] = []

    def guess() -> None:
        for _ in range(5):
            passed.append(not limits.take(store, {"pair:x": Limit(7, timedelta(minutes=1))}, NOW))

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 20 and sum(passed) == 7


def test_given_good_sign_ins_then_they_are_not_counted_as_guesses(store: Store) -> None:
    made(store)
    for _ in range(limits.PAIR.most * 3):
        assert enter(store).cookie


@pytest.mark.parametrize("what", ["idle", "old", "disabled", "role", "password", "reset", "everywhere", "out"])
def test_given_what_ends_sessions_then_the_cookie_opens_nothing(store: Store, what: str) -> None:
    user, later = made(store), NOW + timedelta(minutes=5)
    cookie = enter(store).cookie
    visitor = sessions.find(store, cookie, later)
    assert visitor
    if what == "idle":
        later = later + sessions.IDLE + timedelta(seconds=1)
    elif what == "old":
        for hour in range(0, 7 * 24, 6):
            sessions.find(store, cookie, NOW + timedelta(hours=hour))
        later = NOW + sessions.WHOLE + timedelta(seconds=1)
    elif what == "disabled":
        users.set_disabled(store, user, True, "test", later)
    elif what == "role":
        users.set_role(store, user, "technician", "test", later)
    elif what == "password":
        users.set_password(store, user, PASSWORD + " more", "test", later)
    elif what == "reset":
        users.invite(store, user, "test", later)
    elif what == "everywhere":
        assert sessions.end_all(store, user, "test", later) == 1
    else:
        sessions.end(store, visitor, later)
    assert sessions.find(store, cookie, later) is None


def test_given_an_admin_then_a_second_factor_must_be_set_up_and_each_code_works_once(store: Store) -> None:
    user = made(store, role="admin")
    assert enter(store).stage == "enrol"
    secret = codes.begin(store, user)
    assert codes.begin(store, user) == secret and secret in codes.address(user, secret)
    code = pyotp.TOTP(secret).at(NOW)
    assert not codes.accept(store, user, "000000" if code != "000000" else "000001", NOW)
    assert codes.accept(store, user, f"{code[:3]} {code[3:]}", NOW)
    assert not codes.accept(store, user, code, NOW)
    assert not codes.accept(store, user, pyotp.TOTP(secret).at(NOW - timedelta(seconds=30)), NOW)
    assert codes.accept(store, user, pyotp.TOTP(secret).at(NOW + timedelta(seconds=30)), NOW)
    assert codes.begin(store, users.named(store, "asha")) == ""
    assert enter(store).stage == "code"
    users.forget_codes(store, users.named(store, "asha"), "test", NOW)
    assert enter(store).stage == "enrol"


def test_given_guessed_codes_then_even_the_right_one_must_wait(store: Store) -> None:
    user = made(store, role="admin")
    right = pyotp.TOTP(codes.begin(store, user)).at(NOW)
    for wrong in ("", "abc", "१२३४५६", "12345", "9" * 400):
        assert not codes.accept(store, user, wrong, NOW)
    assert not codes.accept(store, user, right, NOW)


def test_given_a_session_that_waits_for_a_code_then_it_soon_ends(store: Store) -> None:
    user = made(store, role="admin")
    cookie = sessions.start(store, user, "code", "10.0.0.1", "x", NOW)
    assert sessions.find(store, cookie, NOW + timedelta(minutes=9))
    assert sessions.find(store, cookie, NOW + timedelta(minutes=11)) is None


def test_given_an_invitation_then_it_works_once_and_for_a_while(store: Store) -> None:
    user = made(store)
    secret = users.invite(store, user, "test", NOW)
    assert enter(store) == Outcome()
    assert users.invited(store, secret + "x", NOW) is None
    assert users.invited(store, secret, NOW + users.INVITATION) is None
    found = users.invited(store, secret, NOW)
    assert found and found["name"] == "asha"
    users.set_password(store, found, PASSWORD, "asha", NOW)
    assert users.invited(store, secret, NOW) is None and enter(store, at=NOW).cookie


@pytest.mark.parametrize("weak", ["short", "aaaaaaaaaaaaaaaa", "x" * 300, "asha asha asha 1234"])
def test_given_a_weak_password_then_it_is_refused_with_a_reason(store: Store, weak: str) -> None:
    user = users.add(store, "asha", "viewer", "test", NOW)
    with pytest.raises(AccountError, match="password"):
        users.set_password(store, user, weak, "test", NOW)


def test_given_the_last_admin_then_nobody_shuts_or_demotes_them(store: Store) -> None:
    user = made(store, role="admin")
    for act in (
        lambda: users.set_disabled(store, user, True, "test", NOW),
        lambda: users.set_role(store, user, "viewer", "test", NOW),
    ):
        with pytest.raises(AccountError, match="last admin"):
            act()
    other = made(store, "ravi", "admin")
    users.set_disabled(store, other, True, "asha", NOW)
    with pytest.raises(AccountError, match="last admin"):
        users.set_role(store, user, "viewer", "test", NOW)


@pytest.mark.parametrize("name", ["", "a b", "x" * 99, "<script>", "-dash", "नाम"])
def test_given_a_name_that_will_not_do_then_it_is_refused(store: Store, name: str) -> None:
    with pytest.raises(AccountError, match="will not do"):
        users.add(store, name, "viewer", "test", NOW)


def test_given_a_token_then_it_is_a_program_until_it_ends_or_is_revoked(store: Store) -> None:
    secret = tokens.add(store, "grafana", "viewer", 10, "asha", NOW)
    found = tokens.find(store, secret, NOW)
    assert found and (found.name, found.role) == ("grafana", "viewer")
    assert tokens.find(store, secret, NOW + timedelta(days=10)) is None
    assert secret not in str(tokens.listed(store))
    tokens.revoke(store, tokens.listed(store)[0]["id"], "asha", NOW)
    assert tokens.find(store, secret, NOW) is None
    with pytest.raises(AccountError):
        tokens.revoke(store, 1, "asha", NOW)


def test_given_all_that_happened_then_the_audit_log_tells_it_without_a_secret(store: Store) -> None:
    user = made(store)
    link = users.invite(store, user, "boss", NOW)
    users.set_role(store, user, "technician", "boss", NOW)
    told = audit.entries(store)
    assert [row["action"] for row in reversed(told)] == ["user.add", "user.password", "user.invite", "user.role"]
    assert link not in str(told) and PASSWORD not in str(told) and audit.verify(store).sound


def test_given_several_workers_then_they_share_one_secret(store: Store) -> None:
    assert shared(store) == shared(store) and len(shared(store)) == 32


def test_given_the_commands_then_the_first_admin_is_let_in_by_a_link_or_a_password(tmp_path: Path) -> None:
    url, run = f"sqlite:///{tmp_path / 'c.sqlite3'}", CliRunner()
    told = run.invoke(users_group, ["add", "asha", "--role", "admin", "--db", url])
    assert told.exit_code == 0
    secret = told.output.strip().rsplit("/welcome/", 1)[1]
    store = open_store(url)
    assert users.invited(store, secret, datetime.now(UTC))
    done = run.invoke(users_group, ["add", "ravi", "--role", "viewer", "--password-stdin", "--db", url], PASSWORD)
    assert done.exit_code == 0 and enter(store, "ravi", at=datetime.now(UTC)).cookie
    assert run.invoke(users_group, ["reset", "ravi", "--codes", "--db", url]).exit_code == 0
    assert not enter(store, "ravi", at=datetime.now(UTC)).cookie
    assert run.invoke(users_group, ["disable", "ravi", "--db", url]).exit_code == 0
    assert "ravi\tviewer\tshut" in run.invoke(users_group, ["list", "--db", url]).output
    assert isinstance(run.invoke(users_group, ["disable", "asha", "--db", url]).exception, AccountError)
    token = run.invoke(tokens_group, ["add", "demo", "--db", url]).output.strip()
    assert tokens.find(store, token, datetime.now(UTC))
    assert run.invoke(tokens_group, ["revoke", "1", "--db", url]).exit_code == 0
    assert "revoked" in run.invoke(tokens_group, ["list", "--db", url]).output
    store.close()
