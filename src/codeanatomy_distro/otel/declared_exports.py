"""What a declarative file exports, and to where: its processors and readers as exporters with their settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.otel import declared_parts
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.exporters import PluginExporter, create_otlp_exporter
from codeanatomy_distro.otel.pull_readers import with_reader_redaction
from codeanatomy_distro.setting import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.configuration import OpenTelemetryConfiguration
    from opentelemetry.sdk.metrics.export import MetricReader

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Setting

__all__ = ["DeclaredExport", "declared_exports", "declared_model", "declared_readers"]

_PROTOCOLS: Final = {"otlp_grpc": "grpc", "otlp_http": "http/protobuf"}


@dataclass(frozen=True)
class DeclaredExport:
    """One exporter of the file with what stands around it; `config` is the configuration with that in its settings.

    `protocol` is that of OTLP, None where something else exports.
    """

    create_exporter: ExporterFactory
    config: OtelConfig
    protocol: str | None = None


def declared_exports(config: OtelConfig, signal: str) -> list[DeclaredExport]:
    """Return what the file exports of `signal`; nothing where it has no section for it."""
    found: list[DeclaredExport] = []
    for part in _parts(declared_model(config), signal):
        batch = part.batch if signal != "metrics" else part.periodic
        if batch is not None:
            found.append(_export(_with_batch(config, signal, batch), signal, batch.exporter))
        elif signal != "metrics" and part.simple is not None:
            # At once, as the file asks; on our own thread all the same, for the program is not to wait.
            found.append(
                _export(
                    config.with_values({_ROWS[signal]["max_export_batch_size"]: 1}, Origin.FILE),
                    signal,
                    part.simple.exporter,
                )
            )
    return found


def declared_readers(config: OtelConfig) -> list[MetricReader]:
    """Return the readers of the file that are asked for their metrics (``pull``), such as Prometheus'."""
    return [
        with_reader_redaction(declared_parts.create_reader(part), config)
        for part in _parts(declared_model(config), "metrics")
        if part.pull is not None
    ]


def declared_model(config: OtelConfig) -> OpenTelemetryConfiguration:
    """Return what stands in the file that `config` was read from."""
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


def _with_batch(config: OtelConfig, signal: str, batch: Any) -> OtelConfig:  # noqa: ANN401 - a part of the model
    rows = _ROWS[signal]
    stated = config.with_values({row: getattr(batch, name) for name, row in rows.items()}, Origin.FILE)
    if "max_queue_size" in rows:  # a batch can't be larger than its queue
        queue, size = stated[rows["max_queue_size"]], stated[rows["max_export_batch_size"]]
        stated = stated.with_values({rows["max_export_batch_size"]: min(queue, size)}, Origin.FILE)
    return stated


def _export(config: OtelConfig, signal: str, exporter: Any) -> DeclaredExport:  # noqa: ANN401 - a part of the model
    for name, protocol in _PROTOCOLS.items():
        given = getattr(exporter, name, None)
        if given is not None:
            stated = _with_exporter(config, signal, protocol, given)
            endpoint = stated[settings.SIGNAL_ENDPOINT[signal]] or "the default OTLP endpoint"
            make = partial(create_otlp_exporter, stated, signal, protocol)
            return DeclaredExport(ExporterFactory(make, endpoint), stated, protocol)
    name = next((key for key in ("console", "otlp_file_development") if getattr(exporter, key) is not None), "")
    name = name or next(iter(exporter.additional_properties), "")
    make_other = partial(_plugin, declared_parts.EXPORTERS[signal], exporter)
    return DeclaredExport(ExporterFactory(make_other, f"the exporter {name}"), config)


def _plugin(make: Callable[[Any], Any], exporter: Any) -> PluginExporter:  # noqa: ANN401 - a part of the model
    return PluginExporter(make(exporter))


def _with_exporter(config: OtelConfig, signal: str, protocol: str, given: Any) -> OtelConfig:  # noqa: ANN401 - as above
    tls = given.tls
    headers = declared_parts.parse_headers(given.headers, given.headers_list)
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
    return config.with_values(values, Origin.FILE)
