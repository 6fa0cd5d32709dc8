"""Around a fork: the hooks that quiet the export before it and renew it after."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.otel import thread_end
from codeanatomy_distro.otel.signals import ENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from codeanatomy_distro.otel.lifecycle import Lifecycle

__all__ = ["watch"]

_WARNS: Final = sys.version_info >= (3, 12)  # of a fork of a process with threads
_THREADS: Final = Path("/proc/self/task")
# What gRPC calls its own threads, as far as Linux keeps a name. The last connection being closed, all of them end.
_OF_GRPC: Final = ("grpc_", "event_engine", "lifeguard", "default-executo", "resolver-execut", "timer_manager")
_GRPC_ENDS: Final = 0.5  # seconds; it takes 0 to 30 ms
_GRPC_STAYS: Final = 0.02  # after it did not end in time: the program has connections of its own, or one hangs


class _Forking:
    """What is known between the hooks of one fork; hooks of two forks can't overlap, for both run in one process."""

    single_threaded: bool = False
    by_thread: bool = False
    ends_with_thread: bool = False
    """Whether this process is one that a thread has forked, which is then its main thread, or a child of such a one."""
    patience: float = _GRPC_ENDS
    mask: Collection[int] | None = None


def watch(lifecycle: Lifecycle) -> None:
    """Have `lifecycle` take part in every fork of this process."""
    if not hasattr(os, "register_at_fork"):
        return
    # A fork hook can't be taken back, so that it must not keep a lifecycle alive that has ended.
    this = weakref.ref(lifecycle)
    os.register_at_fork(
        before=lambda: _call(this, _before),
        after_in_parent=lambda: _call(this, _in_parent),
        after_in_child=lambda: _call(this, _in_child),
    )


def _call(this: weakref.ref[Lifecycle], action: Callable[[Lifecycle], None]) -> None:
    lifecycle = this()
    if lifecycle is not None:
        action(lifecycle)


def _before(lifecycle: Lifecycle) -> None:
    # A child that gets a signal before Python has made it a child forgets it: pending Python handlers are cleared.
    # It would then live on where the default action would have ended it, and its parent wait for ever.
    _Forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    _Forking.by_thread = threading.current_thread() is not threading.main_thread()
    lifecycle.before_fork()
    if "codeanatomy_distro.otel.otlp_grpc" in sys.modules:
        _Forking.patience = _GRPC_ENDS if _wait_for_grpc(_Forking.patience) else _GRPC_STAYS
    _Forking.single_threaded = _WARNS and len(_thread_names()) == 1


def _in_parent(lifecycle: Lifecycle) -> None:
    # From 3.12 on Python counts the threads after this hook and warns of more than one. Where the program has none but
    # the main thread, ours must not make it warn: they start with the next span, or when `Process.start` is over.
    lifecycle.after_fork_in_parent(later=_Forking.single_threaded)
    _unblock()


def _in_child(lifecycle: Lifecycle) -> None:
    lifecycle.after_fork_in_child()
    _Forking.ends_with_thread |= _Forking.by_thread
    if _Forking.ends_with_thread:
        thread_end.at_thread_end(lambda: _leave(lifecycle))
    _unblock()


def _leave(lifecycle: Lifecycle) -> None:
    """Export what is left and leave the process without a thread of ours, so that it ends as it would without us."""
    thread_end.join_threads()
    lifecycle.shutdown()
    lifecycle.before_fork()
    ours = sum(thread.name.startswith(thread_end.OWN_THREADS) for thread in threading.enumerate())
    if ours > 1 or not _wait_for_grpc(_GRPC_ENDS):
        os._exit(0)  # one of them waits for a back end that does not answer


def _unblock() -> None:
    mask, _Forking.mask = _Forking.mask, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _wait_for_grpc(timeout: float) -> bool:
    """Wait until gRPC has ended its threads, the connections being closed; return whether it has.

    It does so on a thread of its own, and holds a lock meanwhile that every later use of gRPC needs. A child that is
    forked just then inherits the lock without its owner, and hangs with its first export, the interpreter lock in hand.
    """
    end = time.monotonic() + timeout
    while any(name.startswith(_OF_GRPC) for name in _thread_names()):
        if time.monotonic() >= end:
            return False
        time.sleep(0.0005)
    return True


def _thread_names() -> list[str]:
    """Return the names of the process's threads, those of C libraries included; none where they can't be known."""
    names: list[str] = []
    with suppress(OSError):  # there is no such folder
        for thread in _THREADS.iterdir():
            with suppress(OSError):  # it has ended meanwhile
                names.append((thread / "comm").read_text(encoding="utf-8", errors="replace"))
    return names
