"""OTLP metric messages to ``MetricPoint``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.metrics.v1 import metrics_pb2

from codeanatomy_distro.testing.otlp import Exemplar, ExponentialBuckets, MetricPoint
from codeanatomy_distro.testing.otlp_values import attributes, optional_hex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from codeanatomy_distro.testing.otlp import MetricKind, Resource, Scope, Temporality

    _DataPoint = (
        metrics_pb2.NumberDataPoint
        | metrics_pb2.HistogramDataPoint
        | metrics_pb2.ExponentialHistogramDataPoint
        | metrics_pb2.SummaryDataPoint
    )

__all__ = ["decode_metric"]

_TEMPORALITY: dict[int, Temporality] = {
    metrics_pb2.AGGREGATION_TEMPORALITY_DELTA: "delta",
    metrics_pb2.AGGREGATION_TEMPORALITY_CUMULATIVE: "cumulative",
}


def decode_metric(metric: metrics_pb2.Metric, scope: Scope, resource: Resource) -> Iterator[MetricPoint]:
    """Yield the points of one metric; none when it holds no data or a kind unknown to this OTLP release."""

    def base(kind: MetricKind, temporality: int = 0) -> MetricPoint:
        """Return what all points of the metric share."""
        return MetricPoint(
            name=metric.name,
            description=metric.description,
            unit=metric.unit,
            kind=kind,
            attributes={},
            start_ns=0,
            time_ns=0,
            scope=scope,
            resource=resource,
            temporality=_TEMPORALITY.get(temporality, "unspecified"),
        )

    which = metric.WhichOneof("data")
    if which == "gauge":
        yield from _numbers(metric.gauge.data_points, base("gauge"))
    elif which == "sum":
        shared = replace(base("sum", metric.sum.aggregation_temporality), monotonic=metric.sum.is_monotonic)
        yield from _numbers(metric.sum.data_points, shared)
    elif which == "histogram":
        shared = base("histogram", metric.histogram.aggregation_temporality)
        yield from _histograms(metric.histogram.data_points, shared)
    elif which == "exponential_histogram":
        shared = base("exponential_histogram", metric.exponential_histogram.aggregation_temporality)
        yield from _exponential_histograms(metric.exponential_histogram.data_points, shared)
    elif which == "summary":
        yield from _summaries(metric.summary.data_points, base("summary"))


def _numbers(points: Iterable[metrics_pb2.NumberDataPoint], shared: MetricPoint) -> Iterator[MetricPoint]:
    for point in points:
        yield _point(shared, point, value=_number(point), exemplars=_exemplars(point.exemplars))


def _histograms(points: Iterable[metrics_pb2.HistogramDataPoint], shared: MetricPoint) -> Iterator[MetricPoint]:
    for point in points:
        yield _point(
            shared,
            point,
            **_distribution(point),
            bounds=tuple(point.explicit_bounds),
            bucket_counts=tuple(point.bucket_counts),
        )


def _exponential_histograms(
    points: Iterable[metrics_pb2.ExponentialHistogramDataPoint], shared: MetricPoint
) -> Iterator[MetricPoint]:
    for point in points:
        buckets = ExponentialBuckets(
            scale=point.scale,
            zero_count=point.zero_count,
            positive_offset=point.positive.offset,
            positive_counts=tuple(point.positive.bucket_counts),
            negative_offset=point.negative.offset,
            negative_counts=tuple(point.negative.bucket_counts),
        )
        yield _point(shared, point, **_distribution(point), exponential=buckets)


def _summaries(points: Iterable[metrics_pb2.SummaryDataPoint], shared: MetricPoint) -> Iterator[MetricPoint]:
    for point in points:
        quantiles = tuple((pair.quantile, pair.value) for pair in point.quantile_values)
        yield _point(shared, point, count=point.count, sum=point.sum, quantiles=quantiles)


def _point(shared: MetricPoint, point: _DataPoint, **figures: Any) -> MetricPoint:  # noqa: ANN401 - its own fields
    return replace(
        shared,
        attributes=attributes(point.attributes),
        start_ns=point.start_time_unix_nano,
        time_ns=point.time_unix_nano,
        **figures,
    )


def _distribution(point: metrics_pb2.HistogramDataPoint | metrics_pb2.ExponentialHistogramDataPoint) -> dict[str, Any]:
    return {
        "count": point.count,
        "sum": point.sum if point.HasField("sum") else None,
        "min": point.min if point.HasField("min") else None,
        "max": point.max if point.HasField("max") else None,
        "exemplars": _exemplars(point.exemplars),
    }


def _number(message: metrics_pb2.NumberDataPoint | metrics_pb2.Exemplar) -> float | None:
    which = message.WhichOneof("value")
    if which is None:
        return None
    return message.as_int if which == "as_int" else message.as_double


def _exemplars(messages: Iterable[metrics_pb2.Exemplar]) -> tuple[Exemplar, ...]:
    return tuple(
        Exemplar(
            value=_number(message) or 0,
            time_ns=message.time_unix_nano,
            trace_id=optional_hex(message.trace_id),
            span_id=optional_hex(message.span_id),
            attributes=attributes(message.filtered_attributes),
        )
        for message in messages
    )
