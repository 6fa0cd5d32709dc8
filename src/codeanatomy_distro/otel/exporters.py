"""Exporters by name. Each is a factory: nothing of gRPC or HTTP is imported before the first export is due."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from codeanatomy_distro.otel.batching import Exporter
    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["create_otlp_exporter", "exporter_factories"]

_GROUPS: Final = {
    "traces": "opentelemetry_traces_exporter",
    "metrics": "opentelemetry_metrics_exporter",
    "logs": "opentelemetry_logs_exporter",
}
_PROTOCOL_OF: Final = {
    "otlp_proto_grpc": "grpc",
    "otlp_proto_http": "http/protobuf",
}
_HTTP_PATH: Final = {"traces": "v1/traces", "metrics": "v1/metrics", "logs": "v1/logs"}
_DEFAULT_ENDPOINT: Final = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}


def exporter_factories(config: OtelConfig, signal: str, problems: list[Problem]) -> list[Callable[[], Exporter]]:
    """Return a factory for each exporter that `config` names for `signal`; none when it says ``none``.

    A name that no package provides is told in `problems`; if no usable one is left, OTLP takes its place, for a typing
    error must not cost the telemetry.
    """
    setting = settings.SIGNAL_EXPORTER[signal]
    named = config[setting]
    names = [name for name in named if name.lower() != "none"]
    if not names:
        return []
    factories: list[Callable[[], Exporter]] = []
    for name in names:
        lowered = name.lower()
        if lowered == "otlp" or lowered in _PROTOCOL_OF:
            factories.append(partial(create_otlp_exporter, config, signal, _PROTOCOL_OF.get(lowered)))
            continue
        found = next(iter(entry_points(group=_GROUPS[signal], name=name)), None)
        if found is None:
            instead = "the others" if len(names) > 1 else "otlp"
            problems.append(Problem(setting.name, name, "no exporter of that name is installed", instead))
        else:
            factories.append(partial(_load, found))
    return factories or [partial(create_otlp_exporter, config, signal, None)]


def _load(entry: Any) -> Exporter:  # noqa: ANN401 - an entry point
    return entry.load()()


def create_otlp_exporter(config: OtelConfig, signal: str, protocol: str | None = None) -> Exporter:
    """Return the OTLP exporter of `signal`, over `protocol` or the one that `config` gives."""
    chosen = protocol or config.for_signal(signal, settings.SIGNAL_PROTOCOL, settings.OTLP_PROTOCOL)
    # Only what is set goes in as an argument: for the rest the exporter's own reading of its variables holds.
    arguments: dict[str, Any] = {
        "endpoint": _endpoint(config, signal, chosen),
        "timeout": config.for_signal(signal, settings.SIGNAL_TIMEOUT, settings.OTLP_TIMEOUT),
        "headers": dict(config.for_signal(signal, settings.SIGNAL_HEADERS, settings.OTLP_HEADERS)),
    }
    compression = config.for_signal(signal, settings.SIGNAL_COMPRESSION, settings.OTLP_COMPRESSION)
    if chosen == "grpc":
        return _grpc(signal, {**arguments, "insecure": _insecure(config, signal), "compression": compression})
    return _http(signal, {**arguments, "compression": compression})


def _endpoint(config: OtelConfig, signal: str, protocol: str) -> str:
    own = config[settings.SIGNAL_ENDPOINT[signal]]
    if own is not None:
        return own
    base = config[settings.OTLP_ENDPOINT] or _DEFAULT_ENDPOINT[protocol]
    return base if protocol == "grpc" else f"{base.rstrip('/')}/{_HTTP_PATH[signal]}"


def _insecure(config: OtelConfig, signal: str) -> bool | None:
    own = config[settings.SIGNAL_INSECURE[signal]]
    return config[settings.OTLP_INSECURE] if own is None else own


def _grpc(signal: str, arguments: dict[str, Any]) -> Exporter:
    import grpc  # start-up cost: 20 ms and 15 MB that a program which exports nothing need not pay

    compressions = {"none": grpc.Compression.NoCompression, "gzip": grpc.Compression.Gzip}
    arguments["compression"] = compressions.get(arguments["compression"], grpc.Compression.Deflate)
    arguments["headers"] = tuple((key.lower(), value) for key, value in arguments["headers"].items())
    match signal:
        case "traces":
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Created
        case "metrics":
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Created
        case _:
            from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as Created
    return Created(**arguments)


def _http(signal: str, arguments: dict[str, Any]) -> Exporter:
    from opentelemetry.exporter.otlp.proto.http import Compression  # start-up cost, as for gRPC

    arguments["compression"] = Compression(arguments["compression"])
    match signal:
        case "traces":
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as Created
        case "metrics":
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Created
        case _:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as Created
    return Created(**arguments)
