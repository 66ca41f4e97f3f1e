"""The device's configuration file: TOML in, one typed tree out, every wrong line named with what to write instead.

It reads and checks values. It opens no hardware and builds nothing; `app` does. The reference for people,
`docs/configuration.md`, is generated from the docstrings of this module.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from pikvani_contract.errors import ContractError
from pikvani_contract.topics import check_device_id
from pikvani_device.config_section import Section
from pikvani_device.config_serial import GnssSection, ModemSection, PrinterSection, SoilSection
from pikvani_device.errors import ConfigError

ENVIRONMENT = "PIKVANI_DEVICE_CONFIG"
"""Names the configuration file when none is given on the command line."""

Port = Annotated[int, Meta(ge=0, le=65_535)]
Locale = Literal["mr-IN", "hi-IN", "en-IN"]


class DeviceSection(Section, frozen=True):
    """Who this device is and where it keeps what it knows.

    Attributes:
        id: the device's name at the centre: 3 to 48 of a-z, 0-9 and '-'.
        data_dir: cases, outbox and photographs lie here; made when it is missing.
        locale: the language pages begin in.
    """

    id: str = "pikvani-dev"
    data_dir: str = "pikvani-data"
    locale: Locale = "mr-IN"


class ModelSection(Section, frozen=True):
    """Which model package answers.

    Attributes:
        dir: directory of the package; empty for the one that ships with the software.
    """

    dir: str = ""


class RuntimeSection(Section, frozen=True):
    """What runs the model.

    Attributes:
        adapter: `onnx` (x86, Jetson), `tflite` (Raspberry Pi) or `fake` (a rehearsal without a model runtime).
        threads: processor threads for one inference, 1 to 16.
        providers: onnx only: execution providers in order of preference; each must be present.
        interpreter: tflite only: `litert`, or `tflite-runtime` on 32-bit Pi OS and older boards.
    """

    adapter: Literal["onnx", "tflite", "fake"] = "onnx"
    threads: Annotated[int, Meta(ge=1, le=16)] = 1
    providers: tuple[str, ...] = ("CPUExecutionProvider",)
    interpreter: Literal["litert", "tflite-runtime"] = "litert"


class CameraSection(Section, frozen=True):
    """Where photographs come from at the kiosk.

    Attributes:
        adapter: `none`, `folder`, `v4l2` (USB camera), `picamera2` (Raspberry Pi camera) or `drawn` (drawn leaves).
        path: folder only: the directory whose photographs are given in name order.
        index: v4l2 and picamera2: number of the camera.
        width_px: width asked of the camera.
        height_px: height asked of the camera.
        timeout_s: a camera that has not answered by then is reported as hung.
        seed: drawn only: which leaves are drawn.
    """

    adapter: Literal["none", "folder", "v4l2", "picamera2", "drawn"] = "none"
    path: str = ""
    index: Annotated[int, Meta(ge=0, le=63)] = 0
    width_px: Annotated[int, Meta(ge=160, le=4_608)] = 1_280
    height_px: Annotated[int, Meta(ge=120, le=3_456)] = 960
    timeout_s: Annotated[float, Meta(ge=0.1, le=120)] = 10.0
    seed: Annotated[int, Meta(ge=0)] = 1


class VoiceSection(Section, frozen=True):
    """What listens to farmers, and what speaks to them.

    Attributes:
        dir: directory of the speech package; empty for the one that ships with the software.
        recognizer: `own` (Marathi and Hindi, ships with the software) or `vosk` (an operator's own model).
        vosk_dir: vosk only: folder of the unpacked model; empty for the one `pikvani-device assets` installed.
        microphone: `none`, `alsa` (the machine's) or `file` (a rehearsal that hears a WAV file).
        microphone_name: alsa: which one, empty for the default; file: path of a 16 kHz WAV.
        prompts_dir: folder of the spoken sentences; empty for those that ship with the software or were installed.
        synthesizer: what speaks a sentence that no recording holds: `espeak` or `none`.
    """

    dir: str = ""
    recognizer: Literal["own", "vosk"] = "own"
    vosk_dir: str = ""
    microphone: Literal["none", "alsa", "file"] = "none"
    microphone_name: str = ""
    prompts_dir: str = ""
    synthesizer: Literal["espeak", "none"] = "espeak"


class WebSection(Section, frozen=True):
    """The device's pages.

    Attributes:
        host: address to listen on; 127.0.0.1 for the kiosk alone, 0.0.0.0 for the village Wi-Fi.
        port: TCP port; 0 for any free one.
        threads: requests answered at once; the model still runs one at a time.
        mdns_name: phones on the village Wi-Fi find the pages as this name and `.local`; empty to be silent.
        wifi_name: name of the village Wi-Fi, for the QR picture on the kiosk; empty for none.
        wifi_password: its password, which the QR picture shows to everyone before the kiosk.
        wifi_port: port of this machine's Wi-Fi page (`pikvani-provision wifi serve`); 0 for none.
        sticks: where USB sticks are mounted, for the export on the technician's page.
    """

    host: str = "127.0.0.1"
    port: Port = 8080
    threads: Annotated[int, Meta(ge=1, le=32)] = 6
    mdns_name: Annotated[str, Meta(pattern="^([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?)?$")] = "pikvani"
    wifi_name: Annotated[str, Meta(max_length=32)] = ""
    wifi_password: Annotated[str, Meta(max_length=63)] = ""
    wifi_port: Port = 0
    sticks: str = "/media"


class SyncSection(Section, frozen=True):
    """The link to the centre.

    Attributes:
        enabled: false for a device that never reports.
        host: the broker's name or address.
        port: the broker's TCP port.
        tls_ca: certificate of the authority; the three tls files come together or not at all.
        tls_cert: this device's certificate; its CN is the device id.
        tls_key: this device's private key.
        keepalive_s: how often the link is proven alive; long, for 2G.
        max_batch_records: records in one message.
        max_batch_age_s: a record waits at most this long for company.
        receipt_timeout_s: without a receipt by then, a batch goes again.
        in_flight_batches: batches sent and not yet committed at the centre; twice as many where receipts are quick.
        monthly_budget_mb: megabytes a month over the link; 0 for no limit.
        reserve_percent: share of the budget kept for results and alarms.
        centre_keys: the centre's public keys for USB sticks; empty where no stick is used.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Port = 1883
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    keepalive_s: Annotated[int, Meta(ge=10, le=3_600)] = 240
    max_batch_records: Annotated[int, Meta(ge=1, le=1_000)] = 50
    max_batch_age_s: Annotated[float, Meta(ge=0, le=3_600)] = 5.0
    receipt_timeout_s: Annotated[float, Meta(ge=1, le=3_600)] = 30.0
    in_flight_batches: Annotated[int, Meta(ge=1, le=64)] = 8
    monthly_budget_mb: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    reserve_percent: Annotated[int, Meta(ge=0, le=100)] = 25
    centre_keys: str = ""


class EnrolmentSection(Section, frozen=True):
    """How this device becomes known to the centre, and stays so. It answers farmers before and without it.

    Attributes:
        dir: where its keys and certificates lie; with it [sync] needs no tls files. Empty for no enrolment.
        card: the card's file with its claim; empty for card.json beside dir.
        trust: PEM of the root this device was born with, and of the districts' authorities.
        url: HTTPS address where a device without a certificate asks; empty where only sticks and pictures carry.
        ca: PEM of the authority that signed that address's certificate; empty for trust.
        sticks: where USB sticks are mounted; one that holds a folder pikvani-enrol carries requests and answers.
        pkcs11_module: library of a TPM or secure element that makes and holds the key; empty for keys in files.
        pkcs11_token: label of its token.
        pkcs11_pin_file: holds its user PIN.
    """

    dir: str = ""
    card: str = ""
    trust: str = ""
    url: str = ""
    ca: str = ""
    sticks: str = "/media"
    pkcs11_module: str = ""
    pkcs11_token: str = "pikvani"  # noqa: S105 - a label, no secret
    pkcs11_pin_file: str = "/etc/pikvani/pkcs11.pin"


class StoreSection(Section, frozen=True):
    """How much of the past the device keeps.

    Attributes:
        max_mb: megabytes the outbox may hold; beyond it the least important records are shed; 0 for no limit.
        keep_synced_days: days a case stays on the device; one the centre does not have stays longer.
        marker: a file in data_dir that proves the data partition is there; without it nothing is kept. Empty for none.
    """

    max_mb: Annotated[int, Meta(ge=0, le=1_000_000)] = 500
    keep_synced_days: Annotated[int, Meta(ge=0, le=3_650)] = 90
    marker: str = ""


class PrivacySection(Section, frozen=True):
    """Consent and erasure.

    Attributes:
        contact: name and telephone of the person complaints go to; while empty nobody is asked to allow anything.
        voice_note_days: days a voice note stays on the device once its farmer allowed it; 0 for not at all.
    """

    contact: Annotated[str, Meta(max_length=120)] = ""
    voice_note_days: Annotated[int, Meta(ge=0, le=3_650)] = 30


class UpdateSection(Section, frozen=True):
    """Signed model updates.

    Attributes:
        source: `none`, `mqtt` (the link to the centre), `directory` (a folder, such as a mounted stick) or `http`.
        directory: directory only: holds `metadata/` and `targets/`.
        url: http only: address under which `metadata/` and `targets/` lie.
        ca: http only: PEM of the authority to accept; the system's if empty.
        root: the root.json this device was born with; read once.
        stages: stages of the registry this device follows.
        follow: `orders` (only what a roll-out names), `newest`, or `auto`: orders where source is mqtt, else newest.
        check_hours: hours between two looks.
        max_attempts: tries of one file before it is left alone.
        watch_cases: cases a new model is watched for before it is kept.
        watch_hours: hours after which a new model that has seen any case is kept.
        max_rss_mb: memory a self-test may take, with both models loaded.
    """

    source: Literal["none", "mqtt", "directory", "http"] = "none"
    directory: str = ""
    url: str = ""
    ca: str = ""
    root: str = ""
    stages: tuple[str, ...] = ("production",)
    follow: Literal["auto", "orders", "newest"] = "auto"
    check_hours: Annotated[float, Meta(gt=0, le=8_760)] = 6.0
    max_attempts: Annotated[int, Meta(ge=1, le=100)] = 3
    watch_cases: Annotated[int, Meta(ge=1, le=400)] = 30
    watch_hours: Annotated[float, Meta(gt=0, le=8_760)] = 72.0
    max_rss_mb: Annotated[int, Meta(ge=50, le=16_384)] = 400


class Config(Section, frozen=True):
    """The whole file; every section and key may be left out."""

    device: DeviceSection = DeviceSection()
    model: ModelSection = ModelSection()
    runtime: RuntimeSection = RuntimeSection()
    camera: CameraSection = CameraSection()
    voice: VoiceSection = VoiceSection()
    web: WebSection = WebSection()
    sync: SyncSection = SyncSection()
    enrolment: EnrolmentSection = EnrolmentSection()
    store: StoreSection = StoreSection()
    privacy: PrivacySection = PrivacySection()
    update: UpdateSection = UpdateSection()
    gnss: GnssSection = GnssSection()
    modem: ModemSection = ModemSection()
    soil: SoilSection = SoilSection()
    printer: PrinterSection = PrinterSection()


def load_config(path: Path | None = None) -> Config:
    """Read the file at `path`, else the one `PIKVANI_DEVICE_CONFIG` names, else take the defaults.

    Raises:
        ConfigError: the file is missing, is not TOML, or says something that cannot be.
    """
    if path is None:
        named = os.environ.get(ENVIRONMENT)
        if not named:
            return Config()
        path = Path(named)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the configuration ({error.strerror}); name a file that exists"
        ) from None
    return parse_config(data, str(path))


def parse_config(data: bytes, source: str) -> Config:
    """Read a configuration from TOML text.

    Args:
        data: UTF-8 TOML.
        source: what to call it in errors.

    Raises:
        ConfigError: not TOML, an unknown section or key, or a value out of its range.
    """
    try:
        tree = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{source}: not a TOML file: {error}") from None
    _refuse_unknown(tree, source)
    try:
        config = msgspec.convert(tree, Config)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at `$.")
        raise ConfigError(f"{source}: {where.rstrip('`') or 'top level'}: {_lower(message)}") from None
    _check_together(config, source)
    return config


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _refuse_unknown(tree: dict[str, Any], source: str) -> None:
    sections = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for name, table in tree.items():
        if name not in sections and not isinstance(table, dict):
            homes = [section for section, kind in sections.items() if name in kind.__struct_fields__]
            place = f"belongs under [{homes[0]}]" if homes else "is no key of this file; keys stand under a [section]"
            raise ConfigError(f"{source}: {name} {place}")
        if name not in sections:
            raise ConfigError(f"{source}: unknown section [{name}]{_nearest(name, list(sections))}")
        if not isinstance(table, dict):
            raise ConfigError(f"{source}: {name} must be a section: write [{name}] and its keys below")
        keys = sections[name].__struct_fields__
        for key in table:
            if key not in keys:
                raise ConfigError(f"{source}: unknown key {name}.{key}{_nearest(key, list(keys))}")


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known here: {', '.join(known)}"


def _check_together(config: Config, source: str) -> None:
    try:
        check_device_id(config.device.id)
    except ContractError as error:
        raise ConfigError(f"{source}: device.id: {error}") from None
    if not config.sync.port:
        raise ConfigError(f"{source}: sync.port: the broker's port cannot be 0")
    tls = (config.sync.tls_ca, config.sync.tls_cert, config.sync.tls_key)
    if any(tls) and not all(tls):
        raise ConfigError(f"{source}: sync.tls_ca, sync.tls_cert and sync.tls_key come together: set all three or none")
    enrol = config.enrolment
    if enrol.dir and not enrol.trust:
        raise ConfigError(f"{source}: enrolment.trust: a device that enrols needs the root it was born with")
    if enrol.dir and any(tls):
        raise ConfigError(f"{source}: sync.tls_cert: leave the tls files of [sync] empty, enrolment.dir holds them")
    if enrol.url and not enrol.url.startswith("https://"):
        raise ConfigError(f"{source}: enrolment.url: must begin with https://")
    if config.update.source == "directory" and not config.update.directory:
        raise ConfigError(f"{source}: update.directory: the directory source needs a folder")
    if config.update.source == "mqtt" and not config.sync.enabled:
        raise ConfigError(f"{source}: update.source: mqtt needs the link: set sync.enabled to true, or another source")
    if config.update.source == "http" and not config.update.url.startswith(("http://", "https://")):
        raise ConfigError(f"{source}: update.url: the http source needs an address that begins with http")
    if config.camera.adapter == "folder" and not config.camera.path:
        raise ConfigError(f"{source}: camera.path: the folder camera needs the directory of its photographs")
    for name in ("gnss", "modem", "soil", "printer"):
        thing = getattr(config, name)
        if thing.adapter not in ("none", "fake") and not (thing.usb or thing.path):
            raise ConfigError(f"{source}: {name}.usb: say which one: its USB id, or its device file in {name}.path")
    if config.runtime.adapter == "onnx" and not config.runtime.providers:
        raise ConfigError(f'{source}: runtime.providers: name at least one, e.g. ["CPUExecutionProvider"]')
