"""The end of a process that a thread other than the main one has forked.

Such a process is that thread alone, and ends with it: there is no interpreter's exit, no exit handler, and the status
is 0 whatever the thread did. Threads of ours would keep it alive for ever, with what it has recorded.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.obs.own_threads import create_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OWN_THREADS", "at_thread_end", "join_threads"]

OWN_THREADS: Final = "codeanatomy-"
"""How the names of our threads begin."""

_kept = threading.local()


class _Farewell:
    """Is let go of by Python when the thread ends that keeps it, and then calls `action` on a thread of its own."""

    def __init__(self, action: Callable[[], object]) -> None:
        self._action = action
        self._owner = os.getpid()

    def __del__(self) -> None:
        if os.getpid() == self._owner:  # a child that it forks has its own, and drops this
            create_thread(self._action, f"{OWN_THREADS}leaving").start()


def at_thread_end(action: Callable[[], object]) -> None:
    """Have `action` called, on a thread of its own, when the calling thread has run to its end."""
    _kept.farewell = _Farewell(action)


def join_threads() -> None:
    """Wait until the program's threads have ended, daemons as well; the caller's and ours are none of them."""
    while threads := [thread for thread in threading.enumerate() if _is_of_the_program(thread)]:
        threads[0].join()


def _is_of_the_program(thread: threading.Thread) -> bool:
    if thread is threading.current_thread() or thread.name.startswith(OWN_THREADS):
        return False
    # One that Python has not started itself can't be joined.
    return not isinstance(thread, threading._DummyThread)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue, reportUnknownMemberType]
