"""What a receiver does with one request: the faults of a real back end, on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Protocol, Signal

__all__ = ["GRPC_STATUS", "OK", "Behaviour", "OtlpRequest", "Respond"]

GRPC_STATUS: dict[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "UNAVAILABLE",
}
"""The gRPC status that says the same as an HTTP one (OTLP specification, *Failures*)."""


@dataclass(frozen=True)
class OtlpRequest:
    """One export request as it came.

    ``body`` is the protobuf message after decompression, byte for byte; ``headers`` are HTTP headers or gRPC metadata,
    with lower-case names; ``received_at`` is ``time.monotonic()``; ``index`` counts the requests of a receiver from 0.
    """

    index: int
    protocol: Protocol
    signal: Signal
    headers: Mapping[str, str]
    body: bytes
    received_at: float


@dataclass(frozen=True)
class Behaviour:
    """How to answer one request, the same for both protocols.

    Only an answer with status 200 puts the request's telemetry among what was received: a client may send again what
    was refused.
    """

    status: int = 200
    """HTTP status; over gRPC the status of `GRPC_STATUS`, or UNKNOWN when it has none there."""
    grpc_status: str | None = None
    """Name of a gRPC status, such as ``DATA_LOSS``, instead of the one derived from ``status``."""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """Extra response headers; over gRPC, trailing metadata."""
    retry_after: float | None = None
    """Seconds: the ``Retry-After`` header, or the ``RetryInfo`` that gRPC clients read."""
    delay: float = 0.0
    """Seconds to wait before doing the rest."""
    hang: bool = False
    """Never answer: until the client gives up or the receiver stops."""
    reset: bool = False
    """Answer nothing and reset the client's TCP connection."""

    @property
    def accepts(self) -> bool:
        """Whether the telemetry counts as received."""
        return self.status == 200 and self.grpc_status in {None, "OK"} and not (self.hang or self.reset)  # noqa: PLR2004

    @property
    def grpc_status_name(self) -> str:
        """The gRPC status to answer with."""
        return self.grpc_status or GRPC_STATUS.get(self.status, "UNKNOWN")


OK = Behaviour()
"""Take the request and say so at once."""

Respond: TypeAlias = Callable[[OtlpRequest], Behaviour]
