"""What the appliance asks of the world outside: one small protocol a thing, one adapter a file in `adapters/`.

Every adapter of a port passes the same suite in `tests/conformance/`. Which one is used is named in the
configuration; one that cannot work says so (`DeviceError`) and nothing takes its place silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

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
