"""The three providers, each made from a configuration and a resource; making one sets nothing global."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.sdk._logs import LoggerProvider
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
from opentelemetry.sdk.metrics.export import AggregationTemporality
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation
from opentelemetry.sdk.trace import TracerProvider

from codeanatomy_distro import settings
from codeanatomy_distro.otel.batching import batch_limits
from codeanatomy_distro.otel.exporters import exporter_factories, names_plugins
from codeanatomy_distro.otel.exporting import ExportingLogRecordProcessor, ExportingSpanProcessor
from codeanatomy_distro.otel.id_generators import create_id_generator
from codeanatomy_distro.otel.limits import create_span_limits, log_limits
from codeanatomy_distro.otel.metric_reader import ExportingMetricReader
from codeanatomy_distro.otel.processors import RunIdLogRecordProcessor, RunIdSpanProcessor
from codeanatomy_distro.otel.redacted_exporters import with_redaction
from codeanatomy_distro.otel.rule_sampler import SamplingRuleSampler
from codeanatomy_distro.otel.sampling import bind_scopes, configured_sampler
from codeanatomy_distro.otel.views import create_views
from codeanatomy_distro.setting import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import Aggregation, View
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.delivery import ExporterFactory
    from codeanatomy_distro.otel.identity import Identity
    from codeanatomy_distro.otel.lifecycle import Part
    from codeanatomy_distro.otel.memory import InMemoryExporters
    from codeanatomy_distro.setting import Problem

__all__ = ["Ingredients", "create_logger_provider", "create_meter_provider", "create_tracer_provider"]

_EXEMPLAR_FILTERS: Final = {
    "always_on": AlwaysOnExemplarFilter,
    "always_off": AlwaysOffExemplarFilter,
    "trace_based": TraceBasedExemplarFilter,
}
_HURRIED: Final = 1.0  # seconds between two collections of a process that may be killed, where nothing says how many
_CUMULATIVE, _DELTA = AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA
_DELTA_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "cumulative": (),
    "delta": (Counter, Histogram, ObservableCounter),
    "lowmemory": (Counter, Histogram),
}
_KINDS: Final = (Counter, Histogram, ObservableCounter, ObservableGauge, ObservableUpDownCounter, UpDownCounter)


class Ingredients(NamedTuple):
    """What each of the three providers is made of.

    What can't be used is told in `problems`, and what exports is added to `parts`. With `memory`, telemetry goes there
    and nowhere else.
    """

    config: OtelConfig
    resource: Resource
    problems: list[Problem]
    parts: list[Part]
    memory: InMemoryExporters | None = None
    identity: Identity | None = None


def create_tracer_provider(made_of: Ingredients, more_processors: Sequence[SpanProcessor] = ()) -> TracerProvider:
    """Return a tracer provider with the run-id processor, `more_processors`, and an exporting processor an exporter."""
    provider = bind_scopes(_tracer_provider(made_of))
    stamps = isinstance(provider.sampler, SamplingRuleSampler)
    for processor in (*(() if stamps else (RunIdSpanProcessor(),)), *more_processors):
        provider.add_span_processor(processor)
    if made_of.memory is not None:
        provider.add_span_processor(made_of.memory.span_processor())
        return provider
    for create_exporter, around in _exports(made_of, "traces"):
        exporting = ExportingSpanProcessor(create_exporter, batch_limits(around, "traces"), made_of.identity)
        made_of.parts.append(exporting.queue)
        provider.add_span_processor(exporting)
    return provider


def _exports(made_of: Ingredients, signal: str) -> list[tuple[ExporterFactory, OtelConfig]]:
    """Return what exports `signal`, behind redaction, each with the configuration that holds around it."""
    config = made_of.config
    if config.file is None:
        found = [(factory, config) for factory in exporter_factories(config, signal, made_of.problems)]
    else:
        from codeanatomy_distro.otel import declared_exports  # start-up cost, here and below: a package of an extra

        found = [
            (one.create_exporter, one.config)
            for one in declared_exports.declared_exports(config, signal, made_of.problems)
        ]
    return [(with_redaction(create_exporter, signal, config), around) for create_exporter, around in found]


def _tracer_provider(made_of: Ingredients) -> TracerProvider:
    config, resource, problems = made_of.config, made_of.resource, made_of.problems
    if config.file is not None:
        from codeanatomy_distro.otel import declared  # start-up cost, as above

        return declared.declared_tracer_provider(config, resource, problems)
    return TracerProvider(
        sampler=configured_sampler(config, problems),
        resource=resource,
        shutdown_on_exit=False,  # the lifecycle shuts all three down under one deadline
        id_generator=create_id_generator(config, problems),
        span_limits=create_span_limits(config),
    )


def create_meter_provider(made_of: Ingredients, more_views: Sequence[View] = ()) -> MeterProvider:
    """Return a meter provider with the catalogue's views, `more_views`, and one reader an exporter."""
    config, memory = made_of.config, made_of.memory
    readers: list[MetricReader] = []
    if memory is not None:
        readers.append(memory.metrics)
    else:
        for create_exporter, around in _exports(made_of, "metrics"):
            interval = around[settings.METRIC_EXPORT_INTERVAL] / 1000
            is_default = around.resolved(settings.METRIC_EXPORT_INTERVAL).origin == Origin.DEFAULT
            reader = ExportingMetricReader(
                create_exporter,
                interval=interval,
                temporality=_temporality(around),
                aggregation=_aggregation(around),
                timeout=around[settings.METRIC_EXPORT_TIMEOUT] / 1000,
                hurried=_HURRIED if is_default else interval,
                identity=made_of.identity,
            )
            made_of.parts.append(reader)
            readers.append(reader)
        if config.file is None and names_plugins(config, "metrics"):
            from codeanatomy_distro.otel.pull_readers import configured_readers  # start-up cost: few are asked

            readers += configured_readers(config, made_of.problems)
    views = create_views(config)
    options: dict[str, Any] = {}
    if config.file is not None:
        from codeanatomy_distro.otel import declared, declared_exports  # start-up cost, as above

        views = declared.declared_views(config, views)
        readers += declared_exports.declared_readers(config, made_of.problems) if memory is None else []
        options = declared.declared_meter_options(config)
    provider = MeterProvider(
        metric_readers=readers,
        resource=made_of.resource,
        views=[*views, *more_views],
        exemplar_filter=_EXEMPLAR_FILTERS[config[settings.EXEMPLAR_FILTER]](),
        shutdown_on_exit=False,
        **options,
    )
    for reader in readers:
        if isinstance(reader, ExportingMetricReader):
            reader.attach(provider)  # only now has it a provider to collect from
    return provider


def create_logger_provider(made_of: Ingredients) -> LoggerProvider:
    """Return a logger provider with the run-id processor and one exporting processor an exporter."""
    provider = _logger_provider(made_of.config, made_of.resource)
    provider.add_log_record_processor(RunIdLogRecordProcessor())
    if made_of.memory is not None:
        provider.add_log_record_processor(made_of.memory.log_record_processor())
        return provider
    for create_exporter, around in _exports(made_of, "logs"):
        exporting = ExportingLogRecordProcessor(create_exporter, batch_limits(around, "logs"), made_of.identity)
        made_of.parts.append(exporting.queue)
        provider.add_log_record_processor(exporting)
    return provider


def _logger_provider(config: OtelConfig, resource: Resource) -> LoggerProvider:
    if config.file is not None:
        from codeanatomy_distro.otel import declared  # start-up cost, as above

        return declared.declared_logger_provider(config, resource)
    return LoggerProvider(resource=resource, shutdown_on_exit=False, **log_limits(config))


def _temporality(config: OtelConfig) -> dict[type, AggregationTemporality]:
    delta = _DELTA_KINDS[config[settings.TEMPORALITY]]
    return {kind: _DELTA if kind in delta else _CUMULATIVE for kind in _KINDS}


def _aggregation(config: OtelConfig) -> dict[type, Aggregation]:
    if config[settings.HISTOGRAM_AGGREGATION] == "base2_exponential_bucket_histogram":
        return {Histogram: ExponentialBucketHistogramAggregation()}
    return {}
