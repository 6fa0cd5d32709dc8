"""OTLP for one signal: encodes a batch once, and hands the bytes to gRPC or HTTP as often as it takes.

The exporters of OpenTelemetry retry inside themselves: they can't say whether a batch that failed may be sent again,
keep trying after the process was told to leave, and log each attempt. Retrying is the queue's affair here, so that it
needs a sender that tries once and tells what came of it. The encoding is OpenTelemetry's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from codeanatomy_distro.otel.outcome import ARRIVED, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OtlpExporter", "Sender", "answer_reader", "encoder"]


class Sender(Protocol):
    """A connection to one OTLP endpoint for one signal."""

    def send(self, body: bytes, timeout: float, /) -> Outcome:
        """Try once to deliver an encoded request, for at most `timeout` seconds."""
        ...

    cancels: bool
    """Whether `close` ends an attempt that is under way."""

    def close(self) -> None:
        """Release the connection."""
        ...


class OtlpExporter:
    """Exports batches of `signal` through `sender`; one attempt takes at most `timeout` seconds."""

    def __init__(self, signal: str, sender: Sender, timeout: float) -> None:
        self._encode = encoder(signal)
        self._sender = sender
        self._timeout = timeout
        self._batch: object = None
        self._body = b""

    def export(self, batch: Any, timeout: float, /) -> Outcome:  # noqa: ANN401 - each signal has its own kind of batch
        """Try once to deliver `batch`, for at most `timeout` seconds."""
        if batch is not self._batch:
            self._body, self._batch = self._encode(batch), batch
        outcome = self._sender.send(self._body, min(timeout, self._timeout))
        if outcome.arrived or not outcome.retryable:
            self._batch, self._body = None, b""
        return outcome

    def shutdown(self) -> None:
        """Release the connection."""
        self._sender.close()

    @property
    def cancels(self) -> bool:
        """Return whether `shutdown` ends an attempt that is under way."""
        return self._sender.cancels


def encoder(signal: str) -> Callable[[Any], bytes]:
    """Return what turns a batch of `signal` (traces, metrics or logs) into the bytes of an OTLP request."""
    encode: Callable[[Any], Any]
    if signal == "traces":
        # Start-up cost: protobuf is 10 ms that the program's own thread need not pay.
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as encode
    elif signal == "metrics":
        from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics as encode
    else:
        from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs as encode
    return lambda batch: encode(batch).SerializeToString()


def answer_reader(signal: str) -> Callable[[bytes], Outcome]:
    """Return what reads a receiver's answer: all arrived, or how many items it rejected (OTLP, *Partial Success*)."""
    from google.protobuf.message import DecodeError  # start-up cost, as for the encoders

    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse as Response
    elif signal == "metrics":
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
            ExportMetricsServiceResponse as Response,
        )
    else:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse as Response
    count = {"traces": "rejected_spans", "metrics": "rejected_data_points", "logs": "rejected_log_records"}[signal]

    def read(body: bytes) -> Outcome:
        answer = Response()
        try:
            answer.ParseFromString(body)
        except DecodeError:
            return ARRIVED  # it said yes, if in no words that OTLP knows
        rejected = max(0, getattr(answer.partial_success, count))
        if not rejected:
            return ARRIVED
        reason = answer.partial_success.error_message or "rejected by the receiver"
        return Outcome(arrived=True, rejected=rejected, reason=reason)

    return read
