"""Pages for people at the centre and JSON for programs. Everything a device said is shown escaped."""

from pikvani_server.admin.building import create_app

__all__ = ["create_app"]
