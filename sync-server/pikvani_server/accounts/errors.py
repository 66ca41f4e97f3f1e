"""What goes wrong with accounts."""

from pikvani_server.errors import ServerError


class AccountError(ServerError):
    """A name, a password, a role or a link that cannot be used: says which and what to do."""
