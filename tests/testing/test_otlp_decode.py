"""Decoding, on messages built by the protobuf library itself."""

from __future__ import annotations

import json
import math
from io import StringIO
from typing import Any, cast

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2

from codeanatomy_distro.testing.otlp import SIGNALS, LogRecord, MetricPoint, Span, Telemetry
from codeanatomy_distro.testing.otlp_decode import decode, parse
from codeanatomy_distro.testing.otlp_json import to_dict, write_json
from codeanatomy_distro.testing.otlp_values import any_value

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | text | st.binary()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=10,
)


def encoded(value: Any) -> common_pb2.AnyValue:
    """Return the value as an OTLP message."""
    if isinstance(value, list):
        items = map(encoded, cast("list[Any]", value))
        return common_pb2.AnyValue(array_value=common_pb2.ArrayValue(values=items))
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value).items()
        pairs = [common_pb2.KeyValue(key=key, value=encoded(item)) for key, item in entries]
        return common_pb2.AnyValue(kvlist_value=common_pb2.KeyValueList(values=pairs))
    field = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value", bytes: "bytes_value"}
    return common_pb2.AnyValue() if value is None else common_pb2.AnyValue(**{field[type(value)]: value})


@given(values)
def test_any_value_comes_back_as_sent(value: Any) -> None:
    """Every value that OTLP can carry decodes to itself, with its type."""
    decoded = any_value(encoded(value))
    assert decoded == value
    assert type(decoded) is type(value)


@given(values)
def test_any_value_can_be_written_as_json(value: Any) -> None:
    """Whatever an attribute holds, the JSON dump is valid JSON and names resource and scope by place."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.CopyFrom(encoded(value))
    (decoded,) = decode(request)
    assert isinstance(decoded, LogRecord)
    file = StringIO()
    write_json(Telemetry(log_records=(decoded,)), file)
    (written,) = json.loads(file.getvalue())["log_records"]
    assert (written["resource"], written["scope"]) == (0, 0)


@given(st.sampled_from(SIGNALS), st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(signal: Any, body: bytes) -> None:
    """Bytes that are no message raise DecodeError and nothing else; those that are decode."""
    try:
        message = parse(signal, body)
    except DecodeError:
        return
    list(decode(message))


def test_json_names_what_json_lacks() -> None:
    """Infinite and undefined numbers become words, bytes become base64."""
    point = _point(metrics_pb2.Metric(name="m", gauge=metrics_pb2.Gauge(data_points=[_number(as_double=math.nan)])))
    assert to_dict(Telemetry(metric_points=(point,)))["metric_points"][0]["value"] == "NaN"
    point = _point(metrics_pb2.Metric(name="m", gauge=metrics_pb2.Gauge(data_points=[_number(as_double=-math.inf)])))
    assert to_dict(Telemetry(metric_points=(point,)))["metric_points"][0]["value"] == "-Infinity"


def test_equal_resources_stand_once_in_json() -> None:
    """Two requests of one process give one resource entry."""
    spans = [span for _ in range(2) for span in decode(_spans(("a", "01", "")))]
    written = to_dict(Telemetry(spans=tuple(span for span in spans if isinstance(span, Span))))
    assert len(written["resources"]) == len(written["scopes"]) == 1
    assert [span["resource"] for span in written["spans"]] == [0, 0]


@pytest.mark.parametrize("parent", ["", "0000000000000000"])
def test_a_root_has_no_parent(parent: str) -> None:
    """An empty parent id and one of zeros both mean a root."""
    (span,) = decode(_spans(("root", "01", parent)))
    assert isinstance(span, Span)
    assert span.parent_id is None


def test_an_exponential_histogram_keeps_its_buckets() -> None:
    """Scale, zero count, offsets and counts of both sides arrive."""
    data = metrics_pb2.ExponentialHistogram(aggregation_temporality=metrics_pb2.AGGREGATION_TEMPORALITY_DELTA)
    data.data_points.add(
        count=6,
        sum=9.0,
        scale=2,
        zero_count=1,
        positive=metrics_pb2.ExponentialHistogramDataPoint.Buckets(offset=-1, bucket_counts=[1, 2]),
        negative=metrics_pb2.ExponentialHistogramDataPoint.Buckets(offset=3, bucket_counts=[2]),
    )
    point = _point(metrics_pb2.Metric(name="m", exponential_histogram=data))
    assert (point.kind, point.temporality, point.count, point.sum, point.min) == (
        "exponential_histogram",
        "delta",
        6,
        9.0,
        None,
    )
    buckets = point.exponential
    assert buckets is not None
    assert (buckets.scale, buckets.zero_count, buckets.positive_offset, buckets.positive_counts) == (2, 1, -1, (1, 2))
    assert (buckets.negative_offset, buckets.negative_counts) == (3, (2,))


def test_a_summary_keeps_its_quantiles() -> None:
    """Quantiles of the older summary kind arrive in pairs."""
    data = metrics_pb2.Summary()
    data.data_points.add(count=2, sum=3.0).quantile_values.add(quantile=0.5, value=1.5)
    point = _point(metrics_pb2.Metric(name="m", summary=data))
    assert (point.kind, point.count, point.quantiles) == ("summary", 2, ((0.5, 1.5),))


def test_exemplars_name_their_span() -> None:
    """An exemplar has its value and the span that it was measured in."""
    number = _number(as_int=4)
    number.exemplars.add(as_double=4.0, trace_id=b"\1" * 16, span_id=b"\2" * 8)
    point = _point(metrics_pb2.Metric(name="m", gauge=metrics_pb2.Gauge(data_points=[number])))
    assert [(e.value, e.trace_id, e.span_id) for e in point.exemplars] == [(4.0, "01" * 16, "02" * 8)]


def test_a_metric_without_data_has_no_points() -> None:
    """A metric message that holds no kind of data decodes to nothing."""
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.add(name="empty")
    assert list(decode(request)) == []


def _number(**values: Any) -> metrics_pb2.NumberDataPoint:
    return metrics_pb2.NumberDataPoint(**values)


def _point(metric: metrics_pb2.Metric) -> MetricPoint:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add().scope_metrics.add().metrics.append(metric)
    (point,) = decode(request)
    assert isinstance(point, MetricPoint)
    return point


def _spans(*spans: tuple[str, str, str]) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    for name, span_id, parent_id in spans:
        scope_spans.spans.add(name=name, span_id=bytes.fromhex(span_id), parent_span_id=bytes.fromhex(parent_id))
    return request
