"""The configuration: typed, documented to the last key, and plain about mistakes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from pikvani_server.cli import cli
from pikvani_server.config import Config, load_config
from pikvani_server.config_docs import describe_config, field_docs
from pikvani_server.errors import ConfigError
from pikvani_server.store import open_store


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "centre.toml"
    path.write_text(text)
    return path


def test_given_no_file_then_it_is_sqlite_in_the_data_directory() -> None:
    assert load_config(None).database_url == "sqlite:///pikvani-data/centre.sqlite3"


def test_given_an_unknown_key_then_the_nearest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'broker\.prot'; did you mean 'broker\.port'"):
        load_config(written(tmp_path, "[broker]\nprot = 1\n"))
    with pytest.raises(ConfigError, match="did you mean 'web'"):
        load_config(written(tmp_path, "[wbe]\n"))


@pytest.mark.parametrize("text", ["[broker]\nport = 70000", '[web]\nport = "x"', "web = 3", "[[", "\0"])
def test_given_a_value_that_cannot_be_then_the_error_is_ours(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_config(written(tmp_path, text))


def test_given_a_missing_file_then_the_error_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml"):
        load_config(tmp_path / "nothing.toml")


def test_given_every_key_then_it_has_a_sentence_and_the_printed_file_is_the_default() -> None:
    for struct in (
        Config,
        *(type(part) for part in msgspec.structs.astuple(Config()) if isinstance(part, msgspec.Struct)),
    ):
        for name, doc in field_docs(struct).items():
            assert doc or isinstance(getattr(Config(), name, None), msgspec.Struct), f"{struct.__name__}.{name}"
    assert msgspec.convert(tomllib.loads(describe_config()), Config) == Config()


def test_given_a_strange_database_then_the_error_says_what_is_allowed() -> None:
    with pytest.raises(ConfigError, match="sqlite:///FILE"):
        open_store("mysql://x")


def test_given_every_command_then_it_explains_itself() -> None:
    for name, command in cli.commands.items():
        assert command.help, name
        assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_given_a_bad_broker_address_then_run_says_how_one_looks() -> None:
    result = CliRunner().invoke(cli, ["ingest", "--broker", "nonsense"])
    assert isinstance(result.exception, ConfigError) and "host:port" in str(result.exception)
