"""Metric points, as exported again and again by several processes, summed up to one line for each set of labels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from codeanatomy_distro.obs.constants import AttributeName

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codeanatomy_distro.testing.otlp import MetricKind, MetricPoint

__all__ = ["MetricSeries", "metric_series"]


@dataclass(frozen=True)
class MetricSeries:
    """One metric with one set of labels over the whole run, all its processes together.

    Gauges and sums have ``value``; the others ``count`` and ``total``, and ``median``, an estimate, where there are
    buckets: ``bucket_counts`` has one entry more than ``bounds``.
    """

    name: str
    unit: str
    description: str
    kind: MetricKind
    labels: tuple[tuple[str, str], ...]
    value: float | None = None
    count: int | None = None
    total: float | None = None
    median: float | None = None
    maximum: float | None = None
    bounds: tuple[float, ...] = ()
    bucket_counts: tuple[int, ...] = ()


def metric_series(points: Iterable[MetricPoint]) -> tuple[MetricSeries, ...]:
    """Sum up the points; the run id, the same for a whole run, is a label only when several runs were received."""
    kept = list(points)
    several_runs = len({str(point.attributes.get(AttributeName.RUN_ID, "")) for point in kept} - {""}) > 1
    of_series: defaultdict[tuple[str, MetricKind, tuple[tuple[str, str], ...]], list[MetricPoint]] = defaultdict(list)
    for point in kept:
        labels = tuple(
            (key, str(value))
            for key, value in sorted(point.attributes.items())
            if several_runs or key != AttributeName.RUN_ID
        )
        of_series[point.name, point.kind, labels].append(point)
    series = [_series(labels, _per_stream(of_key)) for (_, _, labels), of_key in of_series.items()]
    return tuple(sorted(series, key=_order))


def _order(series: MetricSeries) -> tuple[bool, str, tuple[tuple[str, str], ...]]:
    """Order ours before those of other libraries, then by name and labels."""
    return (not series.name.startswith("codeanatomy."), series.name, series.labels)


def _per_stream(points: Sequence[MetricPoint]) -> list[MetricPoint]:
    """Return the points that add up: every delta, and of what each export repeats the last one of each process."""
    streams: dict[object, MetricPoint] = {}
    for place, point in enumerate(points):
        if point.temporality == "delta":
            streams[place] = point
            continue
        stream = (repr(point.resource), repr(point.scope), repr(point.attributes), point.start_ns)
        known = streams.get(stream)
        if known is None or point.time_ns >= known.time_ns:
            streams[stream] = point
    return list(streams.values())


def _series(labels: tuple[tuple[str, str], ...], points: Sequence[MetricPoint]) -> MetricSeries:
    last = max(points, key=lambda point: point.time_ns)
    if last.kind in {"gauge", "sum"}:
        values = [point.value for point in points if point.value is not None]
        value = last.value if last.kind == "gauge" else sum(values)
        return MetricSeries(last.name, last.unit, last.description, last.kind, labels, value=value)
    totals = [point.sum for point in points if point.sum is not None]
    maxima = [point.max for point in points if point.max is not None]
    bounds, bucket_counts = _buckets(points)
    return MetricSeries(
        name=last.name,
        unit=last.unit,
        description=last.description,
        kind=last.kind,
        labels=labels,
        count=sum(point.count or 0 for point in points),
        total=sum(totals) if totals else None,
        median=_median(points, bounds, bucket_counts),
        maximum=max(maxima, default=None),
        bounds=bounds,
        bucket_counts=bucket_counts,
    )


def _buckets(points: Sequence[MetricPoint]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Return the bounds and summed counts of explicit buckets; nothing when the points have none or not the same."""
    bounds = points[0].bounds
    if not all(point.bounds == bounds and len(point.bucket_counts) == len(bounds) + 1 for point in points):
        return (), ()
    return bounds, tuple(sum(column) for column in zip(*(point.bucket_counts for point in points), strict=True))


def _median(points: Sequence[MetricPoint], bounds: Sequence[float], bucket_counts: Sequence[int]) -> float | None:
    """Estimate the median by straight lines inside the buckets, between the least and the greatest value."""
    half = sum(bucket_counts) / 2
    if not half or not bounds:
        return None
    least = min((point.min for point in points if point.min is not None), default=min(0.0, bounds[0]))
    greatest = max((point.max for point in points if point.max is not None), default=bounds[-1])
    passed = 0
    for count, (low, high) in zip(bucket_counts, pairwise((least, *bounds, greatest)), strict=True):
        if passed + count >= half:
            estimate = low + (high - low) * (half - passed) / count
            return min(max(estimate, least), greatest)
        passed += count
    return greatest
