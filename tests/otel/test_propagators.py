"""Propagators by name: what goes into a carrier."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from codeanatomy_distro.otel import propagators
from codeanatomy_distro.otel.propagators import create_propagator

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.propagators.textmap import TextMapPropagator

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem


def carried(propagator: TextMapPropagator) -> set[str]:
    span = NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1)))
    carrier: dict[str, str] = {}
    propagator.inject(  # pyright: ignore[reportArgumentType] - the API's own default
        carrier, baggage.set_baggage("a", "b", trace.set_span_in_context(span))
    )
    return set(carrier)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"traceparent", "baggage"}),
        ("tracecontext", {"traceparent"}),
        ("TraceContext , BAGGAGE", {"traceparent", "baggage"}),
        ("none", set[str]()),
        ("no-such,baggage", {"baggage"}),
        ("no-such", {"traceparent", "baggage"}),
    ],
)
def test_names(config: Callable[..., OtelConfig], text: str, expected: set[str]) -> None:
    """The named ones write their headers; a wrong name never cuts the trace in two."""
    assert carried(create_propagator(config(OTEL_PROPAGATORS=text), [])) == expected


def test_one_that_fails(config: Callable[..., OtelConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    """A propagator whose package is broken is told and left out; the others work."""

    class Broken:
        name = "baggage"

        def load(self) -> None:
            message = "no module named theirs"
            raise ImportError(message)

    def installed(group: str) -> list[Any]:
        return [*entry_points(group=group), Broken()]

    monkeypatch.setattr(propagators, "entry_points", installed)
    problems: list[Problem] = []
    assert carried(create_propagator(config(OTEL_PROPAGATORS="baggage,tracecontext"), problems)) == {"traceparent"}
    (problem,) = problems
    assert "OTEL_PROPAGATORS='baggage' is ignored: it failed: ImportError: no module named theirs" in str(problem)
