"""Threads of ours in the observed program: they do not keep it from ending, and take no signal that is meant for it."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["create_thread", "join_wholly"]

# What a thread's own instruction brings about must act at once: blocked, it ends the process without a dump.
_FAULTS: Final = frozenset({"SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP"})


def create_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """Return a daemon thread that will run `target` once it is started, and to which no signal is delivered.

    The system hands a signal to any thread that does not block it. A program that blocks one in all threads of its own,
    to wait for it with `signal.sigwait` or to keep a section whole, would be ended by it in one of ours. Threads that
    `target` starts, those of gRPC for one, block what it blocks.
    """

    def run() -> None:
        _leave_signals()
        target()

    return threading.Thread(target=run, name=name, daemon=True)


def join_wholly(thread: threading.Thread, timeout: float) -> bool:
    """Wait at most `timeout` seconds until `thread` has ended for the system too; return whether it has for Python.

    Up to Python 3.12 ``join`` returns a moment before, in which a process that forks still counts as one with threads.
    """
    end = time.monotonic() + max(0.0, timeout)
    thread.join(max(0.0, timeout))
    if thread.is_alive():
        return False
    known_as = Path(f"/proc/self/task/{thread.native_id}")
    while known_as.exists() and time.monotonic() < end:
        time.sleep(0.0002)
    return True


def _leave_signals() -> None:
    """Have no signal delivered to the calling thread but for faults of its own."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, _signals_but_faults())


def _signals_but_faults() -> set[int]:
    faults = {getattr(signal, name, None) for name in _FAULTS}
    return {number for number in signal.valid_signals() if number not in faults}
