"""The gRPC side of the receiver: the three OTLP services on one port of 127.0.0.1."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import grpc
from google.rpc.error_details_pb2 import RetryInfo

from codeanatomy_distro.testing.otlp_decode import RESPONSES
from codeanatomy_distro.testing.otlp_relay import TcpRelay

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Signal
    from codeanatomy_distro.testing.otlp_behaviour import Behaviour
    from codeanatomy_distro.testing.otlp_inbox import Inbox

__all__ = ["GrpcServer"]

_SERVICES: dict[str, Signal] = {
    "opentelemetry.proto.collector.trace.v1.TraceService": "traces",
    "opentelemetry.proto.collector.metrics.v1.MetricsService": "metrics",
    "opentelemetry.proto.collector.logs.v1.LogsService": "logs",
}
_RETRY_INFO = "google.rpc.retryinfo-bin"
_THREADS = 64
"""Requests in hand at a time: one that hangs holds its thread."""
_STOP_GRACE = 1.0


class GrpcServer:
    """Serves from construction until `stop`."""

    def __init__(self, inbox: Inbox, port: int, *, resettable: bool) -> None:
        """Listen on ``port``, 0 for a free one; ``resettable`` puts a relay in front that can reset a connection."""
        self._inbox = inbox
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc")
        # Without reuse of the port, a second receiver on it fails instead of taking half of the connections.
        options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(self._pool, options=options)
        for service, signal in _SERVICES.items():
            # No deserialiser: the handler gets the bytes, which are kept as they came.
            export: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(
                partial(self._export, signal)
            )
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": export}),))
        bound = self._server.add_insecure_port(f"127.0.0.1:{0 if resettable else port}")
        self._server.start()
        self._relay = TcpRelay(port, bound) if resettable else None
        self.port = self._relay.port if self._relay else bound

    def stop(self) -> None:
        """Finish what is in hand, release the port, end the threads; the inbox must be closed: nothing may hang."""
        self._server.stop(_STOP_GRACE).wait()
        if self._relay:
            self._relay.stop()
        self._pool.shutdown()

    def _export(self, signal: Signal, body: bytes, context: grpc.ServicerContext) -> bytes:
        headers = {key: _text(value) for key, value in context.invocation_metadata()}
        request, behaviour = self._inbox.receive("grpc", signal, headers, body)
        gone = threading.Event()
        if not context.add_callback(gone.set):
            gone.set()
        self._inbox.pause(behaviour, gone)
        if behaviour.reset and self._relay:
            self._relay.reset(context.peer())
        if not behaviour.accepts:
            _refuse(behaviour, context)
        problem = self._inbox.accept(request)
        if problem:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, problem)
        return RESPONSES[signal]


def _refuse(behaviour: Behaviour, context: grpc.ServicerContext) -> None:
    """Raise what makes gRPC answer with the status."""
    trailers: list[tuple[str, str | bytes]] = [(key.lower(), value) for key, value in behaviour.headers.items()]
    if behaviour.retry_after is not None:
        retry_info = RetryInfo()
        retry_info.retry_delay.FromNanoseconds(round(behaviour.retry_after * 1e9))
        trailers.append((_RETRY_INFO, retry_info.SerializeToString()))
    context.set_trailing_metadata(tuple(trailers))
    lost = behaviour.hang or behaviour.reset
    context.abort(
        grpc.StatusCode.UNAVAILABLE if lost else grpc.StatusCode[behaviour.grpc_status_name], behaviour.message
    )


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
