"""Everything the API's own description allows, and much that it does not: no 5xx, no answer it does not describe."""

import itertools

import hypothesis.errors
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pikvani_device.drawn_leaves import drawn_jpeg
from pikvani_device.web import create_app
from pikvani_device.web.keys import ApiKeys
from pikvani_device.web.openapi import describe

from .conftest import PHONE, device_at


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory):
    from tests.device.conftest import write_sample_package

    folder = tmp_path_factory.mktemp("api")
    device = device_at(folder, write_sample_package(folder / "package"))
    app = create_app(device)
    app.config["KEY"] = ApiKeys(device.store).make("tests", 1)
    yield app
    device.close()


# Photographs among the bytes, or nothing would ever be diagnosed.
schemathesis.openapi.format("binary", st.one_of(st.sampled_from([drawn_jpeg(1), drawn_jpeg(2)]), st.binary()))
OPERATIONS = [
    (method, path) for path, methods in describe((), 6)["paths"].items() for method in methods if method != "parameters"
]
"""Of the description; what it allows is drawn anew for each."""


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_given_whatever_the_description_allows_or_not_then_the_answer_is_one_it_describes(
    app, method: str, path: str, mode: schemathesis.GenerationMode
) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    seen: list[int] = []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy(generation_mode=mode))
    def every(case) -> None:
        checked = case.call_and_validate(
            headers={"X-API-Key": app.config["KEY"]},
            # A schema cannot say "a photograph": bytes that are none are valid for it, and refused all the same.
            excluded_checks=[schemathesis.checks.positive_data_acceptance] if method == "post" else [],
        )
        seen.append(checked.status_code)

    try:
        every()
    except hypothesis.errors.Unsatisfiable:
        assert mode is schemathesis.GenerationMode.NEGATIVE, "nothing of this operation can be wrong"
    assert max(seen, default=0) < 500
    if mode is schemathesis.GenerationMode.POSITIVE:
        assert 200 in seen


def test_given_no_key_from_the_network_then_the_refusal_is_described_too(app) -> None:
    answer = app.test_client().get("/api/v1/cases", **PHONE)
    assert answer.status_code == 401
    described = describe(("cotton",), 6)["paths"]["/api/v1/cases"]["get"]["responses"]
    assert "401" in described and set(answer.json) == {"error", "detail"}


def test_given_every_route_for_programs_then_it_is_described_or_is_the_watchdogs(app) -> None:
    served = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("api.")}
    described = set(describe((), 6)["paths"])
    assert served - described == {"/livez", "/api/v1/openapi.json"}
    assert described <= served


def test_given_metrics_then_prometheus_reads_them(app) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    text = app.test_client().get("/metrics").text
    names = {family.name for family in text_string_to_metric_families(text)}
    assert {"pikvani_info", "pikvani_visits", "pikvani_store_readable", "pikvani_helpful"} <= names
    assert len(list(itertools.chain(text.splitlines()))) > 10
