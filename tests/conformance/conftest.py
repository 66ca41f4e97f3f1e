"""Fixtures of the suites that hold both databases to the same words."""

from tests.support.databases import database_url, postgres_server, store  # noqa: F401
