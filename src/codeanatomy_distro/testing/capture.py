"""Telemetry in memory: what a piece of code recorded, to be asserted on (specification, *CI/Testing*)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opentelemetry import trace

from codeanatomy_distro import settings
from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.run_context import get_process_run_id, new_run_id, set_process_run_id
from codeanatomy_distro.otel.bootstrap import OtelBootstrapOptions, configure_otel

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.trace import ReadableSpan

    from codeanatomy_distro.otel.memory import InMemoryExporters

__all__ = ["MetricPoint", "Telemetry", "capture"]


@dataclass(frozen=True)
class MetricPoint:
    """One data point: its metric's name and unit, its attributes, and the SDK's own point with value or buckets."""

    name: str
    unit: str
    attributes: Mapping[str, Any]
    data: Any


class Telemetry:
    """What was recorded since the capture began; each method returns a new list.

    `run_id` is the run id that spans, log records and metric points got where the code under test set none of its own.
    """

    def __init__(self, memory: InMemoryExporters) -> None:
        self._memory = memory
        self.reset()

    def spans(self, name: str | None = None) -> list[ReadableSpan]:
        """Return the spans that have ended, in the order in which they ended; only those called `name` if given."""
        return [span for span in self._memory.spans.get_finished_spans()[self._spans :] if name in {None, span.name}]

    def span(self, name: str) -> ReadableSpan:
        """Return the one span called `name`; raises AssertionError when there is none or more than one."""
        found = self.spans(name)
        if len(found) != 1:
            names = [span.name for span in self.spans()]
            message = f"expected one span {name!r}, found {len(found)} among {names}"
            raise AssertionError(message)
        return found[0]

    def logs(self) -> list[ReadableLogRecord]:
        """Return the log records, in the order in which they were emitted."""
        return list(self._memory.logs.get_finished_logs()[self._logs :])

    def metrics(self, name: str | None = None, *, run_id: str | None = None) -> list[MetricPoint]:
        """Return the metric points of this capture's run, or of `run_id`; only those of the metric `name` if given.

        Points are cumulative over the process; a run id of its own is what makes them this capture's.
        """
        wanted = run_id or self.run_id
        data = self._memory.metrics.get_metrics_data()
        return [
            MetricPoint(metric.name, metric.unit or "", point.attributes or {}, point)
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if name in {None, metric.name} and (point.attributes or {}).get(AttributeName.RUN_ID) == wanted
        ]

    def reset(self) -> None:
        """Forget the spans and log records so far, and begin a new run."""
        self._spans = len(self._memory.spans.get_finished_spans())
        self._logs = len(self._memory.logs.get_finished_logs())
        self.run_id = new_run_id()
        set_process_run_id(self.run_id)


class _Captures:
    under_way = 0


@contextmanager
def capture() -> Generator[Telemetry]:
    """Capture the telemetry of the block, under a run id of its own; a capture within another leaves that one whole.

    The first capture of a process sets OpenTelemetry's global providers, which can be set once: it must come before
    anything else sets them. Raises RuntimeError when something did.
    """
    options = OtelBootstrapOptions(
        test_mode=True,
        load_instrumentors=False,
        settings={
            settings.SDK_DISABLED.name: "false",
            settings.TRACES_SAMPLER.name: "always_on",
            settings.METRIC_RUN_ID.name: "true",
            settings.RESOURCE_DETECTORS.name: "otel",
        },
    )
    providers = configure_otel(options=options)
    if providers.memory is None or trace.get_tracer_provider() is not providers.tracer_provider:
        message = "telemetry of this process is configured already, and not for test mode"
        raise RuntimeError(message)
    if not _Captures.under_way:  # else what was recorded would stay in memory for the whole session
        providers.memory.spans.clear()
        providers.memory.logs.clear()
    before = get_process_run_id()
    _Captures.under_way += 1
    try:
        yield Telemetry(providers.memory)
    finally:
        _Captures.under_way -= 1
        set_process_run_id(before)
