"""Recording functions: one a metric of the catalogue, each taking its few bounded labels by name."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import metrics

from codeanatomy_distro import settings
from codeanatomy_distro.obs.catalog import CATALOG, Metric
from codeanatomy_distro.obs.constants import AttributeName, MetricName
from codeanatomy_distro.obs.run_context import get_run_id
from codeanatomy_distro.obs.scopes import get_meter

__all__ = [
    "add_artifact",
    "add_error",
    "record_cache_operation",
    "record_execute_duration",
    "record_stage_duration",
    "record_storage_operation",
    "record_task_duration",
    "record_write_duration",
    "set_dataset_stats",
    "set_scan_telemetry",
]

_Labels = tuple[str, ...]


class _Kept:
    """Instruments of the provider that was global last, and label sets: recording must not build either anew."""

    provider: Any = None
    with_run_id: bool = True
    instruments: Final[dict[str, Any]] = {}
    attributes: Final[dict[tuple[str, str | None, _Labels], dict[str, str]]] = {}


_MOST_KEPT: Final = 1024  # label sets; they hold a run id, so that a server which runs for ever must forget old ones


def _create(metric: Metric) -> Any:  # noqa: ANN401 - the three instruments share no type
    meter = get_meter()
    if metric.instrument == "histogram":
        return meter.create_histogram(
            metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.buckets
        ).record
    if metric.instrument == "counter":
        return meter.create_counter(metric.name, metric.unit, metric.description).add
    return meter.create_gauge(metric.name, metric.unit, metric.description).set


def _record(name: str, amount: float, *labels: str) -> None:
    provider = metrics.get_meter_provider()
    if provider is not _Kept.provider:
        _Kept.instruments.clear()
        _Kept.attributes.clear()
        _Kept.with_run_id = settings.current(settings.METRIC_RUN_ID)
        _Kept.provider = provider
    record = _Kept.instruments.get(name)
    if record is None:
        record = _Kept.instruments[name] = _create(CATALOG[name])
    run_id = get_run_id() if _Kept.with_run_id else None
    key = (name, run_id, labels)
    attributes = _Kept.attributes.get(key)
    if attributes is None:
        if len(_Kept.attributes) >= _MOST_KEPT:
            _Kept.attributes.clear()
        attributes = dict(zip(CATALOG[name].keys, labels, strict=True))
        if run_id is not None:
            attributes[AttributeName.RUN_ID] = run_id
        _Kept.attributes[key] = attributes
    record(amount, attributes)


def record_stage_duration(seconds: float, *, stage: str, status: str) -> None:
    """Record how long a stage took; `status` is ``ok`` or ``error``."""
    _record(MetricName.STAGE_DURATION, seconds, stage, status)


def record_task_duration(seconds: float, *, task_kind: str, status: str) -> None:
    """Record how long a Hamilton task took; `status` is ``ok`` or ``error``."""
    _record(MetricName.TASK_DURATION, seconds, task_kind, status)


def record_execute_duration(seconds: float, *, status: str, plan_kind: str) -> None:
    """Record how long one execution of a DataFusion query took; `status` is ``ok`` or ``error``."""
    _record(MetricName.DATAFUSION_EXECUTE_DURATION, seconds, status, plan_kind)


def record_write_duration(seconds: float, *, status: str, destination: str) -> None:
    """Record how long a write by DataFusion took; `destination` is a kind, such as ``parquet``, never a path."""
    _record(MetricName.DATAFUSION_WRITE_DURATION, seconds, status, destination)


def add_artifact(*, artifact_kind: str, status: str = "ok") -> None:
    """Count one diagnostics event or artifact; `artifact_kind` is its name."""
    _record(MetricName.ARTIFACT_COUNT, 1, artifact_kind, status)


def add_error(*, error_type: str, stage: str) -> None:
    """Count one error; use `errors.record_error`, which counts an error that passes several spans once."""
    _record(MetricName.ERROR_COUNT, 1, error_type, stage)


def set_dataset_stats(dataset: str, *, rows: int | None = None, columns: int | None = None) -> None:
    """Set the size of a named dataset, in rows and columns; what is None stays as it was."""
    if rows is not None:
        _record(MetricName.DATASET_ROWS, rows, dataset)
    if columns is not None:
        _record(MetricName.DATASET_COLUMNS, columns, dataset)


def set_scan_telemetry(dataset: str, *, row_groups: int | None = None, fragments: int | None = None) -> None:
    """Set what the last scan of a dataset read: row groups, and fragments (files); what is None stays as it was."""
    if row_groups is not None:
        _record(MetricName.SCAN_ROW_GROUPS, row_groups, dataset)
    if fragments is not None:
        _record(MetricName.SCAN_FRAGMENTS, fragments, dataset)


def record_cache_operation(seconds: float, *, policy: str, scope: str, operation: str, result: str) -> None:
    """Count one operation on a cache and record how long it took."""
    _record(MetricName.CACHE_OPERATION_COUNT, 1, policy, scope, operation, result)
    _record(MetricName.CACHE_OPERATION_DURATION, seconds, policy, scope, operation, result)


def record_storage_operation(seconds: float, *, operation: str, status: str) -> None:
    """Count one operation on storage and record how long it took; `status` is ``ok`` or ``error``."""
    _record(MetricName.STORAGE_OPERATION_COUNT, 1, operation, status)
    _record(MetricName.STORAGE_OPERATION_DURATION, seconds, operation, status)
