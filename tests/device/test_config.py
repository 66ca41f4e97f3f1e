"""The configuration file: what is read, and that every mistake is named with what to write instead."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_device.config import ENVIRONMENT, Config, load_config, parse_config
from pikvani_device.config_docs import as_toml, reference
from pikvani_device.errors import ConfigError


def test_given_no_file_then_the_defaults_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    assert load_config() == Config()


def test_given_the_environment_names_a_file_then_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "device.toml"
    path.write_text('[device]\nid = "village-7"\n')
    monkeypatch.setenv(ENVIRONMENT, str(path))
    assert load_config().device.id == "village-7"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[runtime]\nthread = 2\n", ("runtime.thread", "'threads'")),
        ("[runtim]\nthreads = 2\n", ("[runtim]", "'runtime'")),
        ("threads = 2\n", ("threads belongs under [runtime]",)),
        ("sync = 3\n", ("sync must be a section",)),
        ("[runtime]\nthreads = 0\n", ("runtime.threads", "1")),
        ('[runtime]\nthreads = "two"\n', ("runtime.threads", "int")),
        ('[runtime]\nadapter = "cuda"\n', ("runtime.adapter", "cuda")),
        ("[runtime]\nproviders = []\n", ("runtime.providers", "CPUExecutionProvider")),
        ('[camera]\nadapter = "folder"\n', ("camera.path",)),
        ('[device]\nid = "Village 7"\n', ("device.id", "a-z")),
        ('[sync]\ntls_ca = "ca.pem"\n', ("tls_cert", "all three or none")),
        ("[sync]\nport = 0\n", ("sync.port",)),
        ("[device\n", ("not a TOML file",)),
    ],
)
def test_given_a_mistake_then_the_error_names_file_and_key_and_what_to_write(text: str, told: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_config(text.encode(), "device.toml")
    message = str(refused.value)
    assert message.startswith("device.toml: ")
    for part in told:
        assert part in message


def test_given_a_missing_file_then_the_error_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load_config(tmp_path / "absent.toml")


@given(st.binary(max_size=300))
def test_given_any_bytes_then_it_is_a_configuration_or_a_config_error(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        parse_config(data, "fuzz")


def test_given_the_configuration_as_toml_then_it_reads_back_the_same() -> None:
    assert parse_config(as_toml(Config()).encode(), "shown") == Config()


def test_given_the_reference_page_then_it_is_what_the_code_says_now() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
    assert page.read_text() == reference(), "write it anew: pikvani-device config reference > docs/configuration.md"
