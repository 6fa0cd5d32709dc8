"""The metrics catalogue: one row a metric. Instruments, views and the telemetry page are made from these rows."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from codeanatomy_distro.obs.constants import AttributeName as Key
from codeanatomy_distro.obs.constants import MetricName

__all__ = ["CATALOG", "DURATION_BUCKETS", "Metric"]

DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Bucket boundaries of every duration, in seconds."""


class Metric(NamedTuple):
    """One metric: `keys` are the only attribute keys its points keep, besides the run id."""

    name: str
    instrument: Literal["histogram", "counter", "gauge"]
    unit: str
    keys: tuple[str, ...]
    description: str

    @property
    def buckets(self) -> tuple[float, ...] | None:
        """Return the bucket boundaries of a histogram, in its unit; None for anything else."""
        return DURATION_BUCKETS if self.instrument == "histogram" else None


_STAGE: Final = (Key.METRIC_STAGE, Key.METRIC_STATUS)
_TASK: Final = (Key.METRIC_TASK_KIND, Key.METRIC_STATUS)
_EXECUTE: Final = (Key.METRIC_STATUS, Key.METRIC_PLAN_KIND)
_WRITE: Final = (Key.METRIC_STATUS, Key.METRIC_DESTINATION)
_ARTIFACT: Final = (Key.METRIC_ARTIFACT_KIND, Key.METRIC_STATUS)
_ERROR: Final = (Key.METRIC_ERROR_TYPE, Key.METRIC_STAGE)
_DATASET: Final = (Key.METRIC_DATASET,)
_CACHE: Final = (Key.CACHE_POLICY, Key.CACHE_SCOPE, Key.CACHE_OPERATION, Key.CACHE_RESULT)
_STORAGE: Final = (Key.STORAGE_OPERATION, Key.METRIC_STATUS)

# fmt: off - one row a metric
_ROWS: Final = (
    Metric(MetricName.STAGE_DURATION, "histogram", "s", _STAGE, "Duration of a pipeline stage."),
    Metric(MetricName.TASK_DURATION, "histogram", "s", _TASK, "Duration of a Hamilton task."),
    Metric(MetricName.DATAFUSION_EXECUTE_DURATION, "histogram", "s", _EXECUTE, "Duration of an execution of a query."),
    Metric(MetricName.DATAFUSION_WRITE_DURATION, "histogram", "s", _WRITE, "Duration of one write by DataFusion."),
    Metric(MetricName.ARTIFACT_COUNT, "counter", "{artifact}", _ARTIFACT, "Diagnostics events and artifacts emitted."),
    Metric(MetricName.ERROR_COUNT, "counter", "{error}", _ERROR, "Errors, each counted once."),
    Metric(MetricName.DATASET_ROWS, "gauge", "{row}", _DATASET, "Rows of a named dataset."),
    Metric(MetricName.DATASET_COLUMNS, "gauge", "{column}", _DATASET, "Columns of a named dataset."),
    Metric(MetricName.SCAN_ROW_GROUPS, "gauge", "{row_group}", _DATASET, "Row groups read by a dataset's last scan."),
    Metric(MetricName.SCAN_FRAGMENTS, "gauge", "{fragment}", _DATASET, "Files or fragments read by its last scan."),
    Metric(MetricName.CACHE_OPERATION_COUNT, "counter", "{operation}", _CACHE, "Operations on a cache."),
    Metric(MetricName.CACHE_OPERATION_DURATION, "histogram", "s", _CACHE, "Duration of an operation on a cache."),
    Metric(MetricName.STORAGE_OPERATION_COUNT, "counter", "{operation}", _STORAGE, "Operations on storage."),
    Metric(MetricName.STORAGE_OPERATION_DURATION, "histogram", "s", _STORAGE, "Duration of an operation on storage."),
)
# fmt: on

CATALOG: Final[dict[str, Metric]] = {metric.name: metric for metric in _ROWS}
"""Every metric of the specification's *Metrics Catalog*, and those of caches and storage, by name."""
