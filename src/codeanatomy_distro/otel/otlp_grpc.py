"""OTLP over gRPC: one channel, one attempt at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from opentelemetry.exporter.otlp.proto.grpc.version import __version__

from codeanatomy_distro.otel.otlp_exporter import answer_reader
from codeanatomy_distro.otel.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GrpcSender", "create_credentials"]

_METHODS: Final = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}
_PORTS: Final = {"http": 80, "https": 443}
_COMPRESSIONS: Final = {
    "none": grpc.Compression.NoCompression,
    "gzip": grpc.Compression.Gzip,
    "deflate": grpc.Compression.Deflate,
}
# OTLP specification, *OTLP/gRPC Response*, *Failures*; RESOURCE_EXHAUSTED only with a RetryInfo.
_RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_RETRY_INFO: Final = "google.rpc.retryinfo-bin"
_OPTIONS: Final = (
    ("grpc.primary_user_agent", f"OTel-OTLP-Exporter-Python/{__version__}"),
    # Channels to one address share a connection unless told not to: a reset that meets one signal would take the
    # answers of the others with it, whose batches then arrive twice.
    ("grpc.use_local_subchannel_pool", 1),
    # gRPC waits ever longer before it connects again, up to two minutes; a Collector that is back must be found sooner.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 5000),
)


def create_credentials(
    certificate: str | None, client_key: str | None, client_certificate: str | None
) -> grpc.ChannelCredentials:
    """Return TLS credentials from PEM files; without any, those of the system. Raises `OSError` for a file not
    readable.
    """
    read = [Path(name).read_bytes() if name else None for name in (certificate, client_key, client_certificate)]
    return grpc.ssl_channel_credentials(*read)


class GrpcSender:
    """Sends requests of one signal to `endpoint`, a URL or host and port; plain text when `credentials` are None."""

    cancels = True

    def __init__(
        self,
        signal: str,
        endpoint: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        headers: Sequence[tuple[str, str]] = (),
        compression: str = "none",
    ) -> None:
        self._read_answer = answer_reader(signal)
        self._metadata = tuple(_metadatum(key.lower(), value) for key, value in headers)
        target = _target(endpoint)
        compressed = _COMPRESSIONS[compression]
        self._channel: Any = (
            grpc.insecure_channel(target, _OPTIONS, compressed)
            if credentials is None
            else grpc.secure_channel(target, credentials, _OPTIONS, compressed)
        )
        # Bytes in, bytes out: the request is encoded already, once for all attempts.
        self._call = self._channel.unary_unary(_METHODS[signal])

    def send(self, body: bytes, timeout: float, /) -> Outcome:
        """Try once to deliver an encoded request, for at most `timeout` seconds."""
        try:
            # The blocking form: the other one starts a thread, which an interpreter that is about to end refuses.
            answer = self._call(body, timeout=timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            return _failed(error)
        except ValueError as error:  # "Cannot invoke RPC on closed channel!": closed for a fork or at exit
            return Outcome(arrived=False, retryable=True, reason=str(error))
        return self._read_answer(answer)

    def close(self) -> None:
        """Close the channel; cancels an attempt that is under way."""
        self._channel.close()


def _metadatum(key: str, value: str) -> tuple[str, str | bytes]:
    # gRPC takes bytes, and nothing else, for keys of this kind.
    return key, value.encode() if key.endswith("-bin") else value


def _target(endpoint: str) -> str:
    url = urlsplit(endpoint)
    if url.scheme == "unix":
        return f"unix:{url.netloc}{url.path}"
    if not url.netloc:
        return endpoint
    # Left as they are, gRPC would look credentials up as a part of the host, and take 443 for the port of http://.
    host = url.netloc.rpartition("@")[2]
    return host if url.port else f"{host}:{_PORTS.get(url.scheme, 443)}"


def _failed(error: Any) -> Outcome:  # noqa: ANN401 - gRPC's errors have no type that tells of code() and details()
    code: grpc.StatusCode = error.code()
    retry_after = _retry_after(error)
    retryable = code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and retry_after is not None)
    reason = f"{code.name}: {error.details()}"
    return Outcome(arrived=False, retryable=retryable, retry_after=retry_after if retryable else None, reason=reason)


def _retry_after(error: Any) -> float | None:  # noqa: ANN401 - as above
    for key, value in error.trailing_metadata() or ():
        if key == _RETRY_INFO:
            info = RetryInfo()
            try:
                info.ParseFromString(value)
            except DecodeError:
                return None
            return max(0.0, info.retry_delay.seconds + info.retry_delay.nanos / 1e9)
    return None
