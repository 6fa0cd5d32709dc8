"""Recording functions: one metric each, with the labels of its row and no other."""

from __future__ import annotations

# Tests of our own parts look inside them.
# pyright: reportPrivateUsage=false
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from opentelemetry import metrics as api
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from codeanatomy_distro import settings
from codeanatomy_distro.obs import metrics
from codeanatomy_distro.obs.catalog import CATALOG
from codeanatomy_distro.obs.run_context import run_context

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

CACHE = {"policy": "none", "scope": "view", "operation": "read", "result": "hit"}
CALLS: dict[str, tuple[Callable[[], None], dict[str, str], float]] = {
    "codeanatomy.stage.duration": (
        lambda: metrics.record_stage_duration(0.3, stage="a", status="ok"),
        {"stage": "a", "status": "ok"},
        0.3,
    ),
    "codeanatomy.task.duration": (
        lambda: metrics.record_task_duration(0.3, task_kind="scan", status="ok"),
        {"task_kind": "scan", "status": "ok"},
        0.3,
    ),
    "codeanatomy.datafusion.execute.duration": (
        lambda: metrics.record_execute_duration(0.3, status="error", plan_kind="query"),
        {"status": "error", "plan_kind": "query"},
        0.3,
    ),
    "codeanatomy.datafusion.write.duration": (
        lambda: metrics.record_write_duration(0.3, status="ok", destination="parquet"),
        {"status": "ok", "destination": "parquet"},
        0.3,
    ),
    "codeanatomy.artifact.count": (
        lambda: metrics.add_artifact(artifact_kind="plan"),
        {"artifact_kind": "plan", "status": "ok"},
        1,
    ),
    "codeanatomy.error.count": (
        lambda: metrics.add_error(error_type="ValueError", stage="a"),
        {"error_type": "ValueError", "stage": "a"},
        1,
    ),
    "codeanatomy.dataset.rows": (lambda: metrics.set_dataset_stats("d", rows=7), {"dataset": "d"}, 7),
    "codeanatomy.dataset.columns": (lambda: metrics.set_dataset_stats("d", columns=3), {"dataset": "d"}, 3),
    "codeanatomy.scan.row_groups": (lambda: metrics.set_scan_telemetry("d", row_groups=5), {"dataset": "d"}, 5),
    "codeanatomy.scan.fragments": (lambda: metrics.set_scan_telemetry("d", fragments=2), {"dataset": "d"}, 2),
    "codeanatomy.cache.operation.count": (
        lambda: metrics.record_cache_operation(0.3, **CACHE),
        {f"cache.{key}": value for key, value in CACHE.items()},
        1,
    ),
    "codeanatomy.cache.operation.duration": (
        lambda: metrics.record_cache_operation(0.3, **CACHE),
        {f"cache.{key}": value for key, value in CACHE.items()},
        0.3,
    ),
    "codeanatomy.storage.operation.count": (
        lambda: metrics.record_storage_operation(0.3, operation="read", status="ok"),
        {"storage.operation": "read", "status": "ok"},
        1,
    ),
    "codeanatomy.storage.operation.duration": (
        lambda: metrics.record_storage_operation(0.3, operation="read", status="ok"),
        {"storage.operation": "read", "status": "ok"},
        0.3,
    ),
}


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Generator[InMemoryMetricReader]:
    """Collect from a provider that stands in for the global one, with no view of ours."""
    found = InMemoryMetricReader()
    provider = MeterProvider([found], shutdown_on_exit=False)
    monkeypatch.setattr(api, "get_meter_provider", lambda: provider)
    yield found
    metrics.configure_run_id(None)
    provider.shutdown()


def points(reader: InMemoryMetricReader) -> list[Any]:
    data = reader.get_metrics_data()
    return [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def test_every_metric_is_called_here() -> None:
    """The calls below cover the whole catalogue: a new metric needs its own."""
    assert set(CALLS) == set(CATALOG)


@pytest.mark.parametrize("name", CALLS)
def test_each_function_records_its_metric(telemetry: Any, name: str) -> None:
    """One call gives one point, with the unit, the labels and the run id, and nothing else on it."""
    call, labels, amount = CALLS[name]
    call()
    (point,) = telemetry.metrics(name)
    assert point.unit == CATALOG[name].unit
    assert point.attributes == {**labels, "codeanatomy.run_id": telemetry.run_id}
    if CATALOG[name].instrument == "histogram":
        assert point.data.explicit_bounds == CATALOG[name].buckets
        assert (point.data.count, point.data.sum) == (1, amount)
    else:
        assert point.data.value == amount


def test_what_is_none_is_not_set(telemetry: Any) -> None:
    """A size that is not given leaves no point."""
    metrics.set_dataset_stats("nothing")
    metrics.set_scan_telemetry("nothing")
    assert not telemetry.metrics()


def test_numbers_of_other_libraries_are_integers(telemetry: Any) -> None:
    """A count that NumPy gives is exported as the integer it is."""
    metrics.set_dataset_stats("d", rows=np.int64(2**40))  # pyright: ignore[reportArgumentType] - what programs pass
    (point,) = telemetry.metrics("codeanatomy.dataset.rows")
    assert type(point.data.value) is int
    assert point.data.value == 2**40


def test_histograms_have_our_buckets_without_our_views(reader: InMemoryMetricReader) -> None:
    """With somebody else's provider a duration still gets the boundaries of the catalogue."""
    metrics.record_stage_duration(0.3, stage="a", status="ok")
    (point,) = points(reader)
    assert point.explicit_bounds == CATALOG["codeanatomy.stage.duration"].buckets


@pytest.mark.parametrize(
    ("configured", "variable", "expected"),
    [(None, None, True), (None, "false", False), (True, "false", True), (False, "true", False)],
)
def test_run_id_on_points_is_a_setting(
    reader: InMemoryMetricReader,
    monkeypatch: pytest.MonkeyPatch,
    configured: bool | None,  # noqa: FBT001 - the case
    variable: str | None,
    expected: bool,  # noqa: FBT001 - the expectation
) -> None:
    """What was configured holds, else the variable, else points carry the run id."""
    monkeypatch.setattr(settings, "_options", {})  # what the capture of telemetry gave
    if variable is not None:
        monkeypatch.setenv("CODEANATOMY_OTEL_METRIC_RUN_ID", variable)
    metrics.configure_run_id(configured)
    with run_context("r1"):
        metrics.add_artifact(artifact_kind="a")
    (point,) = points(reader)
    assert (point.attributes.get("codeanatomy.run_id") == "r1") is expected


def test_runs_are_kept_apart(reader: InMemoryMetricReader) -> None:
    """Two runs give two points, each with its own id, also when they alternate."""
    for _ in range(3):
        for run in ("a", "b"):
            with run_context(run):
                metrics.add_artifact(artifact_kind="x")
    assert {point.attributes["codeanatomy.run_id"]: point.value for point in points(reader)} == {"a": 3, "b": 3}


def test_a_server_forgets_old_label_sets(reader: InMemoryMetricReader) -> None:
    """However many runs a process has, the label sets that it keeps are bounded."""
    for number in range(3000):
        with run_context(str(number)):
            metrics.add_artifact(artifact_kind="x")
    assert len(metrics._Kept.instruments.labels) <= 1024


def test_threads_lose_no_measurement(reader: InMemoryMetricReader) -> None:
    """Eight threads that record at once, beginning with no instrument made, lose nothing."""
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        for _ in range(200):
            metrics.add_artifact(artifact_kind="x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(point.value for point in points(reader)) == 1600


def test_a_recorder_is_the_same_as_the_function(telemetry: Any) -> None:
    """What is bound once records as the function does: same metric, same labels, same run."""
    recorder = metrics.task_duration_recorder(task_kind="scan", status="ok")
    recorder(0.1)
    metrics.record_task_duration(0.2, task_kind="scan", status="ok")
    (point,) = telemetry.metrics("codeanatomy.task.duration")
    assert point.data.count == 2
    assert point.data.sum == pytest.approx(0.3)
