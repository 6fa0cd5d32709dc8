"""What a receiver has got so far, shared by its servers' threads and by whoever waits for it."""

from __future__ import annotations

import threading
import time
import weakref
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from codeanatomy_distro.testing.otlp import LogRecord, MetricPoint, Span, Telemetry
from codeanatomy_distro.testing.otlp_behaviour import OK, OtlpRequest
from codeanatomy_distro.testing.otlp_decode import decode, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from codeanatomy_distro.testing.otlp import Protocol, Signal
    from codeanatomy_distro.testing.otlp_behaviour import Behaviour, Respond
    from codeanatomy_distro.testing.otlp_decode import ExportRequest

__all__ = ["Inbox"]


class Inbox:
    """Requests in order of arrival, and the telemetry of those that were accepted.

    Decoding happens when somebody looks, not while the sender waits: a receiver must not slow the program it observes.
    """

    def __init__(self, respond: Respond | None = None) -> None:
        """Start empty; ``respond`` decides on each request, `OK` for all when it is None."""
        self.respond = respond
        self.failures: list[BaseException] = []
        self._changed = threading.Condition()
        self._requests: list[OtlpRequest] = []
        self._undecoded: list[ExportRequest] = []
        self._spans: list[Span] = []
        self._log_records: list[LogRecord] = []
        self._metric_points: list[MetricPoint] = []
        self._pauses: weakref.WeakSet[threading.Event] = weakref.WeakSet()
        self._closed = False

    def receive(
        self, protocol: Protocol, signal: Signal, headers: Mapping[str, str], body: bytes
    ) -> tuple[OtlpRequest, Behaviour]:
        """Keep the request and return it with what to do about it."""
        with self._changed:
            request = OtlpRequest(len(self._requests), protocol, signal, headers, body, time.monotonic())
            self._requests.append(request)
            self._changed.notify_all()
        if self.respond is None:
            return request, OK
        try:
            return request, self.respond(request)
        except BaseException as error:
            # The server's thread would only print it; the receiver raises it where the test can see it.
            self.failures.append(error)
            raise

    def pause(self, behaviour: Behaviour, gone: threading.Event) -> None:
        """Wait as long as the behaviour says, but no longer than until ``gone`` is set or the inbox is closed."""
        with self._changed:
            if self._closed:
                return
            self._pauses.add(gone)
        if behaviour.delay > 0:
            gone.wait(behaviour.delay)
        if behaviour.hang:
            gone.wait()

    def accept(self, request: OtlpRequest) -> str | None:
        """Count the telemetry of the request as received; return what is wrong with it when it is not OTLP."""
        try:
            message = parse(request.signal, request.body)
        except DecodeError as error:
            return f"not an OTLP {request.signal} message: {error}"
        with self._changed:
            self._undecoded.append(message)
            self._changed.notify_all()
        return None

    @property
    def requests(self) -> tuple[OtlpRequest, ...]:
        """Every request, accepted or not."""
        with self._changed:
            return tuple(self._requests)

    @property
    def telemetry(self) -> Telemetry:
        """What the accepted requests held."""
        with self._changed:
            for message in self._undecoded:
                for item in decode(message):
                    if isinstance(item, Span):
                        self._spans.append(item)
                    elif isinstance(item, LogRecord):
                        self._log_records.append(item)
                    else:
                        self._metric_points.append(item)
            self._undecoded.clear()
            return Telemetry(tuple(self._spans), tuple(self._log_records), tuple(self._metric_points))

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Return True as soon as the predicate holds, asked at each arrival; False after ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(predicate, timeout)

    def take(self) -> Telemetry:
        """Return what the accepted requests held and forget it, with nothing lost in between."""
        with self._changed:
            taken = self.telemetry
            self.clear()
            return taken

    def clear(self) -> None:
        """Forget everything received."""
        with self._changed:
            for kept in (self._requests, self._undecoded, self._spans, self._log_records, self._metric_points):
                kept.clear()

    def close(self) -> None:
        """End every pause, now and later."""
        with self._changed:
            self._closed = True
            for gone in self._pauses:
                gone.set()
