"""Recording functions: one a metric of the catalogue, each taking its few bounded labels by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics

from codeanatomy_distro import settings
from codeanatomy_distro.obs.catalog import CATALOG, Metric
from codeanatomy_distro.obs.constants import AttributeName, MetricName, ScopeName
from codeanatomy_distro.obs.run_context import get_run_id
from codeanatomy_distro.obs.scopes import distro_version, get_meter

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import Meter, MeterProvider

    _Recorder = Callable[..., None]  # (amount, attributes)

__all__ = [
    "add_artifact",
    "add_error",
    "configure_run_id",
    "record_cache_operation",
    "record_execute_duration",
    "record_stage_duration",
    "record_storage_operation",
    "record_task_duration",
    "record_write_duration",
    "set_dataset_stats",
    "set_scan_telemetry",
    "task_duration_recorder",
]

_Labels = tuple[str, ...]


class _Instruments:
    """Instruments of one provider, and label sets: recording must not build either anew."""

    def __init__(self, provider: Any, *, with_run_id: bool) -> None:  # noqa: ANN401 - whatever is set globally
        self.provider = provider
        self.with_run_id = with_run_id
        self.recorders: dict[str, _Recorder] = {}
        self.labels: dict[tuple[str, str | None, _Labels], dict[str, str]] = {}


class _Kept:
    """The instruments of the provider that was global last, replaced as one: threads may record meanwhile.

    `given` has those of the providers that an instrumentor was given, by their identity.
    """

    instruments = _Instruments(None, with_run_id=True)
    given: Final[dict[int, _Instruments]] = {}
    with_run_id: bool | None = None


_MOST_KEPT: Final = 1024  # label sets; they hold a run id, so that a server which runs for ever must forget old ones


def configure_run_id(on_points: bool | None) -> None:  # noqa: FBT001 - the one thing it sets
    """Set whether metric points carry the run id; None leaves it to ``CODEANATOMY_OTEL_METRIC_RUN_ID``."""
    _Kept.with_run_id = on_points
    _Kept.instruments = _Instruments(None, with_run_id=True)
    _Kept.given.clear()


def _create(metric: Metric, meter: Meter) -> _Recorder:
    if metric.instrument == "histogram":
        return meter.create_histogram(
            metric.name, metric.unit, metric.description, explicit_bucket_boundaries_advisory=metric.buckets
        ).record
    if metric.instrument == "counter":
        return meter.create_counter(metric.name, metric.unit, metric.description).add
    return meter.create_gauge(metric.name, metric.unit, metric.description).set


def _instruments(given: MeterProvider | None) -> _Instruments:
    provider = metrics.get_meter_provider() if given is None else given
    kept = _Kept.instruments if given is None else _Kept.given.get(id(given))
    if kept is None or kept.provider is not provider:
        chosen = _Kept.with_run_id
        with_run_id = settings.current(settings.METRIC_RUN_ID) if chosen is None else chosen
        kept = _Instruments(provider, with_run_id=with_run_id)
        if given is None:
            _Kept.instruments = kept
        else:
            _Kept.given[id(given)] = kept
    return kept


def _record(name: str, amount: float, *labels: str, provider: MeterProvider | None = None) -> None:
    record, attributes = _bind(name, *labels, provider=provider)
    record(amount, attributes)


def _bind(name: str, *labels: str, provider: MeterProvider | None = None) -> tuple[_Recorder, dict[str, str]]:
    """Return what records the metric `name`, and the attributes of a point with `labels`.

    It is recorded with `provider` where an instrumentor was given one, else with the one that is global now.
    """
    kept = _instruments(provider)
    record = kept.recorders.get(name)
    if record is None:
        meter = get_meter() if provider is None else provider.get_meter(ScopeName.OBS, distro_version())
        record = kept.recorders[name] = _create(CATALOG[name], meter)
    run_id = get_run_id() if kept.with_run_id else None
    key = (name, run_id, labels)
    attributes = kept.labels.get(key)
    if attributes is None:
        if len(kept.labels) >= _MOST_KEPT:
            kept.labels.clear()
        attributes = dict(zip(CATALOG[name].keys, labels, strict=True))
        if run_id is not None:
            attributes[AttributeName.RUN_ID] = run_id
        kept.labels[key] = attributes
    return record, attributes


def record_stage_duration(seconds: float, *, stage: str, status: str) -> None:
    """Record how long a stage took; `status` is ``ok`` or ``error``."""
    _record(MetricName.STAGE_DURATION, seconds, stage, status)


def record_task_duration(seconds: float, *, task_kind: str, status: str) -> None:
    """Record how long a Hamilton task took; `status` is ``ok`` or ``error``."""
    _record(MetricName.TASK_DURATION, seconds, task_kind, status)


def record_execute_duration(
    seconds: float, *, status: str, plan_kind: str, provider: MeterProvider | None = None
) -> None:
    """Record how long one execution of a DataFusion query took; `status` is ``ok`` or ``error``."""
    _record(MetricName.DATAFUSION_EXECUTE_DURATION, seconds, status, plan_kind, provider=provider)


def task_duration_recorder(*, task_kind: str, status: str) -> Callable[..., None]:
    """Return `record_task_duration` for one label set and the current run id, for who records thousands in a row."""
    record, attributes = _bind(MetricName.TASK_DURATION, task_kind, status)
    return partial(record, attributes=attributes)


def record_write_duration(
    seconds: float, *, status: str, destination: str, provider: MeterProvider | None = None
) -> None:
    """Record how long a write by DataFusion took; `destination` is a kind, such as ``parquet``, never a path."""
    _record(MetricName.DATAFUSION_WRITE_DURATION, seconds, status, destination, provider=provider)


def add_artifact(*, artifact_kind: str, status: str = "ok") -> None:
    """Count one diagnostics event or artifact; `artifact_kind` is its name."""
    _record(MetricName.ARTIFACT_COUNT, 1, artifact_kind, status)


def add_error(*, error_type: str, stage: str) -> None:
    """Count one error; use `errors.record_error`, which counts an error that passes several spans once."""
    _record(MetricName.ERROR_COUNT, 1, error_type, stage)


def set_dataset_stats(
    dataset: str, *, rows: int | None = None, columns: int | None = None, provider: MeterProvider | None = None
) -> None:
    """Set the size of a named dataset, in rows and columns; what is None stays as it was."""
    if rows is not None:
        _record(MetricName.DATASET_ROWS, int(rows), dataset, provider=provider)
    if columns is not None:
        _record(MetricName.DATASET_COLUMNS, int(columns), dataset, provider=provider)


def set_scan_telemetry(
    dataset: str, *, row_groups: int | None = None, fragments: int | None = None, provider: MeterProvider | None = None
) -> None:
    """Set what the last scan of a dataset read: row groups, and fragments (files); what is None stays as it was."""
    if row_groups is not None:
        _record(MetricName.SCAN_ROW_GROUPS, int(row_groups), dataset, provider=provider)
    if fragments is not None:
        _record(MetricName.SCAN_FRAGMENTS, int(fragments), dataset, provider=provider)


def record_cache_operation(seconds: float, *, policy: str, scope: str, operation: str, result: str) -> None:
    """Count one operation on a cache and record how long it took."""
    _record(MetricName.CACHE_OPERATION_COUNT, 1, policy, scope, operation, result)
    _record(MetricName.CACHE_OPERATION_DURATION, seconds, policy, scope, operation, result)


def record_storage_operation(seconds: float, *, operation: str, status: str) -> None:
    """Count one operation on storage and record how long it took; `status` is ``ok`` or ``error``."""
    _record(MetricName.STORAGE_OPERATION_COUNT, 1, operation, status)
    _record(MetricName.STORAGE_OPERATION_DURATION, seconds, operation, status)
