"""The run id on spans and log records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

from codeanatomy_distro.obs.run_context import run_context
from codeanatomy_distro.otel.processors import RunIdLogRecordProcessor, RunIdSpanProcessor
from codeanatomy_distro.otel.rule_sampler import SamplingRuleSampler

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler

KEY = "codeanatomy.run_id"


def attributes_of(sampler: Sampler, *processors: Any, **given: Any) -> list[dict[str, Any]]:
    """Return the attributes of a span of one run and of one without a run."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    for processor in (*processors, SimpleSpanProcessor(memory)):
        provider.add_span_processor(processor)
    tracer = provider.get_tracer("test")
    with run_context("run-1"):
        tracer.start_span("in a run", attributes=given).end()
    tracer.start_span("outside", attributes=given).end()
    return [dict(span.attributes or {}) for span in memory.get_finished_spans()]


def test_the_processor_puts_the_run_id_on_each_span_of_a_run() -> None:
    """A span in a run has its id; one outside has none."""
    inside, outside = attributes_of(ALWAYS_ON, RunIdSpanProcessor())
    assert (inside, outside) == ({KEY: "run-1"}, {})


def test_the_sampler_puts_the_run_id_beside_the_rule() -> None:
    """With the rule-stamping sampler no processor is needed, and the span's own attributes stay."""
    inside, outside = attributes_of(SamplingRuleSampler(ALWAYS_ON, "rule"), own=1)
    assert inside == {"own": 1, "otel.sampling.rule": "rule", KEY: "run-1"}
    assert outside == {"own": 1, "otel.sampling.rule": "rule"}


def test_the_stamps_follow_the_run_from_span_to_span() -> None:
    """Spans without attributes share no stamps across runs."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(SamplingRuleSampler(ALWAYS_ON, "rule"), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for run in ("a", "a", "b", "a"):
        with run_context(run):
            provider.get_tracer("test").start_span(run).end()
    assert [(span.name, (span.attributes or {})[KEY]) for span in memory.get_finished_spans()] == [
        (run, run) for run in ("a", "a", "b", "a")
    ]


def test_a_dropped_span_gets_nothing() -> None:
    """A span that is not recorded costs no stamp and raises nothing."""
    assert attributes_of(SamplingRuleSampler(ALWAYS_OFF, "rule")) == []


def test_log_records_get_the_run_id_unless_they_bring_one() -> None:
    """A record of a run has its id, with or without attributes; one that names another run keeps it."""
    memory = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(RunIdLogRecordProcessor())
    provider.add_log_record_processor(SimpleLogRecordProcessor(memory))
    logger = provider.get_logger("test")
    with run_context("run-1"):
        for attributes in (None, {"own": 1}, {KEY: "other"}):
            logger.emit(LogRecord(timestamp=1, body="x", attributes=attributes))
    logger.emit(LogRecord(timestamp=1, body="x"))
    found = [dict(record.log_record.attributes or {}) for record in memory.get_finished_logs()]
    assert found == [{KEY: "run-1"}, {"own": 1, KEY: "run-1"}, {KEY: "other"}, {}]
