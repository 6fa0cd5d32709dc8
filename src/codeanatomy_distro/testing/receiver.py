"""A real OTLP receiver on loopback, gRPC and HTTP, for tests and for ``codeanatomy-otel report``.

``with OtlpReceiver() as receiver:`` run the program with ``OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint``, then
``receiver.wait_for(lambda telemetry: telemetry.spans_named("pipeline.execute"))``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from codeanatomy_distro.testing.otlp_grpc import GrpcServer
from codeanatomy_distro.testing.otlp_http import HttpServer
from codeanatomy_distro.testing.otlp_inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from typing_extensions import Self

    from codeanatomy_distro.testing.otlp import LogRecord, MetricPoint, Protocol, Span, Telemetry
    from codeanatomy_distro.testing.otlp_behaviour import OtlpRequest, Respond

__all__ = ["OtlpReceiver"]


class OtlpReceiver:
    """Receives all signals over both protocols while its ``with`` block runs; what came stays readable afterwards."""

    def __init__(self, respond: Respond | None = None, *, grpc_port: int = 0, http_port: int = 0) -> None:
        """Prepare a receiver that answers each request as ``respond`` decides, or takes everything when it is None.

        Ports are free ones unless given. A receiver made with ``respond`` passes gRPC through a relay, so that it can
        reset connections; without, clients talk to the gRPC server itself.
        """
        self._inbox = Inbox(respond)
        self._ports = (grpc_port, http_port)
        self._servers: tuple[GrpcServer, HttpServer] | None = None
        self._bound = (0, 0)

    def __enter__(self) -> Self:
        """Open both ports; raise ``OSError`` or ``RuntimeError`` when a given port is taken."""
        http = HttpServer(self._inbox, self._ports[1])
        try:
            grpc = GrpcServer(self._inbox, self._ports[0], resettable=self._inbox.respond is not None)
        except BaseException:
            http.stop()
            raise
        self._servers = (grpc, http)
        self._bound = (grpc.port, http.port)
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close both ports and end every thread; raise what ``respond`` raised, unless the block raised already."""
        self._inbox.close()
        if self._servers:
            for server in self._servers:
                server.stop()
            self._servers = None
        if exc is None and self._inbox.failures:
            raise self._inbox.failures[0]

    @property
    def grpc_endpoint(self) -> str:
        """What to put into ``OTEL_EXPORTER_OTLP_ENDPOINT`` for the protocol ``grpc``."""
        return f"http://127.0.0.1:{self._bound[0]}"

    @property
    def http_endpoint(self) -> str:
        """What to put into ``OTEL_EXPORTER_OTLP_ENDPOINT`` for the protocol ``http/protobuf``."""
        return f"http://127.0.0.1:{self._bound[1]}"

    def endpoint(self, protocol: Protocol) -> str:
        """Return the endpoint of that protocol."""
        return self.grpc_endpoint if protocol == "grpc" else self.http_endpoint

    @property
    def respond(self) -> Respond | None:
        """What decides on each request; may be replaced at any time."""
        return self._inbox.respond

    @respond.setter
    def respond(self, respond: Respond | None) -> None:
        self._inbox.respond = respond

    @property
    def requests(self) -> tuple[OtlpRequest, ...]:
        """Every request in order of arrival, also those that were refused, with their bytes."""
        return self._inbox.requests

    def __iter__(self) -> Iterator[OtlpRequest]:
        """Iterate over the requests received so far."""
        return iter(self.requests)

    @property
    def telemetry(self) -> Telemetry:
        """Everything accepted so far."""
        return self._inbox.telemetry

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans accepted so far."""
        return self.telemetry.spans

    @property
    def log_records(self) -> tuple[LogRecord, ...]:
        """The log records accepted so far."""
        return self.telemetry.log_records

    @property
    def metric_points(self) -> tuple[MetricPoint, ...]:
        """The metric points accepted so far: a metric exported three times has three."""
        return self.telemetry.metric_points

    def wait_for(self, predicate: Callable[[Telemetry], object], timeout: float = 10.0) -> Telemetry:
        """Return the telemetry as soon as the predicate holds for it; raise ``TimeoutError`` after ``timeout`` s."""
        if self._inbox.wait_for(lambda: bool(predicate(self.telemetry)), timeout):
            return self.telemetry
        got = self.telemetry
        message = (
            f"not received within {timeout:g} s; got {len(self.requests)} requests with {len(got.spans)} spans, "
            f"{len(got.log_records)} log records, {len(got.metric_points)} metric points"
        )
        raise TimeoutError(message)

    def wait_for_requests(self, count: int, timeout: float = 10.0) -> tuple[OtlpRequest, ...]:
        """Return the requests as soon as there are ``count``, accepted or not; raise ``TimeoutError`` otherwise."""
        if self._inbox.wait_for(lambda: len(self.requests) >= count, timeout):
            return self.requests
        message = f"{len(self.requests)} requests within {timeout:g} s, not {count}"
        raise TimeoutError(message)

    def take(self) -> Telemetry:
        """Return everything accepted since the last time and forget it: for a program that sends without end."""
        return self._inbox.take()

    def clear(self) -> None:
        """Forget what was received so far."""
        self._inbox.clear()
