"""What the appliance asks of the world outside: one small protocol a thing, one adapter a file in `adapters/`.

Every adapter of a port passes the same suite in `tests/conformance/`. Which one is used is named in the
configuration; one that cannot work says so (`DeviceError`) and nothing takes its place silently.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

Key: TypeAlias = "ec.EllipticCurvePrivateKey"

RgbImage = NDArray[np.uint8]
"""Height x width x 3, red first, 0 to 255."""


class Camera(Protocol):
    """Takes photographs."""

    def capture(self) -> RgbImage:
        """Take one photograph.

        Raises:
            CameraError: the camera is gone, hung or has nothing more to give.
        """
        ...

    def preview(self) -> RgbImage:
        """A picture to aim by, quicker than `capture`, perhaps less settled; it uses nothing up.

        Raises:
            CameraError: as `capture`.
        """
        ...

    def close(self) -> None:
        """Let the hardware go. May be called twice."""
        ...


class Runtime(Protocol):
    """Runs the network of a model package on one view of a photograph."""

    @property
    def name(self) -> str:
        """What ran, for the record: adapter and the accelerator it got, e.g. `onnx/CPU`."""
        ...

    def invoke(self, view: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """Run once.

        Args:
            view: one preprocessed view in the layout of the manifest's input, batch dimension included.

        Returns:
            The outputs named in the manifest, as float32 (dequantised where the file is quantised).

        Raises:
            RuntimeAdapterError: the runtime failed; the message says on what.
        """
        ...

    def close(self) -> None:
        """Free the memory of the network. May be called twice."""
        ...


class AcousticModel(Protocol):
    """Hears units of speech."""

    name: str
    """`name@version` of the speech package."""

    def log_probs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """How likely each unit is in each frame.

        Args:
            samples: `[n]`, mono, 16 kHz, -1 to 1.

        Returns:
            `[frames, units]`, natural logarithms; unit 0 is the CTC blank.

        Raises:
            RuntimeAdapterError: the model failed.
        """
        ...


class Recognizer(Protocol):
    """Hears phrases of the list it was made for; another's engine behind our grammar."""

    name: str
    """What ran, for the record."""
    phrases: tuple[str, ...]
    """The phrases it can hear."""

    def recognise(self, samples: NDArray[np.float32]) -> tuple[str, float]:
        """What was said.

        Args:
            samples: `[n]`, mono, 16 kHz, -1 to 1.

        Returns:
            Words of the phrases with a space between, empty for none of them; how sure, 0 to 1.
        """
        ...


class Synthesizer(Protocol):
    """Speaks any sentence, worse than a recording does."""

    def speak(self, text: str, locale: str, rate_hz: int) -> NDArray[np.float32]:
        """A sentence as sound.

        Args:
            text: what to say, at most 1,000 characters are said.
            locale: `mr-IN`, `hi-IN` or `en-IN`.
            rate_hz: samples a second wanted.

        Returns:
            `[n]`, mono, -1 to 1.

        Raises:
            SpeechError: it failed.
        """
        ...


class Microphone(Protocol):
    """Gives sound as it comes."""

    def frames(self) -> Iterator[NDArray[np.float32]]:
        """Frames of 320 samples (20 ms), mono, 16 kHz, -1 to 1, until the caller closes the iterator.

        Raises:
            MicrophoneError: there is none, or it fell silent for good.
        """
        ...

    def close(self) -> None:
        """Let the hardware go. May be called twice."""
        ...


class SerialPort(Protocol):
    """A line to a thing at the end of a serial cable: bytes out, bytes in. Plugged in again, it works again."""

    name: str
    """Which line, for messages: a device file, or the USB id it is found by."""

    def write(self, data: bytes) -> None:
        """Send all of it.

        Raises:
            SerialError: the thing is not plugged in, or does not take bytes.
        """
        ...

    def read(self, size: int, timeout_s: float) -> bytes:
        """What has come, at most `size` bytes; waits until that many are there or `timeout_s` is over.

        Raises:
            SerialError: the thing is not plugged in.
        """
        ...

    def forget(self) -> None:
        """Throw away what has come and nobody read: the answer to an older question."""
        ...

    def close(self) -> None:
        """Let the line go. May be called twice."""
        ...


@dataclass(frozen=True)
class Fix:
    """Where and when a satellite receiver says it is.

    Attributes:
        latitude: degrees, north positive.
        longitude: degrees, east positive.
        utc_ms: UTC in milliseconds, or None where only the place is known.
    """

    latitude: float
    longitude: float
    utc_ms: int | None


class Gnss(Protocol):
    """A satellite receiver."""

    def fix(self, timeout_s: float) -> Fix | None:
        """The next fix, or None where it knows none yet.

        Raises:
            SerialError: the receiver is not plugged in, or says nothing at all.
        """
        ...

    def close(self) -> None:
        """Let the line go. May be called twice."""
        ...


@dataclass(frozen=True)
class ModemState:
    """How the mobile network is for this device.

    Attributes:
        signal_dbm: strength, -113 to -51; None where the modem does not know.
        operator: the network's name, empty for none.
        registered: whether the network lets it in.
        data_left_mb: megabytes left of the SIM's pack, or None where nobody says.
    """

    signal_dbm: int | None
    operator: str
    registered: bool
    data_left_mb: float | None


class Modem(Protocol):
    """A cellular modem."""

    def state(self) -> ModemState:
        """How the network is.

        Raises:
            SerialError: the modem is not plugged in, or does not answer.
        """
        ...

    def send_sms(self, number: str, text: str) -> None:
        """Send one message, ASCII, 160 characters at most.

        Raises:
            SerialError: it was not sent.
        """
        ...

    def close(self) -> None:
        """Let the line go. May be called twice."""
        ...


@dataclass(frozen=True)
class SoilReading:
    """What a probe in the soil measures.

    Attributes:
        moisture_percent: water by volume, 0 to 100.
        temperature_c: degrees Celsius, -40 to 80.
        ec_us_cm: electrical conductivity, microsiemens a centimetre, 0 to 20,000.
    """

    moisture_percent: float
    temperature_c: float
    ec_us_cm: int


class SoilProbe(Protocol):
    """A probe in the soil."""

    def read(self) -> SoilReading:
        """Measure.

        Raises:
            SerialError: it is not plugged in, does not answer, or says what cannot be.
        """
        ...

    def close(self) -> None:
        """Let the line go. May be called twice."""
        ...


class SlipPrinter(Protocol):
    """Prints on a narrow roll of paper."""

    width_dots: int
    """Dots a line."""

    def print(self, image: NDArray[np.bool_]) -> None:
        """Print and cut.

        Args:
            image: height x `width_dots`, True for black.

        Raises:
            SerialError: it is not plugged in, has no paper, or does not take it.
        """
        ...

    def close(self) -> None:
        """Let the line go. May be called twice."""
        ...


MessageHandler = Callable[[str, bytes], None]
"""Called with topic and payload of every message that arrives, from the adapter's own thread."""


class Broker(Protocol):
    """One MQTT 5 connection to the centre that comes back by itself."""

    def start(self, subscriptions: tuple[str, ...], on_message: MessageHandler) -> None:
        """Begin to connect, and stay so: an absent broker is not an error. Call once."""
        ...

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions just now."""
        ...

    @property
    def connections(self) -> int:
        """How many times the link was made; a change means that what was in the air then may be lost."""
        ...

    def publish(self, topic: str, payload: bytes, retain: bool = False, once: bool = False) -> bool:
        """Hand a message over for sending at QoS 1, without waiting; with `once` at QoS 0: lost with the connection.

        Returns:
            False when it was not taken: no link just now, or too much in the air. True says nothing about the
            centre; only a receipt does. A refusal by the broker (MQTT 5 reason code) is logged.
        """
        ...

    @property
    def bytes_on_wire(self) -> int:
        """MQTT payload and topic bytes sent and received since start, for the data budget."""
        ...

    def stop(self) -> None:
        """Say goodbye and disconnect. May be called twice."""
        ...


class Keys(Protocol):
    """A place for private keys. What is kept beside a certificate is a reference: the key itself, or where it is."""

    def new(self) -> Key:
        """A key on P-256, new."""
        ...

    def reference(self, key: Key) -> bytes:
        """What `load` finds it by; only where the key can leave its place is that the key."""
        ...

    def load(self, reference: bytes) -> Key:
        """The key.

        Raises:
            DeviceError: it is damaged, or is not there any more.
        """
        ...

    def keep_only(self, references: Collection[bytes]) -> None:
        """Destroy the keys of this device that none of these names."""
        ...
