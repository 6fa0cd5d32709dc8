"""Leaving, flushing and forking, all parts together."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.lifecycle import Lifecycle
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

PASSING = Outcome(arrived=False, retryable=True, reason="busy")


class Answering:
    """An exporter that answers as it is told."""

    cancels = False

    def __init__(self, answer: Callable[[], Outcome]) -> None:
        self.answer = answer
        self.taken: list[Any] = []

    def export(self, batch: list[Any], timeout: float, /) -> Outcome:
        """Answer."""
        outcome = self.answer()
        if outcome.arrived:
            self.taken += batch
        return outcome

    def shutdown(self) -> None:
        """Do nothing."""


def queues(*exporters: Answering) -> list[BatchQueue[int]]:
    """Return a queue with one item in front of each exporter."""
    made: list[BatchQueue[int]] = []
    for number, exporter in enumerate(exporters):
        factory = ExporterFactory(lambda exporter=exporter: exporter, f"place-{number % 2}")
        made.append(BatchQueue(f"kind{number}", factory, BatchLimits()))
        made[-1].put(number)
    return made


def test_all_parts_leave_under_one_deadline(capsys: pytest.CaptureFixture[str]) -> None:
    """Three parts that fail take one deadline together, not three, and one line tells of them, by destination."""
    lifecycle = Lifecycle(queues(*[Answering(lambda: PASSING)] * 3), deadline=0.4)
    started = time.monotonic()
    lifecycle.shutdown()
    assert 0.4 <= time.monotonic() - started < 1.2
    assert capsys.readouterr().err == (
        "codeanatomy-distro: not delivered: 1 kind0, 1 kind2 to place-0 (busy); 1 kind1 to place-1 (busy)\n"
    )


def test_leaving_happens_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A second shutdown does nothing, at once and without a word; actions before the exit run once."""
    exporter = Answering(lambda: ARRIVED)
    lifecycle = Lifecycle(queues(exporter), deadline=2)
    ended: list[int | None] = []
    lifecycle.before_exit(ended.append)
    lifecycle.shutdown(15)
    lifecycle.shutdown()
    assert (ended, exporter.taken, capsys.readouterr().err) == ([15], [0], "")


def test_what_an_action_before_the_exit_records_is_exported() -> None:
    """The span around the process ends there, and leaves with the rest."""
    exporter = Answering(lambda: ARRIVED)
    (queue,) = queues(exporter)
    lifecycle = Lifecycle([queue], deadline=2)
    lifecycle.before_exit(lambda _: queue.put(99))
    lifecycle.shutdown()
    assert exporter.taken == [0, 99]


def test_a_flush_waits_for_all_parts_and_no_longer_than_asked() -> None:
    """A flush is done when every part is; one that fails makes it return False in time."""
    good, bad = Answering(lambda: ARRIVED), Answering(lambda: PASSING)
    assert Lifecycle(queues(good, good), deadline=2).flush(5)
    started = time.monotonic()
    assert not Lifecycle(queues(good, bad), deadline=2).flush(0.3)
    assert time.monotonic() - started < 1.5


@pytest.mark.parametrize("before", [True, False])
def test_a_process_that_may_be_killed_exports_soon_and_has_its_exporter(*, before: bool) -> None:
    """Where the clock would export in an hour, what is queued before and after is exported by itself, warm."""
    exported, imported = threading.Event(), threading.Event()

    def export() -> Outcome:
        exported.set()
        return ARRIVED

    def create() -> Answering:
        imported.set()  # where the first export is earlier
        return Answering(export)

    factory = ExporterFactory(create, "nowhere", warm=imported.set)
    queue: BatchQueue[int] = BatchQueue("kind", factory, BatchLimits(delay=3600, hurried=0.01))
    lifecycle = Lifecycle([queue], deadline=2)
    if before:
        queue.put(1)
    lifecycle.expect_kill()
    assert imported.wait(60)
    if not before:
        queue.put(1)
    assert exported.wait(60)


def test_an_interrupt_while_leaving_ends_the_wait(capsys: pytest.CaptureFixture[str]) -> None:
    """A second Ctrl-C makes the process go at once, with the line about what is lost and no traceback."""
    (queue,) = queues(Answering(lambda: PASSING))

    def join(timeout: float) -> bool:
        raise KeyboardInterrupt

    queue.join = join
    lifecycle = Lifecycle([queue], deadline=60)
    lifecycle.shutdown()
    assert "1 kind0 to place-0" in capsys.readouterr().err
    assert not lifecycle.leaving


def test_around_a_fork_the_parts_rest_and_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Before a fork no thread is left; in the parent all goes on; in the child all begins anew."""
    answers = iter([PASSING])
    exporter = Answering(lambda: next(answers, ARRIVED))
    (queue,) = queues(exporter)
    lifecycle = Lifecycle([queue], deadline=2)
    lifecycle.before_fork()
    assert not queue._thread.running  # pyright: ignore[reportPrivateUsage]
    lifecycle.after_fork_in_parent(later=False)
    assert lifecycle.flush(5)
    assert exporter.taken == [0]
    queue.put(1)
    lifecycle.before_fork()
    lifecycle.after_fork_in_child()
    lifecycle.shutdown()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seconds", [0.0, math.nextafter(0, 1)])
def test_no_time_at_all_is_no_error(seconds: float, capsys: pytest.CaptureFixture[str]) -> None:
    """A deadline of nought leaves at once and counts what is lost."""
    Lifecycle(queues(Answering(lambda: PASSING)), deadline=seconds).shutdown()
    assert "1 kind0 to place-0" in capsys.readouterr().err


def test_who_leaves_while_another_thread_does_waits_for_it() -> None:
    """A second shutdown, such as that of the process's exit, does not return before the first is over."""
    begun, go_on = threading.Event(), threading.Event()

    def answer() -> Outcome:
        begun.set()
        go_on.wait()
        return ARRIVED

    exporter = Answering(answer)
    lifecycle = Lifecycle(queues(exporter), deadline=60)
    first, second = threading.Thread(target=lifecycle.shutdown), threading.Thread(target=lifecycle.shutdown)
    first.start()
    begun.wait()
    second.start()
    second.join(0.1)
    assert second.is_alive()
    go_on.set()
    second.join()
    assert exporter.taken == [0]
    first.join()


def test_an_action_before_the_exit_that_fails_costs_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """A span processor of the program's, say, that raises as the span around the process ends: it is told, and all
    that is queued arrives.
    """
    exporter = Answering(lambda: ARRIVED)
    lifecycle = Lifecycle(queues(exporter), deadline=2)
    ended: list[int | None] = []

    def fail(_: int | None) -> None:
        raise ZeroDivisionError

    lifecycle.before_exit(fail)
    lifecycle.before_exit(ended.append)
    lifecycle.shutdown(15)
    assert (ended, exporter.taken) == ([15], [0])
    assert "ZeroDivisionError" in caplog.text


def test_what_the_last_export_loses_is_said_once(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The line on stderr has it, and no log record: it would be a second line in the same place."""
    Lifecycle(queues(Answering(lambda: Outcome(arrived=False, reason="refused"))), deadline=5).shutdown()
    assert capsys.readouterr().err == "codeanatomy-distro: not delivered: 1 kind0 to place-0 (refused)\n"
    assert "lost so far" not in caplog.text
