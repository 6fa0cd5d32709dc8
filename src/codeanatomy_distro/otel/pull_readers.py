"""Readers that are asked for metrics, such as ``prometheus``: each serves what there is when somebody comes for it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.otel.exporters import reader_entry
from codeanatomy_distro.otel.redacted_exporters import redactor_factory
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader, MetricsData

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["configured_readers", "with_reader_redaction"]


def configured_readers(config: OtelConfig, problems: list[Problem]) -> list[MetricReader]:
    """Return the readers that ``OTEL_METRICS_EXPORTER`` names; one that fails is told in `problems` and left out."""
    row = settings.SIGNAL_EXPORTER["metrics"]
    readers: list[MetricReader] = []
    for name in config[row]:
        reader = reader_entry(name)
        if reader is None:
            continue
        try:
            readers.append(with_reader_redaction(reader(), config))
        except Exception as error:  # noqa: BLE001 - its port may be taken, say: the program must start
            reason = f"it failed: {type(error).__name__}: {to_text(error)}"
            problems.append(Problem(row.name, name, reason, "the others" if len(config[row]) > 1 else "none"))
    return readers


def with_reader_redaction(reader: MetricReader, config: OtelConfig) -> MetricReader:
    """Have `reader` receive metrics redacted as `config` says; return it. What can't be redacted it does not get."""
    if config[settings.REDACTION] == "off":
        return reader
    create_redactor = redactor_factory(config)
    # Documented, for those who write readers.
    receive = cast("Any", reader)._receive_metrics  # noqa: SLF001
    redacting: list[Any] = []

    def receive_redacted(metrics_data: MetricsData, timeout_millis: float = 10_000, **more: Any) -> None:  # noqa: ANN401 - its own
        if not redacting:
            # Start-up cost: the patterns compile when the first one asks.
            from codeanatomy_distro.otel.redacting import RedactingMetricExporter

            redacting.append(RedactingMetricExporter(SimpleNamespace(export=receive), create_redactor()))  # pyright: ignore[reportArgumentType] - all that is called
        redacting[0].export(metrics_data, timeout_millis, **more)

    reader._receive_metrics = receive_redacted  # pyright: ignore[reportPrivateUsage] # noqa: SLF001 - as above
    return reader
