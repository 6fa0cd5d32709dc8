"""The processors that hand spans and log records to exporters."""

from __future__ import annotations

import os
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult

from codeanatomy_distro.otel.batching import BatchLimits
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.exporting import ExportingLogRecordProcessor, ExportingSpanProcessor
from codeanatomy_distro.otel.identity import Identity
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome


class Recording:
    """An exporter that keeps what it takes."""

    cancels = False

    def __init__(self) -> None:
        self.taken: list[Any] = []

    def export(self, batch: list[Any], timeout: float, /) -> Outcome:
        """Take the batch."""
        self.taken += batch
        return ARRIVED

    def shutdown(self) -> None:
        """Do nothing."""


class RecordOnly(Sampler):
    """Records spans without sampling them."""

    def should_sample(self, *_: Any, **__: Any) -> SamplingResult:
        """Record."""
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        """Return the name."""
        return "RecordOnly"


def spans_to(exporter: Recording, identity: Identity | None = None, sampler: Sampler | None = None) -> TracerProvider:
    """Return a provider that exports to `exporter`."""
    resource = Resource({"service.name": "parent"}) if identity is None else identity.resource
    provider = TracerProvider(sampler, resource, shutdown_on_exit=False)
    provider.add_span_processor(ExportingSpanProcessor(ExporterFactory(lambda: exporter), BatchLimits(), identity))
    return provider


def identity() -> Identity:
    """Return the identity of a process that a user named."""
    return Identity(Resource({"service.name": "s", "process.pid": 1, "service.instance.id": "i"}), "i")


def test_only_sampled_spans_are_exported() -> None:
    """A span that is recorded for others only stays in the process, as does one that is dropped."""
    exporter = Recording()
    for sampler in (None, RecordOnly(), ALWAYS_OFF):
        provider = spans_to(exporter, sampler=sampler)
        provider.get_tracer("test").start_span(type(sampler).__name__).end()
        assert provider.force_flush(5000)
    assert [span.name for span in exporter.taken] == ["NoneType"]


def test_a_span_that_the_parent_had_open_is_not_the_childs_to_export() -> None:
    """In a forked child, spans from before the fork are left to the parent; the child's own carry its identity."""
    exporter, who = Recording(), identity()
    provider = spans_to(exporter, who)
    tracer = provider.get_tracer("test")
    before = tracer.start_span("before")
    who.renew()
    after = tracer.start_span("after")
    before.end()
    after.end()
    assert provider.force_flush(5000)
    (span,) = exporter.taken
    assert span.name == "after"
    assert span.resource.attributes["service.instance.id"] == f"i-{os.getpid()}"


def test_a_span_of_a_worker_keeps_the_counts_of_what_the_limits_dropped() -> None:
    """Giving a span the worker's resource loses nothing that the exporter reads."""
    exporter, who = Recording(), identity()
    provider = spans_to(exporter, who)
    who.renew()
    with provider.get_tracer("test").start_as_current_span("span") as span:
        for number in range(130):
            span.add_event(f"event {number}")
    assert provider.force_flush(5000)
    assert exporter.taken[0].dropped_events == 2
    assert exporter.taken[0].resource.attributes["process.pid"] == os.getpid()


def test_a_grandchild_leaves_its_parents_spans_alone_too() -> None:
    """Each fork begins anew: what a worker had open is not for the worker that it forks."""
    exporter, who = Recording(), identity()
    provider = spans_to(exporter, who)
    who.renew()
    of_child = provider.get_tracer("test").start_span("child")
    who.renew()
    of_child.end()
    provider.get_tracer("test").start_span("grandchild").end()
    assert provider.force_flush(5000)
    assert [span.name for span in exporter.taken] == ["grandchild"]


def test_log_records_are_copied_and_carry_the_workers_identity() -> None:
    """A record is exported without the context it was made in, with the resource of the process it was made in."""
    exporter, who = Recording(), identity()
    provider = LoggerProvider(who.resource, shutdown_on_exit=False)
    provider.add_log_record_processor(
        ExportingLogRecordProcessor(ExporterFactory(lambda: exporter), BatchLimits(), who)
    )
    for body in ("parent", "worker"):
        provider.get_logger("test").emit(LogRecord(timestamp=1, severity_number=SeverityNumber.INFO, body=body))
        who.renew()
    assert provider.force_flush(5000)
    assert [record.log_record.body for record in exporter.taken] == ["parent", "worker"]
    assert [record.resource.attributes["process.pid"] for record in exporter.taken] == [1, os.getpid()]
    assert not any(record.log_record.context for record in exporter.taken)
