"""The metric reader: exact sums, also where an export fails or the process forks."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource

from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.identity import Identity
from codeanatomy_distro.otel.metric_reader import ExportingMetricReader, renew_metric_state
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome

NOTHING: dict[str, Any] = {"temporality": {}, "aggregation": {}}
DELTA = {Counter: AggregationTemporality.DELTA, Histogram: AggregationTemporality.DELTA}


class Recording:
    """An exporter that keeps what it takes."""

    cancels = False

    def __init__(self) -> None:
        self.taken: list[MetricsData] = []
        self.outcomes: list[Outcome] = []

    def export(self, batch: MetricsData, timeout: float, /) -> Outcome:
        """Answer with the next outcome; take the batch if that says so."""
        outcome = self.outcomes.pop(0) if self.outcomes else ARRIVED
        if outcome.arrived:
            self.taken.append(batch)
        return outcome

    def shutdown(self) -> None:
        """Do nothing."""

    def values(self) -> list[Any]:
        """The value of the first point of each export."""
        return [
            batch.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0].value  # pyright: ignore[reportAttributeAccessIssue]
            for batch in self.taken
        ]


def reader_to(exporter: Recording, **arguments: Any) -> tuple[ExportingMetricReader, MeterProvider]:
    """Return a reader in front of `exporter`, and its provider."""
    options: dict[str, Any] = {"interval": 60, **NOTHING, **arguments}
    reader = ExportingMetricReader(ExporterFactory(lambda: exporter), **options)
    provider = MeterProvider([reader], shutdown_on_exit=False)
    reader.attach(provider)
    return reader, provider


def test_it_exports_every_interval_and_once_more_at_the_end() -> None:
    """With a short interval there are several exports, and the last one has the last value."""
    exporter = Recording()
    reader, provider = reader_to(exporter, interval=0.05)
    counter = provider.get_meter("test").create_counter("count")
    counter.add(1)
    end = time.monotonic() + 5
    while len(exporter.taken) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    counter.add(1)
    reader.close(time.monotonic() + 5)
    assert reader.join(5)
    assert len(exporter.taken) >= 3
    assert exporter.values()[-1] == 2


def test_without_a_measurement_nothing_is_made_or_exported() -> None:
    """A provider that nobody uses makes no exporter."""
    made: list[int] = []

    def create() -> Recording:
        made.append(1)
        return Recording()

    reader = ExportingMetricReader(ExporterFactory(create), interval=60, temporality={}, aggregation={})
    reader.attach(MeterProvider([reader], shutdown_on_exit=False))
    reader.shutdown(5000)
    assert made == []


def test_a_cumulative_export_that_fails_is_made_good_by_the_next() -> None:
    """A refused export of sums is not lost: the next one repeats them, and nothing counts as undelivered."""
    exporter = Recording()
    exporter.outcomes = [Outcome(arrived=False, reason="no")]
    reader, provider = reader_to(exporter)
    provider.get_meter("test").create_counter("count").add(3)
    assert reader.force_flush(5000)
    assert reader.undelivered == 1
    assert reader.force_flush(5000)
    assert (reader.undelivered, exporter.values()) == (0, [3])


def test_delta_points_that_are_refused_are_counted_for_good() -> None:
    """With delta temporality a refused point does not come back, so that the count of losses stays."""
    exporter = Recording()
    exporter.outcomes = [Outcome(arrived=False, reason="no")]
    reader, provider = reader_to(exporter, temporality=DELTA)
    counter = provider.get_meter("test").create_counter("count")
    counter.add(3)
    assert reader.force_flush(5000)
    counter.add(4)
    assert reader.force_flush(5000)
    assert (reader.undelivered, exporter.values()) == (1, [4])


@pytest.mark.parametrize("temporality", [{}, DELTA])
def test_a_forked_child_begins_its_sums_anew(temporality: Any) -> None:
    """After `reset` the same instruments count from nought: what the parent had measured is not repeated."""
    exporter = Recording()
    reader, provider = reader_to(exporter, temporality=temporality)
    counter = provider.get_meter("test").create_counter("count")
    counter.add(5)
    reader.reset()
    counter.add(1)
    assert reader.force_flush(5000)
    assert exporter.values() == [1]


def test_other_readers_of_the_provider_begin_anew_too() -> None:
    """Every storage of the provider is renewed; a change of the SDK that makes this impossible fails here."""
    memory = InMemoryMetricReader()
    provider = MeterProvider([memory], shutdown_on_exit=False)
    counter = provider.get_meter("test").create_counter("count")
    counter.add(5)
    renew_metric_state(provider)
    counter.add(2)
    data: Any = memory.get_metrics_data()
    assert data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0].value == 2


def test_a_worker_exports_under_its_own_resource() -> None:
    """Once the identity is a worker's, the points carry the worker's resource."""
    exporter = Recording()
    identity = Identity(Resource({"service.name": "s", "process.pid": 1, "service.instance.id": "i"}), "i")
    reader, provider = reader_to(exporter, identity=identity)
    identity.renew()
    provider.get_meter("test").create_counter("count").add(1)
    assert reader.force_flush(5000)
    attributes = exporter.taken[0].resource_metrics[0].resource.attributes
    assert (attributes["process.pid"], attributes["service.instance.id"]) == (os.getpid(), f"i-{os.getpid()}")


def test_what_is_not_collected_when_the_time_is_over_is_said() -> None:
    """A callback that holds the last collection up leaves the metrics uncounted, which is told; once it is done, the
    points are counted.
    """
    reader, provider = reader_to(Recording())
    go_on = threading.Event()

    def observe(_: CallbackOptions) -> list[Observation]:
        go_on.wait()
        return [Observation(1)]

    provider.get_meter("test").create_observable_gauge("slow", [observe])
    assert reader.losses == ""
    reader.close(time.monotonic() + 0.2)
    assert not reader._thread.finish(0.3)  # pyright: ignore[reportPrivateUsage]
    assert (reader.held_up, reader.losses) == (True, "uncollected metric points")
    go_on.set()
    reader.join(5)
    assert not reader.held_up


def test_a_last_collection_that_is_given_up_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A callback that takes all the time leaves none for the next: the last line tells of it, and no log record."""
    reader, provider = reader_to(Recording())

    def observe(_: CallbackOptions) -> list[Observation]:
        time.sleep(0.3)
        return [Observation(1)]

    meter = provider.get_meter("test")
    for name in ("slow", "slow.too", "late"):
        meter.create_observable_gauge(name, [observe])
    reader.close(time.monotonic() + 0.1)
    reader.join(30)
    assert reader.losses == "uncollected metric points"
    assert "collecting metrics failed" not in caplog.text


def test_points_that_there_is_no_time_to_send_are_counted() -> None:
    """With the deadline over before the last collection, the line at exit has the number of points."""
    reader, provider = reader_to(Recording())
    counter = provider.get_meter("test").create_counter("count")
    for kind in ("a", "b"):
        counter.add(1, {"kind": kind})
    reader.close(time.monotonic())
    reader.join(5)
    assert reader.losses == "2 metric points"
