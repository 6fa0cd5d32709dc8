"""What a declarative file asks for, as the parts of our own providers.

The file decides what it says; what a present section leaves out is as it would be without a file, and a signal without
a section is off, as the OpenTelemetry specification has it. Exports go through our own processors, so that redaction,
the run id, fork and exit work just the same. Some parts only `opentelemetry-configuration` can make, by functions
that it keeps to itself; a version without them is told as a fault of the file's.
"""

from __future__ import annotations

import atexit
import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.configuration import _logger_provider, _meter_provider, _propagator, _resource, _tracer_provider
from opentelemetry.sdk.resources import Resource

from codeanatomy_distro import settings
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.exporters import PluginExporter, create_otlp_exporter
from codeanatomy_distro.otel.sampling import RootRuleSampler, configured_sampler, create_sampler, wrap_sampler
from codeanatomy_distro.setting import Origin, Resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.configuration import OpenTelemetryConfiguration
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.trace import TracerProvider

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem, Setting

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

__all__ = [
    "DeclaredExport",
    "declared_exports",
    "declared_logger_provider",
    "declared_propagator",
    "declared_readers",
    "declared_resource",
    "declared_tracer_provider",
    "declared_views",
]

_PROTOCOLS: Final = {"otlp_grpc": "grpc", "otlp_http": "http/protobuf"}
_EXPORTER_MAKERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "traces": _tracer_provider._create_span_exporter,
    "metrics": _meter_provider._create_push_metric_exporter,
    "logs": _logger_provider._create_log_record_exporter,
}


@dataclass(frozen=True)
class DeclaredExport:
    """One exporter of the file with what stands around it; `config` is the configuration with that in its settings."""

    create_exporter: ExporterFactory
    config: OtelConfig


def declared_exports(config: OtelConfig, signal: str) -> list[DeclaredExport]:
    """Return what the file exports of `signal`; nothing where it has no section for it."""
    found: list[DeclaredExport] = []
    for part in _parts(_model(config), signal):
        batch = part.batch if signal != "metrics" else part.periodic
        if batch is not None:
            found.append(_export(_with_batch(config, signal, batch), signal, batch.exporter))
        elif signal != "metrics" and part.simple is not None:
            # At once, as the file asks; on our own thread all the same, for the program is not to wait.
            found.append(
                _export(_with(config, {_ROWS[signal]["max_export_batch_size"]: 1}), signal, part.simple.exporter)
            )
    return found


def declared_readers(config: OtelConfig) -> list[MetricReader]:
    """Return the readers of the file that are asked for their metrics (``pull``), such as Prometheus'."""
    return [
        _meter_provider._create_metric_reader(part)
        for part in _parts(_model(config), "metrics")
        if part.pull is not None
    ]


def declared_tracer_provider(config: OtelConfig, resource: Resource, problems: list[Problem]) -> TracerProvider:
    """Return a provider with the file's sampler, limits and ids, and no processors; the sampler stamps the rule."""
    model = _model(config)
    section = model.tracer_provider
    bare = dataclasses.replace(section, processors=[]) if section is not None else None
    provider = _tracer_provider.create_tracer_provider(bare, resource, model.attribute_limits)
    atexit.unregister(provider.shutdown)  # the lifecycle shuts all three down under one deadline
    given = section.sampler if section is not None else None
    if given is None:
        provider.sampler = configured_sampler(config, problems)
    elif isinstance(provider.sampler, RootRuleSampler):
        provider.sampler = create_sampler(options=given.additional_properties[settings.DISTRO_NAME])
    else:
        provider.sampler = wrap_sampler(provider.sampler, config[settings.SAMPLING_RULE])
    return provider


def declared_logger_provider(config: OtelConfig, resource: Resource) -> LoggerProvider:
    """Return a provider with the file's limits and no processors."""
    model = _model(config)
    section = model.logger_provider
    bare = dataclasses.replace(section, processors=[]) if section is not None else None
    provider = _logger_provider.create_logger_provider(bare, resource, model.attribute_limits)
    atexit.unregister(provider.shutdown)
    return provider


def declared_views(config: OtelConfig, ours: list[View]) -> list[View]:
    """Return the views of the file, and of `ours` those for whose instrument the file has none."""
    section = _model(config).meter_provider
    views = [_meter_provider._create_view(view) for view in (section.views if section is not None else None) or []]
    named = {view._instrument_name for view in views}
    return [*views, *(view for view in ours if view._instrument_name not in named)]


def declared_resource(config: OtelConfig, detected: Resource, identity: Resource) -> Resource:
    """Return what the detectors found as far as the file wants it, `identity` over it, the file's own on top.

    Which detectors ran is the file's too, where it names some (`settings.RESOURCE_DETECTORS`).
    """
    section = _model(config).resource
    if section is None:
        return detected.merge(identity)
    if section.detection_development is not None:
        wanted = section.detection_development.attributes
        detected = Resource(cast("Any", _resource._filter_attributes(dict(detected.attributes), wanted)))
    unstated = _resource.create_resource(None).attributes
    declared = _resource.create_resource(dataclasses.replace(section, detection_development=None))
    stated = {key: value for key, value in declared.attributes.items() if unstated.get(key) != value}
    return detected.merge(identity).merge(Resource(stated, section.schema_url))


def declared_propagator(config: OtelConfig) -> TextMapPropagator:
    """Return the propagator of the file; one that does nothing where it has none."""
    return _propagator.create_propagator(_model(config).propagator)


def _model(config: OtelConfig) -> OpenTelemetryConfiguration:
    if config.file is None:
        message = "no declarative file was read"
        raise ValueError(message)
    return config.file.model


def _parts(model: OpenTelemetryConfiguration, signal: str) -> list[Any]:
    match signal:
        case "traces":
            return list(model.tracer_provider.processors) if model.tracer_provider is not None else []
        case "metrics":
            return list(model.meter_provider.readers) if model.meter_provider is not None else []
        case _:
            return list(model.logger_provider.processors) if model.logger_provider is not None else []


_ROWS: Final[Mapping[str, Mapping[str, Setting[Any]]]] = {
    "traces": {
        "schedule_delay": settings.BSP_SCHEDULE_DELAY,
        "export_timeout": settings.BSP_EXPORT_TIMEOUT,
        "max_queue_size": settings.BSP_MAX_QUEUE_SIZE,
        "max_export_batch_size": settings.BSP_MAX_EXPORT_BATCH_SIZE,
    },
    "metrics": {"interval": settings.METRIC_EXPORT_INTERVAL, "timeout": settings.METRIC_EXPORT_TIMEOUT},
    "logs": {
        "schedule_delay": settings.BLRP_SCHEDULE_DELAY,
        "export_timeout": settings.BLRP_EXPORT_TIMEOUT,
        "max_queue_size": settings.BLRP_MAX_QUEUE_SIZE,
        "max_export_batch_size": settings.BLRP_MAX_EXPORT_BATCH_SIZE,
    },
}


def _with(config: OtelConfig, values: Mapping[Setting[Any], object]) -> OtelConfig:
    """Return `config` with `values`, but for those that are None, as the file's."""
    stated = {row.name: Resolved(value, Origin.FILE) for row, value in values.items() if value is not None}
    return dataclasses.replace(config, values={**config.values, **stated})


def _with_batch(config: OtelConfig, signal: str, batch: Any) -> OtelConfig:  # noqa: ANN401 - a part of the model
    rows = _ROWS[signal]
    stated = _with(config, {row: getattr(batch, name) for name, row in rows.items()})
    if "max_queue_size" in rows:  # a batch can't be larger than its queue
        queue, size = stated[rows["max_queue_size"]], stated[rows["max_export_batch_size"]]
        stated = _with(stated, {rows["max_export_batch_size"]: min(queue, size)})
    return stated


def _export(config: OtelConfig, signal: str, exporter: Any) -> DeclaredExport:  # noqa: ANN401 - a part of the model
    for name, protocol in _PROTOCOLS.items():
        given = getattr(exporter, name, None)
        if given is not None:
            stated = _with_exporter(config, signal, protocol, given)
            endpoint = stated[settings.SIGNAL_ENDPOINT[signal]] or "the default OTLP endpoint"
            return DeclaredExport(
                ExporterFactory(partial(create_otlp_exporter, stated, signal, protocol), endpoint), stated
            )
    name = next((key for key in ("console", "otlp_file_development") if getattr(exporter, key) is not None), "")
    name = name or next(iter(exporter.additional_properties), "")
    make = partial(_plugin, _EXPORTER_MAKERS[signal], exporter)
    return DeclaredExport(ExporterFactory(make, f"the exporter {name}"), config)


def _plugin(make: Callable[[Any], Any], exporter: Any) -> PluginExporter:  # noqa: ANN401 - a part of the model
    return PluginExporter(make(exporter))


def _with_exporter(config: OtelConfig, signal: str, protocol: str, given: Any) -> OtelConfig:  # noqa: ANN401 - as above
    tls = given.tls
    headers = _tracer_provider._parse_headers(given.headers, given.headers_list)
    values: dict[Setting[Any], object] = {
        settings.SIGNAL_PROTOCOL[signal]: protocol,
        settings.SIGNAL_ENDPOINT[signal]: given.endpoint,
        settings.SIGNAL_HEADERS[signal]: tuple(headers.items()) if headers is not None else None,
        settings.SIGNAL_TIMEOUT[signal]: given.timeout / 1000 if given.timeout is not None else None,
        settings.SIGNAL_COMPRESSION[signal]: given.compression,
        settings.SIGNAL_CERTIFICATE[signal]: getattr(tls, "ca_file", None),
        settings.SIGNAL_CLIENT_KEY[signal]: getattr(tls, "key_file", None),
        settings.SIGNAL_CLIENT_CERTIFICATE[signal]: getattr(tls, "cert_file", None),
        settings.SIGNAL_INSECURE[signal]: getattr(tls, "insecure", None),
    }
    if signal == "metrics":
        preference = given.temporality_preference
        values[settings.TEMPORALITY] = preference.value.replace("_", "") if preference is not None else None
        aggregation = given.default_histogram_aggregation
        values[settings.HISTOGRAM_AGGREGATION] = aggregation.value if aggregation is not None else None
    return _with(config, values)
