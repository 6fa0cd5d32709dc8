"""Nothing private leaves the Collector alone: secrets in every string slot of the OTLP messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from planting import REQUESTS, Planter, leaking_slots, leaks, string_slots

if TYPE_CHECKING:
    from collector_process import Collector, StartCollector
    from google.protobuf.message import Message

    from codeanatomy_distro.testing.receiver import OtlpReceiver

METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


def send(collector: Collector, signal: str, message: Message) -> None:
    """Export one request over gRPC."""
    with grpc.insecure_channel(f"127.0.0.1:{collector.grpc_port}") as channel:
        call = channel.unary_unary(METHODS[signal])  # pyright: ignore[reportUnknownVariableType] - grpc is untyped
        call(message.SerializeToString(), timeout=10)


def received(receiver: OtlpReceiver, signal: str) -> list[Message]:
    """The requests of one signal that came, but for those of the span metrics."""
    messages: list[Message] = []
    for request in receiver.requests:
        if request.signal == signal:
            message = REQUESTS[signal]()
            message.ParseFromString(request.body)
            messages.append(message)
    return messages


def canonical(messages: list[Message], leaf: str) -> list[bytes]:
    """The leaves of the messages, in an order that does not depend on how they were batched."""
    leaves: list[bytes] = []

    def walk(message: Message) -> None:
        for field, value in message.ListFields():
            if field.message_type is None:
                continue
            for each in cast("list[Message]", value) if field.is_repeated else [cast("Message", value)]:
                if each.DESCRIPTOR.name == leaf:
                    leaves.append(each.SerializeToString(deterministic=True))
                else:
                    walk(each)

    for message in messages:
        walk(message)
    return sorted(leaves)


def parts(messages: list[Message]) -> list[tuple[bytes, ...]]:
    """Each leaf of the messages after its resource and scope, and their schemas but for traces, in a fixed order.

    Tail sampling makes resources and scopes anew, without their schemas.
    """
    found: list[tuple[bytes, ...]] = []

    def walk(message: Message, above: tuple[bytes, ...]) -> None:
        if message.DESCRIPTOR.name in LEAVES.values():
            found.append((*above, message.SerializeToString(deterministic=True)))
            return
        fields = {field.name: value for field, value in message.ListFields()}
        for name in ("resource", "scope"):
            if name in fields:
                schema = b"" if message.DESCRIPTOR.name.endswith("Spans") else fields["schema_url"].encode()
                above = (*above, schema, fields[name].SerializeToString(deterministic=True))
        for name in fields.keys() - {"resource", "scope", "schema_url"}:
            for each in fields[name]:
                walk(each, above)

    for message in messages:
        walk(message, ())
    return sorted(found)


LEVELS = {"traces": "spans", "metrics": "metrics", "logs": "logs"}
LEAVES = {"traces": "Span", "metrics": "Metric", "logs": "LogRecord"}


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_the_collector_alone_leaks_nothing_and_a_second_pass_changes_nothing(
    signal: str, start_collector: StartCollector, receiver: OtlpReceiver
) -> None:
    """No secret planted in any string slot is in the bytes behind the Collector or its log, and redaction is stable."""
    collector = start_collector(
        receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100", "OTELCOL_TAIL_DECISION_WAIT": "1s"}
    )
    planter = Planter()
    planted = planter.messages(REQUESTS[signal])
    assert planter.slots == string_slots(REQUESTS[signal].DESCRIPTOR)
    for message in planted:
        assert leaks(message.SerializeToString()), "the secrets were not planted"
        send(collector, signal, message)
    expected = sum(len(canonical([message], LEAVES[signal])) for message in planted)

    def arrived() -> list[bytes]:
        return canonical(received(receiver, signal), LEAVES[signal])

    receiver.wait_for(lambda _: len(arrived()) >= expected, 30)
    first_messages, first = received(receiver, signal), arrived()
    for request in receiver.requests:
        assert not leaks(request.body), leaking_slots(REQUESTS[signal].FromString(request.body))
    receiver.clear()
    for message in first_messages:
        send(collector, signal, message)
    receiver.wait_for(lambda _: len(arrived()) >= expected, 30)
    for before, after in zip(first, arrived(), strict=True):
        assert before == after
    assert not leaks(collector.log.encode())


def test_what_stands_under_private_keys_deeper_down_does_not_pass(
    start_collector: StartCollector, receiver: OtlpReceiver
) -> None:
    """In maps and lists keys that never leave are left out, and numbers, lists and maps under secret keys masked."""
    collector = start_collector(receiver=receiver)
    private = {
        "inner": {"cache.path": "acmesecret", "repo_root": "acmesecret", "rows": 3},
        "codes": {"password": 7391846},
        "more": {"passwords": ["acmesecret"], "db.password": {"of": "acmesecret"}},
    }
    expected = {
        "inner.rows": 3,
        "inner.repo_root": "****",
        "codes.password": "****",
        "more.passwords.0": "****",
        "more.db.password.of": "****",
    }
    provider = LoggerProvider(resource=Resource({}), shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter(collector.endpoint, insecure=True)))
    for body in (private, [private], "text"):
        provider.get_logger("logger").emit(LogRecord(body=body, attributes=private))
    provider.shutdown()
    receiver.wait_for(lambda got: len(got.log_records) == 3, 15)
    for request in receiver.requests:
        message = REQUESTS["logs"].FromString(request.body)
        assert not leaks(request.body), leaking_slots(message)
        assert "7391846" not in str(message)
    assert [record.body for record in receiver.log_records] == [expected, "****", "text"]
    assert all(record.attributes == expected for record in receiver.log_records)


@pytest.mark.parametrize("signal", ["traces", "metrics", "logs"])
def test_what_is_harmless_passes_the_collector_as_it_was(
    signal: str, start_collector: StartCollector, receiver: OtlpReceiver
) -> None:
    """Of messages with every field filled and nothing private each field arrives as it was, but for entities."""
    collector = start_collector(
        receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100", "OTELCOL_TAIL_DECISION_WAIT": "1s"}
    )
    harmless = ("src/a.py:12", "cache.read", "two words", '{"rows": 3, "ratio": 0.5}')
    planted = Planter(harmless).messages(REQUESTS[signal])
    for message in planted:
        marked: list[Any] = list(getattr(message, f"resource_{LEVELS[signal]}"))
        for each in marked:
            each.resource.attributes.add(key="codeanatomy.redaction").value.string_value = "standard"
        send(collector, signal, message)
        for each in marked:
            del each.resource.entity_refs[:]
    expected = parts(planted)
    receiver.wait_for(lambda _: len(parts(received(receiver, signal))) >= len(expected), 30)
    assert parts(received(receiver, signal)) == expected


def test_what_differs_in_one_place_alone_stays_apart(start_collector: StartCollector, receiver: OtlpReceiver) -> None:
    """Resources, scopes and metrics that share a name, but not a schema, an attribute or a unit, are not made one."""
    collector = start_collector(receiver=receiver)
    request = ExportMetricsServiceRequest()
    for resource_schema, dropped in (("a", 0), ("b", 0), ("b", 1)):
        resource = request.resource_metrics.add(schema_url=resource_schema)
        resource.resource.dropped_attributes_count = dropped
        for scope_schema, version, attribute in (("a", "1", "x"), ("b", "1", "x"), ("b", "2", "x"), ("b", "2", "y")):
            scope = resource.scope_metrics.add(schema_url=scope_schema)
            scope.scope.name, scope.scope.version = "meter", version
            scope.scope.attributes.add(key="which").value.string_value = attribute
            for unit, description in (("s", "one"), ("ms", "one"), ("ms", "two")):
                scope.metrics.add(name="time", unit=unit, description=description).gauge.data_points.add(as_int=1)
            for monotonic in (True, False):
                total = scope.metrics.add(name="total").sum
                total.is_monotonic, total.aggregation_temporality = monotonic, AGGREGATION_TEMPORALITY_CUMULATIVE
                total.data_points.add(as_int=1)
    send(collector, "metrics", request)
    receiver.wait_for(lambda _: len(parts(received(receiver, "metrics"))) >= 60, 15)
    assert parts(received(receiver, "metrics")) == parts([request])
