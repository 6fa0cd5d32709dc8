"""The thread of one exporter: woken by size, time, flush and exit; gone while the process forks.

Everything that the program's own threads call here is safe in a signal handler and waits for no lock that the export
holds: commands go through `SimpleQueue`, whose ``put`` is reentrant, which that of `Event` and `Queue` is not.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final, Literal

from opentelemetry import context
from opentelemetry.instrumentation.utils import suppress_instrumentation

from codeanatomy_distro.obs.own_threads import create_thread, join_wholly
from codeanatomy_distro.otel.loss_report import say

__all__ = ["ExportThread", "Reason", "Waiter"]

Reason = Literal["time", "size", "flush", "stop"]
"""Why the thread is to serve: its interval is over, a batch is full, somebody flushes, or the process leaves."""

Waiter = Callable[[float], bool]
"""Waits at most that many seconds for what was asked; returns whether it was done."""

_WAKE: Final = "size"
_STOP: Final = "stop"
_PARK: Final = "park"
_HASTEN: Final = "hasten"


class ExportThread:
    """Calls `serve` on a daemon thread of its own, at the latest every `interval` seconds, and once more when stopped.

    `serve` may take long; it waits with `pause` and returns early when that says so.
    """

    def __init__(self, name: str, serve: Callable[[Reason], None], interval: float) -> None:
        self._name = name
        self._serve = serve
        self._interval = interval
        self.reset()

    def reset(self) -> None:
        """Begin anew, with no thread: the process is a forked child, where none but the forking thread lives on."""
        self._commands: SimpleQueue[str | threading.Lock] = SimpleQueue()
        self._flushes: list[threading.Lock] = []
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._parking = False
        self._due = time.monotonic() + self._interval
        self._told_to_stop = False
        self._stopped = False
        self.running = False
        self.held_up = False  # whether a start is under way, perhaps below a signal's handler
        self.deadline: float | None = None

    @property
    def stopping(self) -> bool:
        """Return whether `stop` was called."""
        return self.deadline is not None

    @property
    def time_left(self) -> float:
        """Return the seconds until the deadline of `stop`; infinite before it."""
        return math.inf if self.deadline is None else self.deadline - time.monotonic()

    def start(self) -> bool:
        """Have the thread running; return False where the interpreter, about to end, starts no more threads."""
        if self.running or self._parking or self._stopped:
            return True
        self.held_up = True
        with self._starting:
            try:
                if not (self.running or self._parking):
                    self.running = True
                    self._thread = create_thread(self._run, self._name)
                    self._thread.start()
            except BaseException as error:  # such as Ctrl-C in the midst of it: the next start begins anew
                self._thread, self.running = None, False
                if not isinstance(error, RuntimeError):
                    raise
                return False
            finally:
                self.held_up = False
        return True

    def wake(self) -> None:
        """Have the thread serve a full batch."""
        self._commands.put(_WAKE)

    def hasten(self, interval: float) -> None:
        """Have the thread serve at least every `interval` seconds from now on."""
        self._interval = min(self._interval, interval)
        self._commands.put(_HASTEN)

    def flush(self) -> Waiter:
        """Have the thread serve all there is; return what waits for that."""
        done = threading.Lock()
        done.acquire()  # released by the thread: a lock can be waited for without another lock, unlike an event
        self._commands.put(done)
        if self._stopped:
            return lambda _: True
        if not self.start():
            return lambda _: False
        return lambda timeout: done.acquire(timeout=max(0.0, timeout))

    def stop(self, deadline: float) -> None:
        """Have the thread serve once more and end, working no longer than until `deadline` (`time.monotonic()`)."""
        self.deadline = deadline
        self._commands.put(_STOP)

    def finish(self, timeout: float) -> bool:
        """Wait for what `stop` began; return whether the thread has ended.

        Where no thread can be started any more, the caller's own does the work, within the same deadline.
        """
        if self._stopped:
            return True
        end = time.monotonic() + timeout
        if not self._starting.acquire(timeout=max(0.0, timeout)):
            return False  # its start does not come to an end: a signal's handler stands on top of it
        try:
            started, thread = self.start(), self._thread
        finally:
            self._starting.release()
        if not started:
            self._guarded("stop")
            self._end()
            return True
        if thread is None or thread is threading.current_thread():
            return True
        thread.join(max(0.0, end - time.monotonic()))
        return not thread.is_alive()

    def park(self) -> None:
        """Ask the thread to end for now, since the process is about to fork; does not wait."""
        self._parking = True
        self._commands.put(_PARK)

    def wait_parked(self, timeout: float) -> bool:
        """Wait for what `park` asked; return whether the thread is gone."""
        with self._starting:  # one that another thread starts just now
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return True
        return join_wholly(thread, timeout)

    def unpark(self) -> None:
        """Let the thread run again; it starts with the next `start`."""
        self._parking = False

    def pause(self, seconds: float) -> bool:
        """Wait between two attempts; return False when the work must be left for later, since the process forks."""
        end = time.monotonic() + min(seconds, self.time_left)
        while not self._parking:
            left = end - time.monotonic()
            if left <= 0:
                return True
            try:
                command = self._next_command(left)
            except Empty:
                return True
            if self._note(command) == _STOP:
                return True  # the last chance is now
        return False

    def _run(self) -> None:
        with self._starting:
            if self._thread is not threading.current_thread():
                return  # whoever started it was interrupted, and counts on another
        context.attach(context.Context())  # not that of whoever happened to start the thread
        with suppress_instrumentation():  # an exporter's own calls make no telemetry
            while not self._parking:
                # What a fork interrupted goes on first.
                reason = "stop" if self._told_to_stop else "flush" if self._flushes else self._await()
                if reason is None:
                    continue
                self._guarded(reason)
                if reason == "stop" and not self._parking:
                    self._end()
                    break
        self.running = False
        if not self._parking:
            self.start()  # `unpark` came after the look at `_parking`, and whoever called `start` found this thread

    def _end(self) -> None:
        """Note that nothing more is served, and let go of whoever flushes: what there was has been served."""
        self._stopped = True
        while True:
            try:
                command = self._commands.get_nowait()
            except Empty:
                return
            if not isinstance(command, str):
                command.release()

    def _guarded(self, reason: Reason) -> None:
        try:
            self._serve(reason)
        except Exception as error:  # noqa: BLE001 - the thread must live; it is told
            say(logging.WARNING, "%s failed: %s: %s", self._name, type(error).__name__, error, error=error)
        if not self._parking:
            while self._flushes:
                self._flushes.pop().release()

    def _await(self) -> Reason | None:
        """Wait for the next thing to do; None when that is to end for now."""
        try:
            command = self._next_command(self._due - time.monotonic())
        except Empty:
            self._due = time.monotonic() + self._interval
            return "time"
        return self._note(command)

    def _next_command(self, timeout: float) -> str | threading.Lock:
        """Return the next command; raise `Empty` after `timeout` seconds without one."""
        try:
            # Python 3.10 waits for ever where a queue is new or was just emptied and the time is over before it has
            # looked twice; a look without a wait first prevents that.
            return self._commands.get_nowait()
        except Empty:
            if timeout <= 0:
                raise
            return self._commands.get(timeout=timeout)

    def _note(self, command: str | threading.Lock) -> Reason | None:
        if not isinstance(command, str):
            self._flushes.append(command)
            return "flush"
        if command == _PARK:
            return None
        if command == _HASTEN:
            self._due = min(self._due, time.monotonic() + self._interval)
            return None
        if command == _STOP:
            self._told_to_stop = True
            return "stop"
        return "size"
