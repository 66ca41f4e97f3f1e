"""The image and the composition, as far as they can be judged without running containers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from pikvani_server.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


@pytest.fixture
def compose() -> dict:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


def test_the_image_is_built_from_hashes_in_two_stages_and_runs_as_nobody() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.M)) == 2
    installs = re.findall(r"pip install ([^\\\n&]+)", DOCKERFILE)
    assert installs and all("--require-hashes" in one or "--no-deps" in one for one in installs)
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert re.search(r"^USER (?!0|root)", last, re.M)
    assert "HEALTHCHECK" in last
    assert not re.search(r":latest|ADD |curl|apt-get", DOCKERFILE)


def test_everything_the_image_copies_is_there_and_let_through() -> None:
    let = (ROOT / ".dockerignore").read_text().splitlines()
    for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M):
        for name in words.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert any(line[1:] == name or line[1:].startswith(f"{name}/") for line in let if line[0] == "!"), name
    for hidden in (".git", "tests", "models/data"):
        assert not any(line == f"!{hidden}" for line in let)


def test_the_wheel_finds_what_it_packs_in_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    let = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in [*wheel["packages"], *wheel["force-include"]]:
        assert any(name == one or name.startswith(f"{one}/") or one.startswith(name) for one in let), name


def test_the_containers_configuration_is_one_we_read() -> None:
    config = load_config(ROOT / "deploy" / "centre.toml")
    assert config.web.host == "0.0.0.0" and config.broker.cert_file and not config.broker.embedded
    assert msgspec.to_builtins(config) != msgspec.to_builtins(Config())


def test_no_service_is_root_open_or_without_a_way_to_tell_that_it_is_well(compose: dict) -> None:
    services = compose["services"]
    assert set(services) == {"broker", "database", "server", "ingest", "work", "prometheus", "grafana"}
    for name in ("server", "ingest", "work"):
        one = services[name]
        assert one["read_only"] and one["cap_drop"] == ["ALL"] and one["restart"]
    # what listens beyond loopback is the devices' port alone
    ports = [port for one in services.values() for port in one.get("ports", [])]
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == ["8883:8883"]
    # no password stands in the file, and every secret and volume that is used is declared
    assert not re.search(r"PASSWORD: ", (ROOT / "compose.yaml").read_text())
    for one in services.values():
        assert set(one.get("secrets", [])) <= set(compose["secrets"])
        named = {str(v).split(":")[0] for v in one.get("volumes", []) if not str(v).startswith(".")}
        assert named <= set(compose["volumes"])
        for volume in one.get("volumes", []):
            source = str(volume).split(":")[0]
            if source.startswith("./") and not source.startswith("./deploy/broker"):
                assert (ROOT / source).exists(), source
    assert all(not str(one.get("image", "")).endswith(":latest") for one in services.values())


def test_the_pages_can_be_served_by_any_wsgi_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pikvani_server.wsgi import create

    (tmp_path / "centre.toml").write_text(f'data_dir = "{tmp_path}"\n')
    monkeypatch.setenv("PIKVANI_SERVER_CONFIG", str(tmp_path / "centre.toml"))
    answer = create().test_client().get("/healthz")
    assert answer.status_code == 200 and answer.json["database"] is True
