"""From the first export to the last: leaving under one deadline, and starting anew in a forked child."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, Protocol

__all__ = ["Lifecycle", "Part"]


class Part(Protocol):
    """One end of the export: a queue of spans or log records, or a metric reader."""

    signal: str

    @property
    def undelivered(self) -> int:
        """Items that have not been delivered."""
        ...

    def close(self) -> None:
        """Begin the last export; must not wait."""
        ...

    def join(self, timeout: float) -> bool:
        """Wait for the last export at most `timeout` seconds."""
        ...

    def hold(self, timeout: float = 1.0) -> bool:
        """Keep exports from running."""
        ...

    def release(self) -> None:
        """Let exports run again."""
        ...

    def reset(self) -> None:
        """Begin anew in a forked child."""
        ...


class Lifecycle:
    """Holds what exports, and sees it through fork, signal and exit.

    `deadline` is in seconds and for all parts together (``CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT``). `destination` is what the
    line about undelivered telemetry names.
    """

    def __init__(self, parts: Sequence[Part], *, deadline: float, destination: str) -> None:
        self._parts = list(parts)
        self._deadline = deadline
        self._destination = destination
        self._before_exit: list[Callable[[], None]] = []
        self._left = False
        self._held: list[Part] = []
        self._previous_sigterm: Any = None

    def before_exit(self, action: Callable[[], None]) -> None:
        """Run `action` before the last export, such as the end of the span around the process."""
        self._before_exit.append(action)

    def install(self) -> None:
        """Take part in this process's exit, its forks and its SIGTERM."""
        atexit.register(self.shutdown)
        if hasattr(os, "register_at_fork"):
            # A fork hook can't be taken back, so that it must not keep a lifecycle alive that has ended.
            this = weakref.ref(self)
            os.register_at_fork(
                before=lambda: _call(this, Lifecycle._hold),
                after_in_parent=lambda: _call(this, Lifecycle._release),
                after_in_child=lambda: _call(this, Lifecycle._reset),
            )
        if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            # Only where nobody else acts on it. A handler that the program sets later replaces this one, as it would
            # replace the default action; the program's own exit then flushes.
            self._previous_sigterm = signal.signal(signal.SIGTERM, self._on_sigterm)

    def flush(self, timeout: float) -> bool:
        """Export what is queued now, all parts at once; return whether that was done in `timeout` seconds."""
        end = time.monotonic() + timeout
        threads = [
            threading.Thread(target=flush, args=(timeout,), daemon=True)
            for part in self._parts
            if (flush := getattr(part, "flush", None)) is not None
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)

    def shutdown(self) -> None:
        """Export what is left, all parts at once under one deadline, and say what could not be delivered. Once only."""
        if self._left:
            return
        self._left = True
        atexit.unregister(self.shutdown)
        for action in self._before_exit:
            action()
        end = time.monotonic() + self._deadline
        for part in self._parts:
            part.close()
        for part in self._parts:
            part.join(end - time.monotonic())
        lost = [f"{part.undelivered} {part.signal}" for part in self._parts if part.undelivered]
        if lost:
            sys.stderr.write(f"codeanatomy-distro: not delivered to {self._destination}: {', '.join(lost)}\n")

    def _on_sigterm(self, number: int, _frame: FrameType | None) -> None:
        self.shutdown()
        # Back to what was there, and again: the exit status must be that of a process ended by the signal.
        signal.signal(number, self._previous_sigterm or signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def _hold(self) -> None:
        self._held = [part for part in self._parts if part.hold()]

    def _release(self) -> None:
        while self._held:
            self._held.pop().release()

    def _reset(self) -> None:
        self._held.clear()
        for part in self._parts:
            part.reset()


def _call(this: weakref.ref[Lifecycle], method: Callable[[Lifecycle], None]) -> None:
    lifecycle = this()
    if lifecycle is not None:
        method(lifecycle)
