"""The three providers, each made from a configuration and a resource; making one sets nothing global."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Counter,
    Histogram,
    MeterProvider,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    TraceBasedExemplarFilter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

from codeanatomy_distro import settings
from codeanatomy_distro.otel.batching import BatchLimits
from codeanatomy_distro.otel.exporters import exporter_factories
from codeanatomy_distro.otel.exporting import (
    ExportingLogRecordProcessor,
    ExportingMetricReader,
    ExportingSpanProcessor,
)
from codeanatomy_distro.otel.processors import RunIdLogRecordProcessor, RunIdSpanProcessor
from codeanatomy_distro.otel.redacted_exporters import with_redaction
from codeanatomy_distro.otel.sampling import configured_sampler
from codeanatomy_distro.otel.views import create_views
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import Aggregation, View
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.lifecycle import Part

__all__ = ["InMemoryExporters", "create_logger_provider", "create_meter_provider", "create_tracer_provider"]

_EXEMPLAR_FILTERS: Final = {
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
    "trace_based": TraceBasedExemplarFilter,
}
_CUMULATIVE, _DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
_DELTA_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "cumulative": (),
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}
_KINDS: Final = (Counter, Histogram, ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter)


@dataclass(frozen=True)
class InMemoryExporters:
    """Where test mode keeps what was recorded (specification, *CI/Testing*)."""

    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    metrics: InMemoryMetricReader = field(default_factory=InMemoryMetricReader)
    logs: InMemoryLogRecordExporter = field(default_factory=InMemoryLogRecordExporter)


def create_tracer_provider(
    config: OtelConfig,
    resource: Resource,
    problems: list[Problem],
    parts: list[Part],
    memory: InMemoryExporters | None = None,
    more_processors: Sequence[SpanProcessor] = (),
) -> TracerProvider:
    """Return a tracer provider with the run-id processor, `more_processors`, and an exporting processor an exporter.

    What exports is added to `parts`. With `memory`, spans go there and nowhere else.
    """
    provider = TracerProvider(
        sampler=configured_sampler(config, problems),
        resource=resource,
        shutdown_on_exit=False,  # the lifecycle shuts all three down under one deadline
        id_generator=_id_generator(config, problems),
        span_limits=SpanLimits(
            max_attributes=config[settings.ATTRIBUTE_COUNT_LIMIT],
            max_attribute_length=config[settings.ATTRIBUTE_VALUE_LENGTH_LIMIT],
            max_span_attributes=config[settings.SPAN_ATTRIBUTE_COUNT_LIMIT],
            max_span_attribute_length=config[settings.SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT],
            max_events=config[settings.SPAN_EVENT_COUNT_LIMIT],
            max_links=config[settings.SPAN_LINK_COUNT_LIMIT],
            max_event_attributes=config[settings.EVENT_ATTRIBUTE_COUNT_LIMIT],
            max_link_attributes=config[settings.LINK_ATTRIBUTE_COUNT_LIMIT],
        ),
    )
    for processor in (RunIdSpanProcessor(), *more_processors):
        provider.add_span_processor(processor)
    if memory is not None:
        provider.add_span_processor(SimpleSpanProcessor(memory.spans))
        return provider
    limits = BatchLimits(
        queue_size=config[settings.BSP_MAX_QUEUE_SIZE],
        batch_size=config[settings.BSP_MAX_EXPORT_BATCH_SIZE],
        delay=config[settings.BSP_SCHEDULE_DELAY] / 1000,
    )
    for create_exporter in exporter_factories(config, "traces", problems):
        exporting = ExportingSpanProcessor(with_redaction(create_exporter, "traces", config), limits)
        parts.append(exporting.queue)
        provider.add_span_processor(exporting)
    return provider


def create_meter_provider(
    config: OtelConfig,
    resource: Resource,
    problems: list[Problem],
    parts: list[Part],
    memory: InMemoryExporters | None = None,
    more_views: Sequence[View] = (),
) -> MeterProvider:
    """Return a meter provider with the catalogue's views and one reader an exporter."""
    readers: list[MetricReader] = []
    if memory is not None:
        readers.append(memory.metrics)
    else:
        for create_exporter in exporter_factories(config, "metrics", problems):
            reader = ExportingMetricReader(
                with_redaction(create_exporter, "metrics", config),
                interval=config[settings.METRIC_EXPORT_INTERVAL] / 1000,
                temporality=_temporality(config),
                aggregation=_aggregation(config),
            )
            parts.append(reader)
            readers.append(reader)
    provider = MeterProvider(
        metric_readers=readers,
        resource=resource,
        views=[*create_views(config), *more_views],
        exemplar_filter=_EXEMPLAR_FILTERS[config[settings.EXEMPLAR_FILTER]](),
        shutdown_on_exit=False,
    )
    for reader in readers:
        if isinstance(reader, ExportingMetricReader):
            reader.start()  # only now has it a provider to collect from
    return provider


def create_logger_provider(
    config: OtelConfig,
    resource: Resource,
    problems: list[Problem],
    parts: list[Part],
    memory: InMemoryExporters | None = None,
) -> LoggerProvider:
    """Return a logger provider with the run-id processor and one exporting processor an exporter."""
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False, **_log_limits(config))
    provider.add_log_record_processor(RunIdLogRecordProcessor())
    if memory is not None:
        provider.add_log_record_processor(SimpleLogRecordProcessor(memory.logs))
        return provider
    limits = BatchLimits(
        queue_size=config[settings.BLRP_MAX_QUEUE_SIZE],
        batch_size=config[settings.BLRP_MAX_EXPORT_BATCH_SIZE],
        delay=config[settings.BLRP_SCHEDULE_DELAY] / 1000,
    )
    for create_exporter in exporter_factories(config, "logs", problems):
        exporting = ExportingLogRecordProcessor(with_redaction(create_exporter, "logs", config), limits)
        parts.append(exporting.queue)
        provider.add_log_record_processor(exporting)
    return provider


def _log_limits(config: OtelConfig) -> dict[str, Any]:
    if "log_record_limits" not in inspect.signature(LoggerProvider.__init__).parameters:
        return {}  # an SDK that reads the limits from its variables alone
    from opentelemetry.sdk._logs import LogRecordLimits  # absent from older SDKs

    return {
        "log_record_limits": LogRecordLimits(
            max_attributes=config[settings.ATTRIBUTE_COUNT_LIMIT],
            max_attribute_length=config[settings.ATTRIBUTE_VALUE_LENGTH_LIMIT],
            max_log_record_attributes=config[settings.LOGRECORD_ATTRIBUTE_COUNT_LIMIT],
            max_log_record_attribute_length=config[settings.LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT],
        )
    }


def _temporality(config: OtelConfig) -> dict[type, AggregationTemporality]:
    delta = _DELTA_KINDS[config[settings.TEMPORALITY]]
    return {kind: _DELTA if kind in delta else _CUMULATIVE for kind in _KINDS}


def _aggregation(config: OtelConfig) -> dict[type, Aggregation]:
    if config[settings.HISTOGRAM_AGGREGATION] == "base2_exponential_bucket_histogram":
        return {Histogram: ExponentialBucketHistogramAggregation()}
    return {}


def _xray() -> IdGenerator:
    from opentelemetry.sdk.extension.aws.trace import AwsXRayIdGenerator  # pyright: ignore  # an optional package

    return AwsXRayIdGenerator()  # pyright: ignore


_ID_GENERATORS: Final[dict[str, Callable[[], IdGenerator]]] = {
    "default": RandomIdGenerator,
    "random": RandomIdGenerator,
    "xray": _xray,
}


def _id_generator(config: OtelConfig, problems: list[Problem]) -> IdGenerator:
    name = config[settings.ID_GENERATOR]
    reason = "no generator of that name is installed"
    try:
        if name.lower() in _ID_GENERATORS:
            return _ID_GENERATORS[name.lower()]()
        for entry in entry_points(group="opentelemetry_id_generator", name=name):
            return entry.load()()
    except ImportError:
        reason = "it needs the package opentelemetry-sdk-extension-aws"
    except Exception as error:  # noqa: BLE001 - somebody else's generator; the program must start
        reason = f"it failed: {type(error).__name__}: {error}"
    problems.append(Problem(settings.ID_GENERATOR.name, name, reason, "random"))
    return RandomIdGenerator()
