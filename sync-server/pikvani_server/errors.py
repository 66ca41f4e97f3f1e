"""The error family of the centre. Every message says what happened, to what, and what to do next."""


class ServerError(Exception):
    """Something at the centre cannot be done; the message is fit to be shown."""


class ConfigError(ServerError):
    """The configuration file says something that cannot be."""


class StoreAwayError(ServerError):
    """The database cannot be reached or cannot write now; the same call may succeed later."""


class StoreRefusedError(ServerError):
    """The database is there and will not take these very rows; trying again does not help."""


class BrokerError(ServerError):
    """The broker cannot be started, or does not answer."""
