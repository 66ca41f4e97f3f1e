"""JSON for programs under `/api/v1`, described by `/api/v1/openapi.json`. Tokens with roles let them in."""

from pikvani_server.admin.api.routes import blueprint

__all__ = ["blueprint"]
