"""Fixtures of the suites that hold both databases to the same words."""

import contextlib

# As in `tests/conftest.py`: pytest of a foreign suite that is given `tuf-client` reads this file in an environment that
# has nothing of ours.
with contextlib.suppress(ImportError):
    from tests.support.databases import database_url, postgres_server, store  # noqa: F401
