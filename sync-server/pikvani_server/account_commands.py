"""The commands of accounts and tokens. There is no default password: the first admin is made here."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pikvani_server.accounts import sessions, tokens, users
from pikvani_server.accounts.roles import ROLES
from pikvani_server.config import Config, load_config
from pikvani_server.store import Store, open_store


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--data-dir", help="Where the SQLite file lies.")(function)
    function = click.option("--db", help="sqlite:///FILE or postgresql://USER@HOST/DATABASE.")(function)
    return click.option("--config", "config_path", type=click.Path(path_type=Path), help="TOML file.")(function)


def _letting_in(function: Callable[..., Any]) -> Callable[..., Any]:
    text = "Read the password from standard input: no link is made."
    function = click.option("--password-stdin", is_flag=True, help=text)(function)
    return click.option("--address", default="", help="How the pages are reached, for the link.")(function)


@contextmanager
def _opened(config_path: Path | None, db: str | None, data_dir: str | None) -> Iterator[tuple[Config, Store]]:
    config = load_config(config_path)
    url = db or (f"sqlite:///{Path(data_dir) / 'centre.sqlite3'}" if data_dir else config.database_url)
    store = open_store(url)
    store.migrate()
    try:
        yield config, store
    finally:
        store.close()


@click.group("users")
def users_group() -> None:
    """People who may sign in."""


@users_group.command("add")
@_options
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True)
@_letting_in
def add(
    config_path: Path | None,
    db: str | None,
    data_dir: str | None,
    name: str,
    role: str,
    password_stdin: bool,
    address: str,
) -> None:
    """Make an account and print a one-time link, with which its owner chooses a password."""
    with _opened(config_path, db, data_dir) as (config, store):
        user = users.add(store, name, role, actor(), datetime.now(UTC))
        _let_in(config, store, user, password_stdin, address)


@users_group.command("reset")
@_options
@click.argument("name")
@click.option("--codes", is_flag=True, help="Forget the second factor too.")
@_letting_in
def reset(
    config_path: Path | None,
    db: str | None,
    data_dir: str | None,
    name: str,
    codes: bool,
    password_stdin: bool,
    address: str,
) -> None:
    """Take away a password, end all sessions, and print a one-time link for a new password."""
    with _opened(config_path, db, data_dir) as (config, store):
        user = users.named(store, name)
        if codes:
            users.forget_codes(store, user, actor(), datetime.now(UTC))
        _let_in(config, store, user, password_stdin, address)


@users_group.command("disable")
@_options
@click.argument("name")
@click.option("--again", "enable", is_flag=True, help="Open it again instead.")
def disable(config_path: Path | None, db: str | None, data_dir: str | None, name: str, enable: bool) -> None:
    """Shut an account and end its sessions."""
    with _opened(config_path, db, data_dir) as (_, store):
        user = users.named(store, name)
        users.set_disabled(store, user, not enable, actor(), datetime.now(UTC))
    click.echo(f"{user['name']} is {'open again' if enable else 'shut, and signed out everywhere'}")


@users_group.command("sign-out")
@_options
@click.argument("name")
def sign_out(config_path: Path | None, db: str | None, data_dir: str | None, name: str) -> None:
    """End every session of an account."""
    with _opened(config_path, db, data_dir) as (_, store):
        ended = sessions.end_all(store, users.named(store, name), actor(), datetime.now(UTC))
    click.echo(f"{ended} sessions ended")


@users_group.command("list")
@_options
def list_users(config_path: Path | None, db: str | None, data_dir: str | None) -> None:
    """One line an account: name, role, state, second factor, when it last signed in."""
    with _opened(config_path, db, data_dir) as (_, store):
        for row in users.listed(store):
            state = "shut" if row["disabled"] else "open" if row["has_password"] or row["oidc_subject"] else "invited"
            codes = "codes" if row["totp_confirmed"] else "no codes"
            at = row["signed_in_at"].isoformat(timespec="minutes") if row["signed_in_at"] else "never"
            click.echo(f"{row['name']}\t{row['role']}\t{state}\t{codes}\t{at}")


@click.group("tokens")
def tokens_group() -> None:
    """Programs that may use the API."""


@tokens_group.command("add")
@_options
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), default="viewer", show_default=True)
@click.option("--days", type=click.IntRange(1, tokens.MOST_DAYS), default=365, show_default=True)
def add_token(config_path: Path | None, db: str | None, data_dir: str | None, name: str, role: str, days: int) -> None:
    """Make a token and print it; it is not shown again."""
    with _opened(config_path, db, data_dir) as (_, store):
        click.echo(tokens.add(store, name, role, days, actor(), datetime.now(UTC)))


@tokens_group.command("list")
@_options
def list_tokens(config_path: Path | None, db: str | None, data_dir: str | None) -> None:
    """One line a token: number, name, role, end."""
    with _opened(config_path, db, data_dir) as (_, store):
        for row in tokens.listed(store):
            end = "revoked" if row["revoked_at"] else row["expires_at"].isoformat(timespec="minutes")
            click.echo(f"{row['id']}\t{row['name']}\t{row['role']}\t{end}")


@tokens_group.command("revoke")
@_options
@click.argument("number", type=int)
def revoke_token(config_path: Path | None, db: str | None, data_dir: str | None, number: int) -> None:
    """End a token."""
    with _opened(config_path, db, data_dir) as (_, store):
        tokens.revoke(store, number, actor(), datetime.now(UTC))
    click.echo(f"token {number} is revoked")


def actor() -> str:
    """Who runs the command, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _let_in(config: Config, store: Store, user: dict[str, Any], password_stdin: bool, address: str) -> None:
    now = datetime.now(UTC)
    if password_stdin:
        users.set_password(store, user, sys.stdin.readline().rstrip("\r\n"), actor(), now)
        click.echo(f"{user['name']} may sign in as {user['role']}")
        return
    secret = users.invite(store, user, actor(), now)
    base = address or config.web.address or f"http://{config.web.host}:{config.web.port}"
    click.echo(f"one-time link for {user['name']}, good for {users.INVITATION.days} days:")
    click.echo(f"{base.rstrip('/')}/welcome/{secret}")
