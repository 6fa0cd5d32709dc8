"""Diagnostics events: log record, span event, count."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codeanatomy_distro.obs.logs import emit_diagnostics_event
from codeanatomy_distro.obs.tracing import active_span


def test_an_event_goes_out_three_ways(telemetry: Any) -> None:
    """It is a log record with the trace, an event of the current span with the same attributes, and counted."""
    with active_span("s", scope="codeanatomy.pipeline"):
        emit_diagnostics_event("plan.cached", {"rows": 3, "plan": {"a": [1, 2]}, "none": None})
    span, (record,) = telemetry.span("s"), telemetry.logs()
    expected = {"event.name": "plan.cached", "event.kind": "event", "rows": 3, "plan": '{"a":[1,2]}'}
    log = record.log_record
    assert dict(log.attributes) == {**expected, "codeanatomy.run_id": telemetry.run_id}
    assert (log.body, log.event_name, log.severity_text) == ("plan.cached", "plan.cached", "INFO")
    assert (log.trace_id, log.span_id) == (span.context.trace_id, span.context.span_id)
    assert record.instrumentation_scope.name == "codeanatomy.diagnostics"
    (event,) = span.events
    assert (event.name, dict(event.attributes), event.timestamp) == ("plan.cached", expected, log.timestamp)
    (point,) = telemetry.metrics("codeanatomy.artifact.count")
    assert (point.attributes["artifact_kind"], point.data.value) == ("plan.cached", 1)


def test_an_artifact_says_so(telemetry: Any) -> None:
    """The kind tells an artifact from an event, and without a span there is the log record alone."""
    emit_diagnostics_event("graph", kind="artifact")
    (record,) = telemetry.logs()
    assert record.log_record.attributes["event.kind"] == "artifact"
    assert not telemetry.spans()


def test_the_payload_can_not_change_what_it_is(telemetry: Any) -> None:
    """Keys of a payload that are those of the event itself don't replace them."""
    emit_diagnostics_event("real", {"event.name": "fake", "event.kind": "fake"})
    (record,) = telemetry.logs()
    assert record.log_record.attributes["event.name"] == "real"
    assert record.log_record.attributes["event.kind"] == "event"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text() | st.floats(), st.lists)))
def test_any_payload_goes_out(telemetry: Any, payload: dict[str, Any]) -> None:
    """Whatever the payload, one log record goes out, and the program's own object stays as it was."""
    before = repr(payload)
    count = len(telemetry.logs())
    emit_diagnostics_event("any", payload)
    assert len(telemetry.logs()) == count + 1
    assert repr(payload) == before
