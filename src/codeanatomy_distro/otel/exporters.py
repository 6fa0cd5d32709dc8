"""Exporters by name. Each is a factory: nothing of gRPC or HTTP is imported before the first export is due."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.metrics.export import MetricReader

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.otel.delivery import Exporter
    from codeanatomy_distro.otel.otlp_exporter import OtlpExporter

__all__ = ["PluginExporter", "create_otlp_exporter", "exporter_factories", "names_plugins", "reader_entry"]

_logger = logging.getLogger("codeanatomy_distro.export")
_GROUPS: Final = {
    "traces": "opentelemetry_traces_exporter",
    "metrics": "opentelemetry_metrics_exporter",
    "logs": "opentelemetry_logs_exporter",
}
_PROTOCOL_OF: Final = {
    "otlp_proto_grpc": "grpc",
    "otlp_proto_http": "http/protobuf",
}
_EXPORTERS: Final = frozenset({"otlp", *_PROTOCOL_OF, "console", "none"})
_HTTP_PATH: Final = {"traces": "v1/traces", "metrics": "v1/metrics", "logs": "v1/logs"}
_DEFAULT_ENDPOINT: Final = {"grpc": "http://localhost:4317", "http/protobuf": "http://localhost:4318"}


class PluginExporter:
    """Any exporter with OpenTelemetry's own interface. What it fails to deliver is not sent again: it can't say why."""

    def __init__(self, exporter: Any) -> None:  # noqa: ANN401 - the three signals' exporters share no class
        self._exporter = exporter

    def export(self, batch: Any, timeout: float, /) -> Outcome:  # noqa: ANN401, ARG002 - the interface has no timeout
        """Hand over `batch`."""
        result = self._exporter.export(batch)
        # Its own interface returns one enumeration a signal; the names are the same.
        return ARRIVED if getattr(result, "name", "") == "SUCCESS" else Outcome(arrived=False, reason="it failed")

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._exporter.shutdown()

    @property
    def cancels(self) -> bool:
        """Return False: that is not part of the interface."""
        return False


def exporter_factories(config: OtelConfig, signal: str, problems: list[Problem]) -> list[ExporterFactory]:
    """Return a factory for each exporter that `config` names for `signal`; none when it says ``none``.

    A name that no package provides is told in `problems`; if no usable one is left, OTLP takes its place, for a typing
    error must not cost the telemetry.
    """
    setting = settings.SIGNAL_EXPORTER[signal]
    named = config[setting]
    names = [name for name in named if name.lower() != "none"]
    if not names:
        return []
    factories: list[ExporterFactory] = []
    readers = 0  # made by `pull_readers`: what is asked for metrics exports none
    for name in names:
        lowered = name.lower()
        if lowered == "otlp" or lowered in _PROTOCOL_OF:
            factories.append(_otlp_factory(config, signal, _PROTOCOL_OF.get(lowered)))
            continue
        if signal == "metrics" and reader_entry(name) is not None:
            readers += 1
            continue
        found = next(iter(entry_points(group=_GROUPS[signal], name=name)), None)
        if found is None:
            instead = "the others" if len(names) > 1 else "otlp"
            problems.append(Problem(setting.name, name, "no exporter of that name is installed", instead))
        else:
            factories.append(ExporterFactory(partial(_load, found), f"the exporter {name}"))
    return factories if factories or readers else [_otlp_factory(config, signal, None)]


def names_plugins(config: OtelConfig, signal: str) -> bool:
    """Return whether the settings name an exporter of `signal`, or a reader, that another package brings."""
    return not _EXPORTERS.issuperset(name.lower() for name in config[settings.SIGNAL_EXPORTER[signal]])


def reader_entry(name: str) -> Callable[[], MetricReader] | None:
    """Return the class of the metric reader of that name, such as ``prometheus``; None for what exports by itself."""
    if name.lower() in _EXPORTERS:
        return None
    from opentelemetry.sdk.metrics.export import MetricReader  # start-up cost: of those who name a plug-in

    for entry in entry_points(group=_GROUPS["metrics"], name=name):
        try:
            found: Any = entry.load()
        except Exception:  # noqa: BLE001 - told when it is made: a module that can't be imported is no reader
            return None
        return found if isinstance(found, type) and issubclass(found, MetricReader) else None
    return None


def _load(entry: Any) -> Exporter:  # noqa: ANN401 - an entry point
    return PluginExporter(entry.load()())


def _otlp_factory(config: OtelConfig, signal: str, protocol: str | None) -> ExporterFactory:
    chosen = protocol or _protocol(config, signal)
    create = partial(create_otlp_exporter, config, signal, chosen)
    # A query may hold a key, and says nothing of where it goes.
    destination = _endpoint(config, signal, chosen).partition("?")[0]
    return ExporterFactory(create, destination, partial(_warm, signal, chosen))


def _warm(signal: str, protocol: str) -> None:
    from codeanatomy_distro.otel.otlp_exporter import answer_reader, encoder  # start-up cost, here and below

    if protocol == "grpc":
        from codeanatomy_distro.otel import otlp_grpc as sender
    else:
        from codeanatomy_distro.otel import otlp_http as sender
    encoder(signal)
    answer_reader(signal)
    _logger.debug("%s is ready to be used", sender.__name__)


def create_otlp_exporter(config: OtelConfig, signal: str, protocol: str | None = None) -> OtlpExporter:
    """Return the OTLP exporter of `signal`, over `protocol` or the one that `config` gives.

    Raises what a wrong certificate file raises.
    """
    from codeanatomy_distro.otel.otlp_exporter import OtlpExporter  # start-up cost

    chosen = protocol or _protocol(config, signal)
    endpoint = _endpoint(config, signal, chosen)
    headers = config.for_signal(signal, settings.SIGNAL_HEADERS, settings.OTLP_HEADERS)
    compression = config.for_signal(signal, settings.SIGNAL_COMPRESSION, settings.OTLP_COMPRESSION)
    authorities = config.for_signal(signal, settings.SIGNAL_CERTIFICATE, settings.OTLP_CERTIFICATE)
    key = config.for_signal(signal, settings.SIGNAL_CLIENT_KEY, settings.OTLP_CLIENT_KEY)
    certificate = config.for_signal(signal, settings.SIGNAL_CLIENT_CERTIFICATE, settings.OTLP_CLIENT_CERTIFICATE)
    timeout = config.for_signal(signal, settings.SIGNAL_TIMEOUT, settings.OTLP_TIMEOUT)
    if chosen == "grpc":
        from codeanatomy_distro.otel.otlp_grpc import GrpcSender, create_credentials

        plain = _insecure(config, signal, endpoint)
        credentials = None if plain else create_credentials(authorities, key, certificate)
        sender = GrpcSender(signal, endpoint, credentials=credentials, headers=headers, compression=compression)
        return OtlpExporter(signal, sender, timeout)
    from codeanatomy_distro.otel.otlp_http import HttpSender

    client = (certificate, key) if certificate and key else certificate
    poster = HttpSender(
        signal, endpoint, certificate=authorities, client=client, headers=headers, compression=compression
    )
    return OtlpExporter(signal, poster, timeout)


def _protocol(config: OtelConfig, signal: str) -> str:
    return config.for_signal(signal, settings.SIGNAL_PROTOCOL, settings.OTLP_PROTOCOL)


def _endpoint(config: OtelConfig, signal: str, protocol: str) -> str:
    own = config[settings.SIGNAL_ENDPOINT[signal]]
    if own is not None:
        return own
    base = config[settings.OTLP_ENDPOINT] or _DEFAULT_ENDPOINT[protocol]
    if protocol == "grpc":
        return base
    address, mark, query = base.partition("#")[0].partition("?")
    return f"{address.rstrip('/')}/{_HTTP_PATH[signal]}{mark}{query}"


def _insecure(config: OtelConfig, signal: str, endpoint: str) -> bool:
    """Return whether gRPC goes in plain text: by the scheme, where it has one that says so, else by the setting."""
    if endpoint.startswith(("http:", "https:")):
        return endpoint.startswith("http:")
    own = config[settings.SIGNAL_INSECURE[signal]]
    chosen = config[settings.OTLP_INSECURE] if own is None else own
    return True if chosen is None else chosen
