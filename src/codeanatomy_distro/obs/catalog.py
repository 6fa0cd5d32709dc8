"""The metrics catalogue: one row a metric. Instruments, views and the telemetry page are made from these rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from codeanatomy_distro.obs.constants import AttributeName as Key
from codeanatomy_distro.obs.constants import MetricName

__all__ = ["CATALOG", "DURATION_BUCKETS", "Metric"]

DURATION_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
"""Bucket boundaries of every duration, in seconds."""


@dataclass(frozen=True)
class Metric:
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


_CACHE_KEYS: Final = (Key.CACHE_POLICY, Key.CACHE_SCOPE, Key.CACHE_OPERATION, Key.CACHE_RESULT)
_STORAGE_KEYS: Final = (Key.STORAGE_OPERATION, Key.METRIC_STATUS)

_ROWS: Final = (
    Metric(
        MetricName.STAGE_DURATION, "histogram", "s", (Key.METRIC_STAGE, Key.METRIC_STATUS), "Duration of a pipeline stage."
    ),
    Metric(
        MetricName.TASK_DURATION, "histogram", "s", (Key.METRIC_TASK_KIND, Key.METRIC_STATUS), "Duration of a Hamilton task."
    ),
    Metric(
        MetricName.DATAFUSION_EXECUTE_DURATION, "histogram", "s", (Key.METRIC_STATUS, Key.METRIC_PLAN_KIND),
        "Duration of one execution of a DataFusion query.",
    ),
    Metric(
        MetricName.DATAFUSION_WRITE_DURATION, "histogram", "s", (Key.METRIC_STATUS, Key.METRIC_DESTINATION),
        "Duration of one write by DataFusion.",
    ),
    Metric(
        MetricName.ARTIFACT_COUNT, "counter", "{artifact}", (Key.METRIC_ARTIFACT_KIND, Key.METRIC_STATUS),
        "Diagnostics events and artifacts emitted.",
    ),
    Metric(MetricName.ERROR_COUNT, "counter", "{error}", (Key.METRIC_ERROR_TYPE, Key.METRIC_STAGE), "Errors, each counted once."),
    Metric(MetricName.DATASET_ROWS, "gauge", "{row}", (Key.METRIC_DATASET,), "Rows of a named dataset."),
    Metric(MetricName.DATASET_COLUMNS, "gauge", "{column}", (Key.METRIC_DATASET,), "Columns of a named dataset."),
    Metric(MetricName.SCAN_ROW_GROUPS, "gauge", "{row_group}", (Key.METRIC_DATASET,), "Row groups read by the last scan of a dataset."),
    Metric(MetricName.SCAN_FRAGMENTS, "gauge", "{fragment}", (Key.METRIC_DATASET,), "Files or fragments read by the last scan of a dataset."),
    Metric(MetricName.CACHE_OPERATION_COUNT, "counter", "{operation}", _CACHE_KEYS, "Operations on a cache."),
    Metric(MetricName.CACHE_OPERATION_DURATION, "histogram", "s", _CACHE_KEYS, "Duration of an operation on a cache."),
    Metric(MetricName.STORAGE_OPERATION_COUNT, "counter", "{operation}", _STORAGE_KEYS, "Operations on storage."),
    Metric(MetricName.STORAGE_OPERATION_DURATION, "histogram", "s", _STORAGE_KEYS, "Duration of an operation on storage."),
)

CATALOG: Final[dict[str, Metric]] = {metric.name: metric for metric in _ROWS}
"""Every metric of the specification's *Metrics Catalog*, and those of caches and storage, by name."""
