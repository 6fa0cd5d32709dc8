"""The three providers: made without touching anything global."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor

from codeanatomy_distro.obs.run_context import run_context
from codeanatomy_distro.otel import providers
from codeanatomy_distro.otel.config import OtelConfig
from codeanatomy_distro.otel.memory import InMemoryExporters
from codeanatomy_distro.otel.providers import Ingredients

Make = Callable[..., OtelConfig]
RESOURCE = Resource({"service.name": "test"})


def test_nothing_global_is_set(config: Make) -> None:
    """Making the providers leaves the global ones as they were, and starts nothing at exit."""
    before = (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())
    memory, parts, problems = InMemoryExporters(), list[Any](), list[Any]()
    made_of = Ingredients(config(), RESOURCE, problems, parts, memory)
    providers.create_tracer_provider(made_of)
    providers.create_meter_provider(made_of)
    providers.create_logger_provider(made_of)
    assert before == (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider())
    assert parts == problems == []


def test_the_run_id_is_there_before_other_processors(config: Make) -> None:
    """A processor of the program sees the run id on a span that starts, and so does what exports it."""
    seen: list[Any] = []

    class Own(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(span.attributes.get("codeanatomy.run_id"))

    memory = InMemoryExporters()
    always = config(OTEL_TRACES_SAMPLER="always_on")
    provider = providers.create_tracer_provider(Ingredients(always, RESOURCE, [], [], memory), [Own()])
    with run_context("r1"):
        provider.get_tracer("t").start_span("s").end()
    (span,) = memory.spans.get_finished_spans()
    assert seen == ["r1"]
    assert span.attributes is not None
    assert span.attributes["codeanatomy.run_id"] == "r1"
    assert span.attributes["otel.sampling.rule"] == "codeanatomy.default"
    assert span.resource.attributes["service.name"] == "test"


def test_log_records_get_the_run_id(config: Make) -> None:
    """A log record that brings no run id gets the current one, and one that brings its own keeps it."""
    memory = InMemoryExporters()
    logger = providers.create_logger_provider(Ingredients(config(), RESOURCE, [], [], memory)).get_logger("l")
    with run_context("r1"):
        logger.emit(body="a")
        logger.emit(body="b", attributes={"codeanatomy.run_id": "own"})
    found = [(item.log_record.attributes or {}).get("codeanatomy.run_id") for item in memory.logs.get_finished_logs()]
    assert found == ["r1", "own"]


@pytest.mark.parametrize(
    ("value", "count"), [("none", 0), ("otlp", 1), ("otlp,console", 2), ("otlp,otlp", 1), ("", 1), ("none,otlp", 1)]
)
def test_several_exporters(config: Make, value: str, count: int) -> None:
    """Each exporter named has a queue or a reader of its own, and none has any."""
    found = config(OTEL_TRACES_EXPORTER=value, OTEL_METRICS_EXPORTER=value, OTEL_LOGS_EXPORTER=value)
    for create in (
        providers.create_tracer_provider,
        providers.create_meter_provider,
        providers.create_logger_provider,
    ):
        parts, problems = list[Any](), list[Any]()
        provider: Any = create(Ingredients(found, RESOURCE, problems, parts))
        assert len(parts) == count
        assert problems == []
        for part in parts:
            part.close(0)
            part.join(1)
        del provider


def test_memory_keeps_the_points_of_thousands_of_runs(config: Make, caplog: pytest.LogCaptureFixture) -> None:
    """Test mode has no limit of label sets that the run ids of a long session of tests would reach."""
    memory = InMemoryExporters()
    provider = providers.create_meter_provider(Ingredients(config(), RESOURCE, [], [], memory))
    with caplog.at_level(logging.WARNING):
        counter = provider.get_meter("m").create_counter("c")
        for number in range(2500):
            counter.add(1, {"run": str(number)})
    data = memory.metrics.get_metrics_data()
    assert data is not None
    assert len(data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points) == 2500
    assert not caplog.records
