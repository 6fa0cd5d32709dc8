"""Threads of ours leave the program's signals to the program."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

from codeanatomy_distro.obs.own_threads import create_thread

if TYPE_CHECKING:
    from collections.abc import Callable


def blocked_in(create: Callable[[Callable[[], object]], threading.Thread]) -> set[int]:
    """Return the signals that a thread does not take."""
    found: list[set[int]] = []
    thread = create(lambda: found.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))))
    thread.start()
    thread.join()
    return found[0]


def test_no_signal_is_delivered_to_a_thread_of_ours_but_for_its_own_faults() -> None:
    """What anybody may send is blocked; a crash acts at once, or a fault handler would not see it."""
    ours = blocked_in(lambda target: create_thread(target, "test"))
    assert {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGCHLD, signal.SIGALRM} <= ours
    assert not {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT} & ours


def test_so_does_what_it_starts_and_nobody_else() -> None:
    """A thread that it starts, such as one of gRPC's, blocks the same; the thread that made it blocks nothing more."""
    before = blocked_in(lambda target: threading.Thread(target=target))
    of_children: list[set[int]] = []
    made = create_thread(lambda: of_children.append(blocked_in(lambda target: threading.Thread(target=target))), "test")
    made.start()
    made.join()
    assert signal.SIGTERM in of_children[0]
    assert made.daemon
    assert blocked_in(lambda target: threading.Thread(target=target)) == before
