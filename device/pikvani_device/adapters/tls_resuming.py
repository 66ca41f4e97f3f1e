"""TLS that greets a known broker briefly: the session of the last connection is offered to the next one.

A full handshake sends both certificate chains, some kilobytes each time a 2G link comes back. A broker that does not
know the session any more (it was restarted, as a revocation demands) answers with the full handshake.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any


class ResumingContext(ssl.SSLContext):
    """A client context that remembers one session, in memory only."""

    _session: ssl.SSLSession | None = None

    def wrap_socket(self, sock: socket.socket, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """See `ssl.SSLContext.wrap_socket`; offers the remembered session."""
        if self._session is not None:
            kwargs.setdefault("session", self._session)
        return super().wrap_socket(sock, *args, **kwargs)

    def remember(self, connection: object) -> bool:
        """Keep the session of a connection on which something has been read.

        Args:
            connection: what `wrap_socket` gave; anything else is passed over.

        Returns:
            Whether this very connection was a resumed one.
        """
        if not isinstance(connection, ssl.SSLSocket):
            return False
        if connection.session is not None and connection.session.has_ticket:
            self._session = connection.session
        return bool(connection.session_reused)

    def forget(self) -> None:
        """Begin the next connection with a full handshake: the last one failed."""
        self._session = None
