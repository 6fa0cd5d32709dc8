"""The HTTP side of the receiver: OTLP over HTTP with protobuf bodies on one port of 127.0.0.1."""

from __future__ import annotations

import gzip
import math
import socket
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from google.rpc.status_pb2 import Status

from codeanatomy_distro.testing.otlp_decode import RESPONSES
from codeanatomy_distro.testing.otlp_relay import reset_on_close

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Signal
    from codeanatomy_distro.testing.otlp_inbox import Inbox

__all__ = ["HttpServer"]

_PATHS: dict[str, Signal] = {"/v1/traces": "traces", "/v1/metrics": "metrics", "/v1/logs": "logs"}
_PROTOBUF = "application/x-protobuf"
_POLL_SECONDS = 0.05


class HttpServer:
    """Serves from construction until `stop`."""

    def __init__(self, inbox: Inbox, port: int) -> None:
        """Listen on ``port``, 0 for a free one."""
        self._server = _Server(inbox, port)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="otlp-http", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Finish what is in hand, release the port, end the threads; the inbox must be closed: nothing may hang."""
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close() joins them: a test must leave no thread behind

    def __init__(self, inbox: Inbox, port: int) -> None:
        self.inbox = inbox
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._to_reset: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def finish_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with self._lock:
            self._connections.add(request)
        super().finish_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        with self._lock:
            self._connections.discard(request)
            reset = request in self._to_reset
            self._to_reset.discard(request)
        if reset:
            # Not the orderly shutdown() of the base class: the client is to see a reset and nothing before it.
            reset_on_close(request)
            request.close()
        else:
            super().shutdown_request(request)

    def reset(self, request: socket.socket) -> None:
        with self._lock:
            self._to_reset.add(request)

    def end_connections(self) -> None:
        """Wake the threads that wait for another request on a kept connection."""
        with self._lock:
            for connection in self._connections:
                connection.shutdown(socket.SHUT_RD)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        """Take one export request."""
        signal = _PATHS.get(self.path.partition("?")[0])
        if signal is None:
            self.send_error(404, explain="OTLP paths are " + ", ".join(_PATHS))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        wire = self.rfile.read(int(headers.get("content-length", "0")))
        if headers.get("content-type", "").partition(";")[0].strip() != _PROTOBUF:
            self._answer(415, _status(f"this receiver takes {_PROTOBUF} alone"))
            return
        try:
            body = _decompressed(wire, headers.get("content-encoding", "identity").lower())
        except (OSError, EOFError, zlib.error, ValueError) as error:
            self._answer(400, _status(f"body cannot be decompressed: {error}"))
            return
        self._receive(signal, headers, body)

    def _receive(self, signal: Signal, headers: dict[str, str], body: bytes) -> None:
        request, behaviour = self.server.inbox.receive("http/protobuf", signal, headers, body)
        self.server.inbox.pause(behaviour, threading.Event())
        if behaviour.reset:
            self.server.reset(self.connection)
        if behaviour.reset or behaviour.hang:
            self.close_connection = True
            return
        extra = dict(behaviour.headers)
        if behaviour.retry_after is not None:
            extra["Retry-After"] = str(math.ceil(behaviour.retry_after))
        if not behaviour.accepts:
            self._answer(behaviour.status, _status(behaviour.message), extra)
            return
        problem = self.server.inbox.accept(request)
        if problem:
            self._answer(400, _status(problem), extra)
        else:
            self._answer(200, RESPONSES[signal], extra)

    def _answer(self, status: int, body: bytes, extra: dict[str, str] | None = None) -> None:
        try:
            self.send_response(status)
            for name, value in {"Content-Type": _PROTOBUF, "Content-Length": str(len(body)), **(extra or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            # The client gave up while it was kept waiting.
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing: standard error belongs to the program observed."""


def _status(message: str) -> bytes:
    """Return the body that OTLP wants with a refusal."""
    return Status(message=message).SerializeToString()


def _decompressed(wire: bytes, encoding: str) -> bytes:
    if encoding == "identity":
        return wire
    if encoding == "gzip":
        return gzip.decompress(wire)
    if encoding == "deflate":
        return zlib.decompress(wire)
    message = f"unknown content encoding {encoding!r}"
    raise ValueError(message)
