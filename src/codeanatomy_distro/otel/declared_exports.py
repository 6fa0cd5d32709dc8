"""What a declarative file exports, and to where: its processors and readers as exporters with their settings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.otel import declared_parts
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.exporters import PluginExporter, exporter_factories
from codeanatomy_distro.otel.pull_readers import with_reader_redaction
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Origin
from codeanatomy_distro.setting_kinds import BadValue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.configuration import OpenTelemetryConfiguration
    from opentelemetry.sdk.metrics.export import MetricReader

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem, Setting

__all__ = ["DeclaredExport", "declared_exports", "declared_model", "declared_readers"]

_PROTOCOLS: Final = {"otlp_grpc": "grpc", "otlp_http": "http/protobuf"}
_TIMEOUTS: Final = frozenset({"export_timeout", "timeout"})
_NO_LIMIT: Final = 3_600_000  # ms, for the file's 0: the most that each of our timeouts takes


@dataclass(frozen=True)
class DeclaredExport:
    """One exporter of the file with what stands around it; `config` is the configuration with that in its settings.

    `protocol` is that of OTLP, None where something else exports.
    """

    create_exporter: ExporterFactory
    config: OtelConfig
    protocol: str | None = None


def declared_exports(config: OtelConfig, signal: str, problems: list[Problem]) -> list[DeclaredExport]:
    """Return what the file exports of `signal`; nothing where it has no section for it.

    What can't be used is told in `problems`, an exporter that is not installed too; where no other is left, OTLP takes
    its place, as for the variables.
    """
    # The settings have what stands in the first part of a list; it is not to be what the next one leaves out.
    first = {row.name: config.beneath[row.name] for row in settings.TABLE if "[]." in (row.place or "")}
    around = config.changed(values={**config.values, **first})
    found: list[DeclaredExport] = []
    missing: list[str] = []
    for part in _parts(declared_model(config), signal):
        batch = part.periodic if signal == "metrics" else part.batch
        simple = None if signal == "metrics" else part.simple
        exporter = getattr(batch or simple, "exporter", None)
        if exporter is None:  # a reader that is asked for metrics
            continue
        name = next(iter(exporter.additional_properties), None)
        if name is not None and not any(entry_points(group=f"opentelemetry_{signal}_exporter", name=name)):
            missing.append(name)
            continue
        if batch is not None:
            stated = _with_batch(around, signal, batch, problems)
        else:  # at once, as the file asks; on our own thread all the same, for the program is not to wait
            stated = around.with_values({_ROWS[signal]["max_export_batch_size"]: 1}, Origin.FILE)
        found.append(_export(stated, signal, exporter, problems))
    for name in missing:
        used = "the others" if found else "otlp"
        problems.append(config.in_part(f"no exporter {name} of {signal} is installed", used))
    return found or ([_otlp(around, signal)] if missing else [])


def declared_readers(config: OtelConfig, problems: list[Problem]) -> list[MetricReader]:
    """Return the readers of the file that are asked for their metrics (``pull``), such as Prometheus'.

    One that can't be had is told in `problems`.
    """
    readers: list[MetricReader] = []
    for part in _parts(declared_model(config), "metrics"):
        if part.pull is not None:
            try:
                readers.append(with_reader_redaction(declared_parts.create_reader(part), config))
            except Exception as error:  # noqa: BLE001 - its port may be taken, say: the program must start
                problems.append(config.in_part(f"its reader can't be had: {to_text(error)}", "the others"))
    return readers


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


def _stated(config: OtelConfig, values: Mapping[Setting[Any], object], problems: list[Problem]) -> OtelConfig:
    """Return `config` with those of `values` that the settings can have; the others are told in `problems`."""
    good: dict[Setting[Any], object] = {}
    for row, found in values.items():
        if found is None:
            continue
        try:
            good[row] = row.kind.parse(found if isinstance(found, str) else row.kind.write(found))
        except BadValue as bad:
            problems.append(config.in_part(f"{row.place or row.name}: {bad}", row.show(config[row])))
    return config.with_values(good, Origin.FILE)


def _with_batch(config: OtelConfig, signal: str, batch: Any, problems: list[Problem]) -> OtelConfig:  # noqa: ANN401 - a part of the model
    rows = _ROWS[signal]
    given = {row: getattr(batch, name) for name, row in rows.items()}
    for name in _TIMEOUTS & rows.keys():
        given[rows[name]] = _NO_LIMIT if given[rows[name]] == 0 else given[rows[name]]
    stated = _stated(config, given, problems)
    if "max_queue_size" in rows:
        queue, size = stated[rows["max_queue_size"]], stated[rows["max_export_batch_size"]]
        if size > queue:
            stated = stated.with_values({rows["max_export_batch_size"]: queue}, Origin.FILE)
            if batch.max_export_batch_size is not None:  # a smaller queue alone is no mistake: the batch follows it
                reason = f"{rows['max_export_batch_size'].place}: a batch can't be larger than the queue ({queue})"
                problems.append(config.in_part(reason, str(queue)))
    return stated


def _export(config: OtelConfig, signal: str, exporter: Any, problems: list[Problem]) -> DeclaredExport:  # noqa: ANN401 - a part of the model
    for name, protocol in _PROTOCOLS.items():
        given = getattr(exporter, name, None)
        if given is not None:
            return _otlp(_with_exporter(config, signal, protocol, given, problems), signal)
    name = next((key for key in ("console", "otlp_file_development") if getattr(exporter, key) is not None), "")
    name = name or next(iter(exporter.additional_properties), "")
    make_other = partial(_plugin, declared_parts.EXPORTERS[signal], exporter)
    return DeclaredExport(ExporterFactory(make_other, f"the exporter {name}"), config)


def _otlp(config: OtelConfig, signal: str) -> DeclaredExport:
    named = config.with_values({settings.SIGNAL_EXPORTER[signal]: ("otlp",)}, Origin.FILE)
    (factory,) = exporter_factories(named, signal, [])
    return DeclaredExport(factory, config, config.for_signal(signal, settings.SIGNAL_PROTOCOL, settings.OTLP_PROTOCOL))


def _plugin(make: Callable[[Any], Any], exporter: Any) -> PluginExporter:  # noqa: ANN401 - a part of the model
    return PluginExporter(make(exporter))


def _with_exporter(
    config: OtelConfig,
    signal: str,
    protocol: str,
    given: Any,  # noqa: ANN401 - as above
    problems: list[Problem],
) -> OtelConfig:
    tls = given.tls
    headers = declared_parts.parse_headers(given.headers, given.headers_list)
    values: dict[Setting[Any], object] = {
        settings.SIGNAL_PROTOCOL[signal]: protocol,
        settings.SIGNAL_ENDPOINT[signal]: given.endpoint,
        settings.SIGNAL_HEADERS[signal]: tuple(headers.items()) if headers is not None else None,
        settings.SIGNAL_TIMEOUT[signal]: (given.timeout or _NO_LIMIT) / 1000 if given.timeout is not None else None,
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
    return _stated(config, values, problems)
