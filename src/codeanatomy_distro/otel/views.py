"""Metric views: the catalogue's buckets and no attribute keys but its own (specification, *Metrics Catalog*)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

from codeanatomy_distro import settings
from codeanatomy_distro.obs.catalog import CATALOG
from codeanatomy_distro.obs.constants import AttributeName, ScopeName

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["create_views"]


def create_views(config: OtelConfig) -> list[View]:
    """Return one view a metric of the catalogue; other people's instruments are left as they are."""
    more = {AttributeName.RUN_ID} if config[settings.METRIC_RUN_ID] else set[str]()
    return [
        View(
            instrument_name=metric.name,
            meter_name=ScopeName.OBS,
            attribute_keys={*metric.keys, *more},
            aggregation=ExplicitBucketHistogramAggregation(metric.buckets) if metric.buckets else None,
        )
        for metric in CATALOG.values()
    ]
