"""Signals that end the process: what is recorded is exported first, then happens what would have happened without us.

A handler in Python alone would change the program: it runs on the main thread, and only once that is back from whatever
C code it is in. A pool's worker that waits for a task may then miss its SIGTERM for ever, and a query in native code
outlive it by hours. A thread of ours therefore hears of the signal through the interpreter's wake-up pipe and sees it
through.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.obs.own_threads import create_thread, join_wholly

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from codeanatomy_distro.otel.lifecycle import Lifecycle

__all__ = ["ENDING", "SignalWatch"]

ENDING: Final = frozenset({signal.SIGTERM, signal.SIGINT})
"""Signals that end a process unless it does something about them."""

_MARGIN: Final = 0.6  # seconds past the deadline after which the process goes without the last export and its line
_PATIENCE: Final = 0.2  # seconds until an export that is held up is thought to wait for what the main thread holds
_GIVES_WAY: Final = 0.01  # seconds that the main thread is let go on then, twice as many each time
_PARK: Final = b"\0"


class SignalWatch:
    """Exports before SIGTERM and SIGINT act. Python's own KeyboardInterrupt is left alone: it leads to a usual exit.

    Only the main thread can set handlers; set up from another, the process keeps those it has. A handler that stood
    before is called after the export. One that the program sets later replaces ours, and its own exit then exports.
    """

    def __init__(self, lifecycle: Lifecycle) -> None:
        self._lifecycle = lifecycle
        self._previous: dict[int, Any] = {}
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._pending: int | None = None
        self._gives_way = _GIVES_WAY

    def install(self) -> None:
        """Set the handlers and start to listen."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in ENDING:
            standing = signal.getsignal(number)
            if standing == signal.SIG_DFL and _is_caught(number):
                continue
            if standing is not signal.default_int_handler and standing not in {signal.SIG_IGN, None}:
                self._previous[number] = signal.signal(number, self._on_signal)
        self._open()
        self.resume()

    def uninstall(self) -> None:
        """Put back what stood before: from here on a signal must end the process without any Python."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, previous in self._previous.items():
            if self._is_current(number):
                signal.signal(number, signal.SIG_DFL if previous is None else previous)
        self._previous.clear()
        if self._pipe is not None and (other := signal.set_wakeup_fd(-1)) != self._pipe[1]:
            signal.set_wakeup_fd(other)

    def act_on_pending(self) -> None:
        """Let a signal act that came while the main thread was busy with the last export."""
        number, self._pending = self._pending, None
        if number is not None:
            os.kill(os.getpid(), number)

    def park(self) -> None:
        """Have the thread end for now: the process is about to fork."""
        thread, self._thread = self._thread, None
        if thread is not None and self._pipe is not None and thread is not threading.current_thread():
            os.write(self._pipe[1], _PARK)
            join_wholly(thread, _MARGIN)

    def resume(self) -> None:
        """Have the thread listen again."""
        if self._pipe is not None and self._thread is None:
            reading = self._pipe[0]
            self._thread = create_thread(lambda: self._listen(reading), "codeanatomy-signals")
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter ends; its exit handler exports
                self._thread = None

    def renew(self) -> None:
        """Begin anew in a forked child: its signals are not to be heard by its parent, which has the same pipe."""
        self._thread, self._pending = None, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            for end in pipe:
                os.close(end)
            self._open(pipe[1])
            self.resume()

    def _open(self, ours: int = -1) -> None:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        standing = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        if standing in {-1, ours}:
            self._pipe = reading, writing
            return
        signal.set_wakeup_fd(standing)  # an event loop's; the handlers are then all there is
        os.close(reading)
        os.close(writing)

    def _listen(self, reading: int) -> None:
        while True:
            heard = os.read(reading, 1)
            if not heard or heard == _PARK:
                return
            number = heard[0]
            if number in self._previous and self._is_current(number) and not callable(self._previous[number]):
                self._leave(number)

    def _is_current(self, number: int) -> bool:
        return signal.getsignal(number) == self._on_signal

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        lifecycle = self._lifecycle
        previous = self._previous.get(number)
        if not self._is_current(number):
            # The program's own handler calls ours, as a good one calls what it found. It decides what happens next.
            self._aside(lambda: lifecycle.flush(lifecycle.deadline))
        elif callable(previous):
            self._aside(lambda: lifecycle.flush(lifecycle.deadline))
            previous(number, frame)
        elif lifecycle.leaves_on_this_thread:
            # The last export is under way, below us, and bounded; the signal acts when it is over.
            self._pending = number
        elif self._aside(lambda: self._leave(number)):
            _die(number)
        else:
            self._pending = number  # the process must not come to another end meanwhile
            self._stop_again(number, self._gives_way)
            self._gives_way *= 2

    def _stop_again(self, number: int, seconds: float) -> None:
        """Have the main thread go on for that long."""

        def stop() -> None:
            time.sleep(seconds)
            # Not by a signal: handlers of C libraries need not hear of it twice.
            _thread.interrupt_main(signal.Signals(number))

        create_thread(stop, "codeanatomy-stopping").start()

    def _leave(self, number: int) -> None:
        self._lifecycle.shutdown(number)
        _die(number)

    def _aside(self, action: Callable[[], Any]) -> bool:
        """Run `action` on a thread and wait for it; return False where it needs the main thread to go on.

        The handler stands on top of whatever the main thread was doing, a lock that `action` needs perhaps in its
        hands: an instrument's first measurement holds one for a millisecond. The handler then gives way.
        """
        helper = create_thread(action, "codeanatomy-leaving")
        try:
            helper.start()
        except RuntimeError:  # the interpreter ends and starts no more threads
            action()
            return True
        began, deadline = time.monotonic(), self._lifecycle.deadline
        while helper.is_alive() and not self._lifecycle.left:
            waited = time.monotonic() - began
            if waited > deadline + _MARGIN:
                break
            if waited > min(_PATIENCE, deadline / 2) and self._lifecycle.held_up:
                return False
            helper.join(0.005)
        return True


def _die(number: int) -> None:
    """End the process by the signal's default action, for good: the exit status must be that of such a process."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        return
    try:
        import ctypes  # start-up cost: wanted by a process that ends

        ctypes.CDLL(None).signal(number, 0)  # SIG_DFL; Python lets the main thread alone do this
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})  # the others may be in a section that blocks it
        os.kill(os.getpid(), number)
    except (ImportError, OSError, AttributeError):
        signal.pthread_kill(threading.main_thread().ident or 0, number)  # it will, when it is back in Python


def _is_caught(number: int) -> bool:
    """Return whether a handler that Python does not know of takes the signal: one of `faulthandler` or of a C library.

    Only Linux tells. To set ours would take it away for good: what stood before, as Python sees it, is the default.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
    except (OSError, StopIteration, ValueError, IndexError):
        return False
