"""The error family of provisioning. Every message says what happened, to what, and what to do next."""


class ProvisionError(Exception):
    """Something cannot be provisioned; the message is fit to be shown."""


class RefusedError(ProvisionError):
    """What was asked for was understood and refused."""
