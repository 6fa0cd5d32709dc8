"""Cache and storage operations: words from closed sets, spans and metrics that agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from codeanatomy_distro.obs.cache import (
    CACHE_OPERATIONS,
    CACHE_POLICIES,
    CACHE_RESULTS,
    CACHE_SCOPES,
    cache_span,
    storage_span,
)


def test_words_are_those_of_the_names_page() -> None:
    """The closed sets are the ones that dashboards and the Collector know."""
    assert {"dataset_delta_staging", "cache_ledger", "metadata_snapshot", "cache_inventory", "none"} == CACHE_POLICIES
    assert {"dataset", "view", "ledger", "metadata"} == CACHE_SCOPES
    assert {"read", "write", "snapshot"} == CACHE_OPERATIONS
    assert {"hit", "miss", "ok", "error"} == CACHE_RESULTS


def test_an_operation_is_span_count_and_duration(telemetry: Any) -> None:
    """A read that hits gives the span with its words and path, and both metrics with the same words and no path."""
    with cache_span("read", policy="cache_ledger", scope="ledger", path="/secret/path") as operation:
        operation.result = "hit"
    words = {
        "cache.policy": "cache_ledger",
        "cache.scope": "ledger",
        "cache.operation": "read",
        "cache.result": "hit",
    }
    span = telemetry.span("cache.read")
    assert span.instrumentation_scope.name == "codeanatomy.storage"
    assert {key: span.attributes[key] for key in words} == words
    assert span.attributes["cache.path"] == "/secret/path"
    for name in ("codeanatomy.cache.operation.count", "codeanatomy.cache.operation.duration"):
        (point,) = telemetry.metrics(name)
        assert point.attributes == {**words, "codeanatomy.run_id": telemetry.run_id}


@pytest.mark.parametrize(
    ("error", "result"),
    [(None, "ok"), (OSError("x"), "error"), (GeneratorExit(), "ok"), (SystemExit(0), "ok"), (SystemExit(1), "error")],
)
def test_result_follows_the_end(telemetry: Any, error: BaseException | None, result: str) -> None:
    """Span, count and status agree on whether the operation failed, and the error passes unchanged."""
    if error is None:
        with cache_span("write", policy="none", scope="view"), storage_span("write"):
            pass
    else:
        with (
            pytest.raises(type(error)) as caught,
            cache_span("write", policy="none", scope="view"),
            storage_span("write"),
        ):
            raise error
        assert caught.value is error
    span = telemetry.span("cache.write")
    assert span.attributes["cache.result"] == result
    assert (span.status.status_code is StatusCode.ERROR) is (result == "error")
    assert telemetry.metrics("codeanatomy.cache.operation.count")[0].attributes["cache.result"] == result
    assert telemetry.metrics("codeanatomy.storage.operation.count")[0].attributes["status"] == result
    assert telemetry.span("storage.operation").attributes["storage.operation"] == "write"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.text() | st.lists(st.integers()), st.text(), st.text(), st.text() | st.dictionaries(st.text(), st.text()))
def test_no_other_word_becomes_a_label(telemetry: Any, operation: Any, policy: str, scope: str, result: Any) -> None:
    """Whatever a program passes, span name and labels stay within the closed sets and ``other``."""
    telemetry.reset()
    with cache_span(operation, policy=policy, scope=scope) as under_way:
        under_way.result = result
    (span,) = telemetry.spans()
    (point,) = telemetry.metrics("codeanatomy.cache.operation.count")
    assert span.name.removeprefix("cache.") in {*CACHE_OPERATIONS, "other"}
    assert point.attributes["cache.policy"] in {*CACHE_POLICIES, "other"}
    assert point.attributes["cache.scope"] in {*CACHE_SCOPES, "other"}
    assert point.attributes["cache.result"] in {*CACHE_RESULTS, "other"}
