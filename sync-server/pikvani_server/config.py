"""The centre's configuration: typed, from TOML, every key documented. Nothing here opens or starts anything."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pikvani_server.errors import ConfigError

Port = Annotated[int, Meta(ge=0, le=65_535)]
Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]


class DatabaseConfig(msgspec.Struct, frozen=True):
    """Where results are kept."""

    url: str = ""
    """`sqlite:///FILE` or `postgresql://USER@HOST/DATABASE`; empty for centre.sqlite3 in the data directory."""
    dead_letter_days: Positive = 90
    """Dead letters older than this many days are deleted."""


class BrokerConfig(msgspec.Struct, frozen=True):
    """Which MQTT 5 broker, and who we are to it."""

    host: str = "127.0.0.1"
    """Name or address of the broker."""
    port: Port = 1883
    """Its TCP port; with `embedded`, 0 takes a free one."""
    embedded: bool = False
    """Start a broker of our own: no TLS, no access list, loopback only."""
    ca_file: str = ""
    """PEM of the authority that signed the broker's certificate; empty for no TLS."""
    cert_file: str = ""
    """PEM of the centre's certificate; its CN is the user name the access list knows."""
    key_file: str = ""
    """PEM of the centre's key."""


class IngestConfig(msgspec.Struct, frozen=True):
    """How results are taken in."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,32}$")] = "main"
    """Names this host's workers at the broker; two hosts must differ."""
    group_records: Annotated[int, Meta(ge=1_000, le=100_000)] = 5_000
    """Records settled in one transaction at most."""
    group_wait_ms: Annotated[int, Meta(ge=0, le=1_000)] = 10
    """How long a transaction waits for company, in milliseconds."""
    window_messages: Annotated[int, Meta(ge=1, le=65_535)] = 200
    """Messages a worker takes without having acknowledged them."""
    session_expiry_s: NotNegative = 3_600
    """How long the broker keeps messages for a worker that is away, in seconds."""
    rate_bytes_s: NotNegative = 1_000_000
    """What one device may send, in bytes a second; 0 for no limit."""
    burst_bytes: Positive = 20_000_000
    """What one device may send at once after a silence, in bytes."""
    metrics_port: Port = 0
    """Of `pikvani-server ingest`: worker n serves /metrics on this port plus n; 0 for none."""
    metrics_host: str = "127.0.0.1"
    """Address those listen on."""


class WebConfig(msgspec.Struct, frozen=True):
    """The pages."""

    host: str = "127.0.0.1"
    """Address the pages listen on; put a proxy with TLS before anything but loopback."""
    port: Port = 8080
    """Their TCP port; 0 takes a free one."""
    page_rows: Annotated[int, Meta(ge=1, le=1_000)] = 50
    """Rows a table shows."""
    refresh_s: Annotated[int, Meta(ge=2, le=3_600)] = 10
    """How often a page brings itself up to date, in seconds."""
    address: str = ""
    """How people reach the pages, for links: `https://centre.example`; empty for host and port."""
    secure_cookies: bool = True
    """Whether cookies go over HTTPS (and to loopback) only; turn it off only for plain HTTP in a closed network."""
    trusted_proxies: Annotated[int, Meta(ge=0, le=5)] = 0
    """How many proxies of your own stand before the pages and say who asks (`X-Forwarded-For`, `-Proto`, `-Host`)."""
    code_roles: tuple[Literal["admin", "agronomist", "technician", "viewer"], ...] = ("admin",)
    """Roles that must sign in with a code of an authenticator app too; others may."""
    open_metrics: bool = True
    """Whether `/metrics` answers without a token; it names no device."""


class SignInConfig(msgspec.Struct, frozen=True):
    """Signing in by OpenID Connect, beside passwords; off while `issuer` is empty."""

    issuer: str = ""
    """Address of the provider, `https://login.example/realms/agri`; its `.well-known/openid-configuration` is read."""
    title: str = "OpenID Connect"
    """What the button says."""
    client_id: str = ""
    """Of this centre at the provider. The way back to register there is ADDRESS/sign-in/elsewhere/back."""
    client_secret_file: str = ""
    """File that holds the client secret; empty for a public client (PKCE is used in any case)."""
    role_claim: str = "roles"
    """Claim of the ID token that names groups; dots go inwards: `realm_access.roles`."""
    roles: dict[str, Literal["admin", "agronomist", "technician", "viewer"]] = {}
    """Role by group; who is in none is not let in, who is in several has the first of admin to viewer."""


class EnrolmentConfig(msgspec.Struct, frozen=True):
    """Which devices are ours."""

    authorities_dir: str = ""
    """root.pem, root.crl and each district's .pem and .key; empty where devices do not enrol here."""
    passphrase_file: str = ""
    """Opens the districts' keys; empty where the files' mode alone protects them."""
    certificate_days: Annotated[int, Meta(ge=1, le=825)] = 90
    """Life of a device's certificate; it asks for the next one at two thirds."""
    crl_file: str = ""
    """The revocation file the broker reads, kept by the centre; empty for none."""
    crl_days: Annotated[int, Meta(ge=2, le=365)] = 14
    """Life of a district's revocation list; when one ends the broker lets nobody in, so it is renewed at a quarter."""
    broker_reload: tuple[str, ...] = ()
    """Command after a list was renewed, for instance `["systemctl", "reload", "mosquitto"]`."""
    broker_restart: tuple[str, ...] = ()
    """Command after a device was revoked, to end its connection: `["systemctl", "restart", "mosquitto"]`."""
    host: str = "127.0.0.1"
    """Address where devices without a certificate ask."""
    port: Port = 8443
    """Its TCP port."""
    cert_file: str = ""
    """PEM of that listener's certificate; empty only behind a proxy with TLS."""
    key_file: str = ""
    """PEM of its key."""


class LearningConfig(msgspec.Struct, frozen=True):
    """Drift, review and training anew."""

    work: bool = True
    """Whether `run` does the standing work too; turn it off where `pikvani-server work` runs."""
    drift_interval_s: NotNegative = 3_600
    """Seconds between two passes over new sketches; 0 for none."""
    counts_interval_s: NotNegative = 120
    """Seconds between two counts of cases by day and place; 0 for none."""
    review_interval_s: NotNegative = 300
    """Seconds between two looks for cases to review; 0 for none."""
    propose_interval_s: NotNegative = 86_400
    """Seconds between two questions whether training pays; 0 for none."""
    pipeline: tuple[str, ...] = ()
    """Command that makes a candidate package; `{labels}` and `{out}` in its words become folders. Empty for none."""
    candidates_dir: str = ""
    """Where candidates are kept; empty for candidates in the data directory."""


class PrivacyConfig(msgspec.Struct, frozen=True):
    """Consent and erasure."""

    ledger: str = ""
    """File that notes every erasure, to be kept apart from backups; empty for erasures.jsonl in the data directory."""
    erase_interval_s: NotNegative = 60
    """Seconds between two looks for erasures to take to their end; 0 for none."""
    thumbnail_days: Positive = 365
    """Consented thumbnails older than this many days are deleted."""
    voice_days: Positive = 90
    """Consented voice notes older than this many days are deleted."""


class UpdatesConfig(msgspec.Struct, frozen=True):
    """Signed updates and roll-outs."""

    repository: str = ""
    """Folder of the signed repository (`repository init`); empty where this host gives out none."""
    serve: bool = True
    """Whether `run` gives out blocks and keeps roll-outs going; turn it off where `pikvani-server updates` runs."""
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{1,32}$")] = "main"
    """Names this host at the broker; two hosts must differ."""
    interval_s: Positive = 30
    """Seconds between two passes over a roll-out."""
    rate_bytes_s: NotNegative = 64_000
    """What one device may ask for, in bytes a second; 0 for no limit."""
    burst_bytes: Positive = 16_000_000
    """What one device may ask for at once after a silence, in bytes."""


class Config(msgspec.Struct, frozen=True):
    """Everything that can be set."""

    data_dir: str = "pikvani-data"
    """Where the SQLite file and the embedded broker's files lie."""
    database: DatabaseConfig = DatabaseConfig()
    broker: BrokerConfig = BrokerConfig()
    ingest: IngestConfig = IngestConfig()
    web: WebConfig = WebConfig()
    sign_in: SignInConfig = SignInConfig()
    learning: LearningConfig = LearningConfig()
    updates: UpdatesConfig = UpdatesConfig()
    enrolment: EnrolmentConfig = EnrolmentConfig()
    privacy: PrivacyConfig = PrivacyConfig()

    @property
    def candidates_dir(self) -> Path:
        """Where candidate packages are kept."""
        return Path(self.learning.candidates_dir or Path(self.data_dir) / "candidates")

    @property
    def ledger_file(self) -> Path:
        """The file that notes erasures."""
        return Path(self.privacy.ledger or Path(self.data_dir) / "erasures.jsonl")

    @property
    def database_url(self) -> str:
        """The database to open."""
        return self.database.url or f"sqlite:///{Path(self.data_dir) / 'centre.sqlite3'}"


def load_config(path: Path | None) -> Config:
    """Read a TOML file, or give the defaults.

    Raises:
        ConfigError: unreadable, an unknown key (the nearest known one is named), or a value out of range.
    """
    if path is None:
        return Config()
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; give the file another way") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    _check_keys(raw, Config, str(path), "")
    try:
        return msgspec.convert(raw, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; `pikvani-server config` lists what is allowed") from error


def _check_keys(raw: dict[str, Any], struct: type[msgspec.Struct], where: str, prefix: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(struct)}
    for key, value in raw.items():
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.0)
            raise ConfigError(f"{where}: unknown key '{prefix}{key}'; did you mean '{prefix}{near[0]}'?")
        kind = fields[key]
        if isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            _check_keys(value, kind, where, f"{prefix}{key}.")
