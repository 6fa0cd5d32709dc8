"""Views: the catalogue's buckets and keys, and nobody else's instruments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from codeanatomy_distro.obs.catalog import CATALOG
from codeanatomy_distro.otel.views import create_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.config import OtelConfig


def record(config: OtelConfig, meter: str, name: str) -> Any:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False, views=create_views(config))
    attributes = {"stage": "a", "status": "ok", "path": "/secret", "codeanatomy.run_id": "r"}
    provider.get_meter(meter).create_histogram(name, "s").record(3.0, attributes)
    data = reader.get_metrics_data()
    assert data is not None
    return data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]


@pytest.mark.parametrize(
    ("run_id", "keys"), [("true", {"stage", "status", "codeanatomy.run_id"}), ("false", {"stage", "status"})]
)
def test_only_the_catalogues_keys(config: Callable[..., OtelConfig], run_id: str, keys: set[str]) -> None:
    """A point of ours keeps the keys of its row, and the run id unless the setting drops it."""
    found = config(CODEANATOMY_OTEL_METRIC_RUN_ID=run_id)
    point = record(found, "codeanatomy.obs", "codeanatomy.stage.duration")
    assert set(point.attributes) == keys
    assert point.explicit_bounds == CATALOG["codeanatomy.stage.duration"].buckets


def test_others_are_left_as_they_are(config: Callable[..., OtelConfig]) -> None:
    """An instrument of somebody else, even one of the same name, keeps its keys and buckets."""
    point = record(config(), "theirs", "codeanatomy.stage.duration")
    assert "path" in point.attributes
    assert point.explicit_bounds != CATALOG["codeanatomy.stage.duration"].buckets


def test_one_view_a_metric(config: Callable[..., OtelConfig]) -> None:
    """There is one view for each metric of the catalogue."""
    assert len(create_views(config())) == len(CATALOG)
