"""What every test may rely on; and the rule that a declared service may not be missing where CI says so."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:
    # pytest of a foreign suite reads this file too, in its own environment: `--entrypoint .../tuf-client` looks to it
    # like a place of tests.
    pass
else:
    # A gate asks everybody the same; a developer's run looks for what nobody has tried yet.
    settings.register_profile(
        "pikvani",
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=bool(os.environ.get("PIKVANI_FAIL_ON_MISSING")),
    )
    settings.load_profile("pikvani")


def datasets() -> Path:
    """The folder that holds leaf/ and speech/: PIKVANI_DATASETS, or ../shared/datasets beside the checkout."""
    default = Path(__file__).resolve().parents[1].parent / "shared" / "datasets"
    return Path(os.environ.get("PIKVANI_DATASETS", default))


@pytest.fixture(scope="session")
def leaf_photos() -> Path:
    folder = datasets() / "leaf"
    if not folder.is_dir():
        pytest.skip(f"no photographs at {folder}: set PIKVANI_DATASETS to the folder that holds leaf/")
    return folder


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Where PIKVANI_FAIL_ON_MISSING is set, a test that is skipped for a missing service has failed."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    services = [m.name for m in item.iter_markers() if m.name.startswith("needs_")]
    if report.skipped and services and os.environ.get("PIKVANI_FAIL_ON_MISSING"):
        report.outcome = "failed"
        report.longrepr = f"{', '.join(services)}: what this test needs is declared and yet missing here"
