"""The error family of the appliance. Every message says what happened, to what, and what to do next."""


class DeviceError(Exception):
    """Something on this device cannot be done; the message is fit to be shown."""


class ConfigError(DeviceError):
    """The configuration file says something that cannot be."""


class PhotoError(DeviceError):
    """A file or a camera frame that is not a photograph we can take.

    Args:
        message: what is wrong, with which file, and what to do.
        reason: the id a page or a JSON line carries: `unreadable`, or `too_large` for one we refuse to decode.
    """

    def __init__(self, message: str, reason: str = "unreadable") -> None:
        super().__init__(message)
        self.reason = reason


class ModelError(DeviceError):
    """The model package is missing, does not fit its manifest, or does not fit this software."""


class CameraError(DeviceError):
    """The camera cannot give a photograph."""


class CameraHungError(CameraError):
    """The camera's driver does not come back; only a new process may get the camera again."""


class RuntimeAdapterError(DeviceError):
    """A model runtime cannot be loaded, or failed while it ran."""


class SpeechError(DeviceError):
    """A clip, a phrase list or the recogniser cannot be used."""


class MicrophoneError(DeviceError):
    """The microphone cannot give sound."""


class SerialError(DeviceError):
    """A thing on a serial cable is not there, or does not answer as it should."""


class StoreError(DeviceError):
    """The case store cannot keep what it was given: disk full, damaged, or from a newer version."""
