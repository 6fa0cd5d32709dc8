"""The thread of one exporter, where its end and its next start meet."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from codeanatomy_distro.otel.export_thread import ExportThread, Reason


class Unparked(ExportThread):
    """A thread for which the fork is over just when it has seen that one is to come, and is about to say it ends."""

    unparks = False

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self._running

    @running.setter
    def running(self, value: bool) -> None:
        if self.unparks and not value:
            self.unparks = False
            self.unpark()
            self.start()
        self._running = value


def test_a_thread_that_ends_as_the_fork_is_over_is_followed_by_another() -> None:
    """Whoever starts it finds it running still; the reader of metrics would not be started by anybody else."""
    served = threading.Event()

    def serve(reason: Reason) -> None:
        if reason == "size":
            served.set()

    thread = Unparked("test", serve, 60)
    thread.start()
    thread.unparks = True
    thread.park()
    thread.wake()
    assert served.wait(30)
    thread.stop(0)


def test_a_flush_during_the_last_export_ends_with_it_and_starts_no_other() -> None:
    """Whoever flushes behind it, a handler of the program's that a signal calls at the exit, say, does not wait on;
    a flush after it returns at once, and nothing is served twice.
    """
    served: list[Reason] = []
    begun, go_on = threading.Event(), threading.Event()

    def serve(reason: Reason) -> None:
        served.append(reason)
        begun.set()
        go_on.wait()

    thread = ExportThread("test", serve, 60)
    thread.start()
    thread.stop(time.monotonic() + 60)
    begun.wait()
    wait = thread.flush()
    go_on.set()
    assert wait(30)
    assert thread.finish(30)
    assert thread.flush()(0)
    assert thread.start()
    assert not thread.running
    assert served == ["stop"]


@pytest.mark.parametrize("started", [False, True])
def test_ctrl_c_amid_its_start_leaves_one_thread_with_the_next(
    monkeypatch: pytest.MonkeyPatch, *, started: bool
) -> None:
    """Interrupted before the system has the thread or after, what is put later is served, and by one thread."""
    real = threading.Thread.start
    served = threading.Event()

    def start(self: threading.Thread) -> None:
        monkeypatch.undo()
        if started:
            real(self)
        raise KeyboardInterrupt

    thread = ExportThread("interrupted", lambda _: served.set(), 60)
    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        thread.start()
    assert not thread.running
    assert thread.start()
    thread.wake()
    assert served.wait(30)
    thread.stop(0)
    assert thread.finish(30)
    for other in [one for one in threading.enumerate() if one.name == "interrupted"]:
        other.join(30)
        assert not other.is_alive()


def test_a_fork_waits_for_a_start_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that another one starts as the process is about to fork is waited for, from its start to its end."""
    real = threading.Thread.start
    begun, go_on = threading.Event(), threading.Event()
    thread = ExportThread("parked", lambda _: None, 60)

    def start(self: threading.Thread) -> None:
        if self.name == "parked":
            begun.set()
            go_on.wait()
        real(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    starter = threading.Thread(target=thread.start)
    starter.start()
    assert begun.wait(30)
    thread.park()
    threading.Timer(0.1, go_on.set).start()
    assert thread.wait_parked(30)
    assert go_on.is_set()
    assert not thread.running
    starter.join(30)


class Raising(logging.Handler):
    """A handler that does not keep its faults to itself, as logging's own do."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        raise OSError(record.msg)


def test_a_handler_of_the_program_that_raises_does_not_end_the_thread() -> None:
    """What is said of work that failed may fail in its turn: the thread goes on with what comes next."""
    worked = threading.Event()
    outcomes = iter([ValueError("no"), None])

    def serve(_: Reason) -> None:
        if error := next(outcomes, None):
            raise error
        worked.set()

    logger, handler = logging.getLogger("codeanatomy_distro.export"), Raising()
    thread = ExportThread("test", serve, 60)
    logger.addHandler(handler)
    try:
        assert thread.flush()(30)
        thread.wake()
        assert worked.wait(30)
    finally:
        logger.removeHandler(handler)
    thread.stop(0)
