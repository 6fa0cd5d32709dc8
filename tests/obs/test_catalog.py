"""The catalogue: what the specification says of each metric."""

from __future__ import annotations

import pytest

from codeanatomy_distro.obs.catalog import CATALOG, DURATION_BUCKETS
from codeanatomy_distro.obs.constants import MetricName

EXPECTED = {
    "codeanatomy.stage.duration": ("histogram", "s", {"stage", "status"}),
    "codeanatomy.task.duration": ("histogram", "s", {"task_kind", "status"}),
    "codeanatomy.datafusion.execute.duration": ("histogram", "s", {"status", "plan_kind"}),
    "codeanatomy.datafusion.write.duration": ("histogram", "s", {"status", "destination"}),
    "codeanatomy.artifact.count": ("counter", "{artifact}", {"artifact_kind", "status"}),
    "codeanatomy.error.count": ("counter", "{error}", {"error_type", "stage"}),
    "codeanatomy.dataset.rows": ("gauge", "{row}", {"dataset"}),
    "codeanatomy.dataset.columns": ("gauge", "{column}", {"dataset"}),
    "codeanatomy.scan.row_groups": ("gauge", "{row_group}", {"dataset"}),
    "codeanatomy.scan.fragments": ("gauge", "{fragment}", {"dataset"}),
    "codeanatomy.cache.operation.count": (
        "counter",
        "{operation}",
        {"cache.policy", "cache.scope", "cache.operation", "cache.result"},
    ),
    "codeanatomy.cache.operation.duration": (
        "histogram",
        "s",
        {"cache.policy", "cache.scope", "cache.operation", "cache.result"},
    ),
    "codeanatomy.storage.operation.count": ("counter", "{operation}", {"storage.operation", "status"}),
    "codeanatomy.storage.operation.duration": ("histogram", "s", {"storage.operation", "status"}),
}


def test_catalogue_is_the_specifications() -> None:
    """Each metric has the instrument, unit and keys that its readers query, and there is no other."""
    assert {name: (row.instrument, row.unit, set(row.keys)) for name, row in CATALOG.items()} == EXPECTED


def test_every_name_has_its_row() -> None:
    """Each name of `MetricName` is in the catalogue, with a description that ends as a sentence does."""
    names = {value for name, value in vars(MetricName).items() if name.isupper()}
    assert names == set(CATALOG)
    assert all(row.description.endswith(".") for row in CATALOG.values())


@pytest.mark.parametrize("row", CATALOG.values(), ids=lambda row: row.name)
def test_durations_have_buckets(row: object) -> None:
    """Histograms, and they alone, have the twelve boundaries in seconds."""
    metric = CATALOG[getattr(row, "name", "")]
    assert metric.buckets == (DURATION_BUCKETS if metric.instrument == "histogram" else None)
    assert DURATION_BUCKETS == (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20)
