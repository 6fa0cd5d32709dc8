"""A TCP relay that can reset one client's connection, which a gRPC server cannot do by itself."""

from __future__ import annotations

import selectors
import socket
import socketserver
import struct
import threading

__all__ = ["TcpRelay", "reset_on_close"]

_CHUNK = 1 << 16
_POLL_SECONDS = 0.05


class TcpRelay:
    """Passes bytes between clients of one port of 127.0.0.1 and a server on another, until `stop`."""

    def __init__(self, port: int, target_port: int) -> None:
        """Listen on ``port``, 0 for a free one."""
        self._server = _Server(port, target_port)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="otlp-relay", daemon=True
        )
        self._thread.start()

    def reset(self, peer: str) -> None:
        """Reset the client whose connection the target server knows as ``peer``, such as ``ipv4:127.0.0.1:40000``."""
        with self._server.lock:
            connection = self._server.connections.get(int(peer.rpartition(":")[2]))
        if connection:
            connection.ask_for_reset()

    def stop(self) -> None:
        """Close the port and every connection."""
        self._server.shutdown()
        self._thread.join()
        with self._server.lock:
            connections = list(self._server.connections.values())
        for connection in connections:
            connection.ask_for_reset()
        self._server.server_close()


def reset_on_close(connection: socket.socket) -> None:
    """Make closing the socket send a reset (RST) instead of an orderly end."""
    on, no_seconds = 1, 0
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, no_seconds))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = False

    def __init__(self, port: int, target_port: int) -> None:
        self.target_port = target_port
        self.lock = threading.Lock()
        self.connections: dict[int, _Connection] = {}
        super().__init__(("127.0.0.1", port), _Connection)

    def shutdown_request(self, request: socket.socket) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        request.close()


class _Connection(socketserver.BaseRequestHandler):
    """One client: its thread moves the bytes both ways, so that it alone closes the sockets."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    request: socket.socket

    def setup(self) -> None:
        self._woken, self._wake = socket.socketpair()
        self._upstream = socket.create_connection(("127.0.0.1", self.server.target_port))
        self._port: int = self._upstream.getsockname()[1]
        with self.server.lock:
            self.server.connections[self._port] = self

    def ask_for_reset(self) -> None:
        """Let the connection's own thread reset it."""
        try:
            self._wake.send(b"x")
        except OSError:
            return  # It has ended by itself.

    def handle(self) -> None:
        other = {self.request: self._upstream, self._upstream: self.request}
        with selectors.DefaultSelector() as selector:
            for source in (self.request, self._upstream, self._woken):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    source = key.fileobj
                    if source is self._woken:
                        reset_on_close(self.request)
                        return
                    if not isinstance(source, socket.socket) or not _pass_on(source, other[source]):
                        return

    def finish(self) -> None:
        with self.server.lock:
            del self.server.connections[self._port]
        for end in (self._upstream, self._woken, self._wake):
            end.close()


def _pass_on(source: socket.socket, sink: socket.socket) -> bool:
    """Move what has come; return False at the end of either side."""
    try:
        data = source.recv(_CHUNK)
        sink.sendall(data)
    except OSError:
        return False
    return bool(data)
