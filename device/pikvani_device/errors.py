"""The error family of the appliance. Every message says what happened, to what, and what to do next."""


class DeviceError(Exception):
    """Something on this device cannot be done; the message is fit to be shown."""


class ConfigError(DeviceError):
    """The configuration file says something that cannot be."""


class PhotoError(DeviceError):
    """A file or a camera frame that is not a photograph we can take."""


class CameraError(DeviceError):
    """The camera cannot give a photograph."""


class RuntimeAdapterError(DeviceError):
    """A model runtime cannot be loaded, or failed while it ran."""


class StoreError(DeviceError):
    """The case store cannot keep what it was given: disk full, damaged, or from a newer version."""
