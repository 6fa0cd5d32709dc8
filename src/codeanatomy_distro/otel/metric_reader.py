"""The metric reader: collects and exports on a thread of its own, and starts from nothing in a forked child."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
import time
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricReader, MetricsData

from codeanatomy_distro.otel.part import Part

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.view import Aggregation

    from codeanatomy_distro.otel.delivery import ExporterFactory
    from codeanatomy_distro.otel.export_thread import Reason
    from codeanatomy_distro.otel.identity import Identity

__all__ = ["ExportingMetricReader", "count_points", "renew_metric_state"]

_logger = logging.getLogger("codeanatomy_distro.export")
_COLLECT_SECONDS: Final = 10.0
_LAST_COLLECT_SECONDS: Final = 0.05  # where the deadline is over: what can't be sent is counted all the same


class ExportingMetricReader(Part, MetricReader):
    """Collects and exports all metrics every `interval` seconds, and once more when it is closed; after `hurry` at
    least every `hurried` ones.

    `timeout` is how many seconds one export may take, retries included. An export that fails loses nothing while
    sums are cumulative: the next one repeats it. With delta temporality it is kept until its time is over.
    """

    def __init__(  # noqa: PLR0913 - what the settings say of metrics
        self,
        create_exporter: ExporterFactory,
        *,
        interval: float,
        temporality: dict[type, AggregationTemporality],
        aggregation: dict[type, Aggregation],
        timeout: float = 30.0,
        hurried: float = math.inf,
        identity: Identity | None = None,
    ) -> None:
        MetricReader.__init__(self, preferred_temporality=temporality, preferred_aggregation=aggregation)
        self._identity = identity
        self._delta = AggregationTemporality.DELTA in temporality.values()
        Part.__init__(self, "metric points", create_exporter, interval=interval, timeout=timeout, hurried=hurried)

    def _begin(self) -> None:
        super()._begin()
        self._pending: MetricsData | None = None
        self._points = 0
        self._collecting = False
        self._last = False  # whether the latest collection is the last

    @property
    def _waiting(self) -> int:
        return self._points

    @property
    def _has_work(self) -> bool:
        return True  # there is always something to collect, if only to see that there is nothing

    @property
    def held_up(self) -> bool:
        """Return whether a collection is under way: it waits for the lock of whoever is measuring."""
        return self._collecting or super().held_up

    @property
    def losses(self) -> str:
        """Return what was not delivered; how much that is can't be known before it is collected."""
        if not self._thread.stopping or (self._last and not self._collecting):
            return super().losses
        return f"at least {self.undelivered} {self.signal}" if self.undelivered else f"uncollected {self.signal}"

    def reset(self) -> None:
        """Begin anew in a forked child; what the parent has measured is the parent's to export."""
        super().reset()
        provider: Any = getattr(self, "_provider", None)
        if provider is not None:
            renew_metric_state(provider)

    def attach(self, provider: MeterProvider) -> None:
        """Know the provider that it collects from, and begin."""
        self._provider = provider
        self.start()

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:  # noqa: ANN401 - the base class's own
        """Export once more and stop."""
        self.close(time.monotonic() + timeout_millis / 1000)
        self.join(timeout_millis / 1000)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Collect and export now; return whether that was done in time."""
        return self.flush(timeout_millis / 1000)

    def _serve(self, reason: Reason) -> None:
        if self._pending is not None:
            if self._delta and not self._send(self._pending):
                return
            self._pending = None
        self._collecting, self._last = True, reason == "stop"
        try:
            timeout = min(_COLLECT_SECONDS, max(self._thread.time_left, _LAST_COLLECT_SECONDS))
            self.collect(timeout_millis=timeout * 1000)
        except Exception as error:  # noqa: BLE001 - an observable callback is somebody else's code
            self._last = False
            if self._thread.time_left <= 0:
                return  # the last line of the process tells of it
            _logger.warning("collecting metrics failed: %s: %s", type(error).__name__, error)
        finally:
            self._collecting = False

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> None:  # noqa: ANN401, ARG002 - the base class's own
        self._collecting = False
        if self._identity is not None and (resource := self._identity.worker_resource) is not None:
            metrics_data = MetricsData(
                [dataclasses.replace(one, resource=resource) for one in metrics_data.resource_metrics]
            )
        if count_points(metrics_data):
            self._send(metrics_data)

    def _send(self, metrics_data: MetricsData) -> bool:
        """Deliver what was collected; return False when that has to go on later."""
        self._points = count_points(metrics_data)
        missing = self._delivery.send(metrics_data, self._points)
        if missing is None:
            self._pending = metrics_data
            return False
        self._points = 0
        self.refused = missing + (self.refused if self._delta else 0)
        self._tell_losses()
        return True


def count_points(metrics_data: MetricsData) -> int:
    """Return how many data points there are in all."""
    return sum(
        len(metric.data.data_points)
        for resource in metrics_data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def renew_metric_state(provider: MeterProvider) -> None:
    """Forget every sum that `provider` holds and renew its locks, in a forked child.

    The SDK has no public way: an instrument writes into storages that its provider keeps for each reader, and a child
    that keeps them reports all that its parent had measured a second time, under its own name. Where the SDK changes
    beyond recognition, the storages stay and one warning says so; the tests fail then.
    """
    try:
        consumer = cast("Any", provider)._measurement_consumer  # noqa: SLF001
        storages: dict[MetricReader, Any] = {}
        for reader, storage in consumer._reader_storages.items():  # noqa: SLF001
            arguments = [
                storage._sdk_config,  # noqa: SLF001
                storage._instrument_class_temporality,  # noqa: SLF001
                storage._instrument_class_aggregation,  # noqa: SLF001
            ]
            if hasattr(storage, "_instrument_class_cardinality_limit"):
                arguments.append(storage._instrument_class_cardinality_limit)  # noqa: SLF001
            storages[reader] = type(storage)(*arguments)
        consumer._lock = threading.Lock()  # noqa: SLF001 - another thread may have held it when the process forked
        consumer._reader_storages = storages  # noqa: SLF001
    except AttributeError as error:
        _logger.warning("a worker process repeats its parent's metrics, since the SDK is not as expected: %s", error)
