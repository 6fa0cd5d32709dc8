"""Around a fork: the hooks that quiet the export before it and renew it after."""

from __future__ import annotations

import os
import signal
import sys
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.otel.signals import ENDING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from codeanatomy_distro.otel.lifecycle import Lifecycle

__all__ = ["watch"]

_WARNS: Final = sys.version_info >= (3, 12)  # of a fork of a process with threads


class _Forking:
    """What is known between the hooks of one fork; hooks of two forks can't overlap, for both run in one process."""

    single_threaded: bool = False
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
    # It would
    # then live on where the default action would have ended it, and its parent wait for ever.
    _Forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    lifecycle.before_fork()
    _Forking.single_threaded = _WARNS and _count_threads() == 1


def _in_parent(lifecycle: Lifecycle) -> None:
    # From 3.12 on Python counts the threads after this hook and warns of more than one. Where the program has none but
    # the main thread, ours must not make it warn: they start with the next span, or when `Process.start` is over.
    lifecycle.after_fork_in_parent(later=_Forking.single_threaded)
    _unblock()


def _in_child(lifecycle: Lifecycle) -> None:
    lifecycle.after_fork_in_child()
    _unblock()


def _unblock() -> None:
    mask, _Forking.mask = _Forking.mask, None
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _count_threads() -> int:
    """Return how many threads the process has, those of C libraries included; 0 where that can't be known."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return 0
