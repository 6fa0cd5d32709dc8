"""The queue between the program and an exporter: every item is delivered, or counted."""

from __future__ import annotations

import logging
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue, batch_limits
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.outcome import ARRIVED, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.otel.config import OtelConfig

PASSING = Outcome(arrived=False, retryable=True, reason="busy")
FINAL = Outcome(arrived=False, reason="refused")


def arrived(_: int) -> Outcome:
    """Take everything."""
    return ARRIVED


class Recording:
    """An exporter that keeps what it takes, and answers as it is told."""

    cancels = False

    def __init__(self, answer: Callable[[int], Outcome] = lambda _: ARRIVED) -> None:
        self.taken: list[Any] = []
        self.attempts: list[float] = []
        self.threads: set[str] = set()
        self.answer = answer
        self.closed = False

    def export(self, batch: list[Any], timeout: float, /) -> Outcome:
        """Take the batch, unless the answer is no."""
        self.attempts.append(time.monotonic())
        self.threads.add(threading.current_thread().name)
        outcome = self.answer(len(self.attempts))
        if outcome.arrived:
            self.taken += batch[: len(batch) - outcome.rejected]
        return outcome

    def shutdown(self) -> None:
        """Note that it was closed."""
        self.closed = True


def queue_to(exporter: Recording, **limits: Any) -> BatchQueue[int]:
    """Return a queue in front of `exporter`."""
    return BatchQueue("numbers", ExporterFactory(lambda: exporter, "nowhere"), BatchLimits(**limits))


def leave(queue: BatchQueue[int], seconds: float = 5.0) -> bool:
    """Close the queue and wait."""
    queue.close(time.monotonic() + seconds)
    return queue.join(seconds)


def test_what_is_put_arrives_in_order_on_a_thread_of_the_queues_own() -> None:
    """All items arrive once, in their order, and the program's thread exports nothing."""
    exporter = Recording()
    queue = queue_to(exporter, batch_size=7, delay=60)
    for number in range(100):
        queue.put(number)
    assert queue.flush(5)
    assert exporter.taken == list(range(100))
    assert exporter.threads == {"codeanatomy-numbers"}
    assert queue.undelivered == 0


def test_nothing_is_made_before_there_is_something_to_export() -> None:
    """The exporter's factory is first called with the first batch, and leaving an unused queue takes no time."""
    made: list[int] = []

    def create() -> Recording:
        made.append(1)
        return Recording()

    queue: BatchQueue[int] = BatchQueue("numbers", ExporterFactory(create), BatchLimits())
    assert leave(queue)
    assert made == []


@pytest.mark.parametrize("later", [0.0, 0.1])
def test_an_item_leaves_after_the_delay_though_its_batch_is_not_full(later: float) -> None:
    """A lone item waits no longer than the delay, also where that was over before the first item came."""
    exporter = Recording()
    queue = queue_to(exporter, delay=0.05)
    time.sleep(later)
    queue.put(1)
    end = time.monotonic() + 5
    while not exporter.taken and time.monotonic() < end:
        time.sleep(0.01)
    assert exporter.taken == [1]


@pytest.mark.parametrize(("burst_size", "kept"), [(0, 10), (30, 30)])
def test_a_full_queue_drops_and_counts(burst_size: int, kept: int) -> None:
    """While the exporter is busy, what does not fit is dropped at once and counted exactly; a burst may have room."""
    free, begun = threading.Event(), threading.Event()

    def answer(_: int) -> Outcome:
        begun.set()
        free.wait(10)
        return ARRIVED

    exporter = Recording(answer)
    queue = queue_to(exporter, queue_size=10, batch_size=5, burst_size=burst_size)
    for number in range(5):
        queue.put(number)
    assert begun.wait(5)
    for number in range(kept + 15):
        queue.put(number)
    assert queue.overflowed == 15
    free.set()
    assert leave(queue)
    assert len(exporter.taken) == kept + 5
    assert queue.undelivered == 15


def test_a_burst_has_no_room_while_the_back_end_fails() -> None:
    """Behind a back end that has failed, a queue holds its size and no more; once that is well again, a burst fits."""
    answers = [PASSING]
    exporter = Recording(lambda _: answers[0])
    queue = queue_to(exporter, queue_size=10, batch_size=5, burst_size=30, delay=60)
    for number in range(5):
        queue.put(number)
    while not queue._delivery.failing:  # pyright: ignore[reportPrivateUsage]
        time.sleep(0.001)
    for number in range(25):
        queue.put(number)
    assert queue.overflowed == 15
    answers[0] = ARRIVED
    assert queue.flush(5)
    for number in range(25):
        queue.put(number)
    assert leave(queue)
    assert len(exporter.taken) == 5 + 10 + 25
    assert queue.undelivered == 15


@pytest.mark.parametrize(("signal", "prefix"), [("traces", "OTEL_BSP"), ("logs", "OTEL_BLRP")])
def test_a_queue_size_that_somebody_set_holds_exactly(
    config: Callable[..., OtelConfig], signal: str, prefix: str
) -> None:
    """A size of the user's own leaves no room for more; one that nobody set leaves it for a burst."""
    assert batch_limits(config(), signal) == BatchLimits(2048, 512, 5.0, 30.0, burst_size=20_480, hurried=0.1)
    chosen = config(**{f"{prefix}_MAX_QUEUE_SIZE": "2048", f"{prefix}_SCHEDULE_DELAY": "400"})
    assert batch_limits(chosen, signal) == BatchLimits(2048, 512, 0.4, 30.0, burst_size=0, hurried=0.4)


def test_a_failure_that_may_pass_is_tried_again_with_the_same_batch() -> None:
    """Two refusals that may pass cost time, not items."""
    exporter = Recording(lambda attempt: PASSING if attempt <= 2 else ARRIVED)
    queue = queue_to(exporter)
    queue.put(1)
    assert leave(queue)
    assert exporter.taken == [1]
    assert len(exporter.attempts) == 3


def test_a_final_refusal_is_counted_and_not_tried_again() -> None:
    """What the receiver will never take is counted as refused, once."""
    exporter = Recording(lambda _: FINAL)
    queue = queue_to(exporter)
    queue.put(1)
    queue.put(2)
    assert leave(queue)
    assert len(exporter.attempts) == 1
    assert queue.refused == queue.undelivered == 2


def test_items_that_the_receiver_rejects_one_by_one_are_counted() -> None:
    """A partial success counts what was rejected and no more."""
    exporter = Recording(lambda _: Outcome(arrived=True, rejected=3, reason="too old"))
    queue = queue_to(exporter)
    for number in range(10):
        queue.put(number)
    assert leave(queue)
    assert queue.refused == 3


def test_a_batch_is_given_up_when_its_time_is_over_and_the_next_one_is_tried() -> None:
    """A batch that fails for longer than its timeout is counted; what comes after it arrives once the receiver is
    back.
    """
    begun = time.monotonic()
    exporter = Recording(lambda _: PASSING if time.monotonic() < begun + 0.5 else ARRIVED)
    queue = queue_to(exporter, batch_size=1, timeout=0.3, delay=0.01)
    queue.put(1)
    queue.put(2)
    assert queue.flush(5)
    assert queue.refused == 1
    assert exporter.taken == [2]


def test_the_pause_that_a_receiver_asks_for_is_kept() -> None:
    """No attempt is made before the time that the receiver named is over."""
    slow = Outcome(arrived=False, retryable=True, retry_after=0.4)
    exporter = Recording(lambda attempt: slow if attempt == 1 else ARRIVED)
    queue = queue_to(exporter)
    queue.put(1)
    assert leave(queue)
    first, second = exporter.attempts
    assert second - first >= 0.4


def test_a_receiver_that_asks_for_no_pause_is_not_asked_again_without_one() -> None:
    """``Retry-After: 0`` makes no loop without a rest, which would cost the program a core."""
    exporter = Recording(lambda attempt: PASSING._replace(retry_after=0.0) if attempt <= 3 else ARRIVED)
    queue = queue_to(exporter)
    queue.put(1)
    assert leave(queue)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(exporter.attempts))


def test_a_pause_that_makes_no_sense_does_not_end_the_export() -> None:
    """A receiver whose clock is wrong may ask for years; it is asked again after ten minutes."""
    exporter = Recording(lambda _: PASSING._replace(retry_after=1e12))
    queue = queue_to(exporter, timeout=0.1)
    queue.put(1)
    assert queue.flush(5)
    assert queue._delivery._wait() == 600  # pyright: ignore[reportPrivateUsage] - nobody waits that long to see it
    assert leave(queue)
    assert queue.refused == 1


def test_leaving_is_bounded_and_what_is_left_is_counted() -> None:
    """With a receiver that is always busy, leaving takes the deadline, and every item is in the count."""
    exporter = Recording(lambda _: PASSING)
    queue = queue_to(exporter, batch_size=2)
    for number in range(7):
        queue.put(number)
    started = time.monotonic()
    assert not leave(queue, 0.3)
    assert time.monotonic() - started < 2
    assert queue.undelivered == 7
    assert exporter.closed


def test_a_receiver_that_asks_for_longer_than_there_is_time_is_not_waited_for() -> None:
    """Leaving ends at once when the receiver wants a pause that goes beyond the deadline."""
    exporter = Recording(lambda _: Outcome(arrived=False, retryable=True, retry_after=60))
    queue = queue_to(exporter)
    queue.put(1)
    started = time.monotonic()
    leave(queue, 5)
    assert time.monotonic() - started < 2
    assert queue.undelivered == 1


def test_an_exporter_that_raises_loses_its_batch_alone() -> None:
    """An exception of the exporter is counted, and the next batch is delivered."""

    def answer(attempt: int) -> Outcome:
        if attempt == 1:
            message = "broken"
            raise RuntimeError(message)
        return ARRIVED

    exporter = Recording(answer)
    queue = queue_to(exporter, batch_size=1)
    queue.put(1)
    assert queue.flush(5)
    queue.put(2)
    assert leave(queue)
    assert (queue.refused, exporter.taken) == (1, [2])


def test_what_comes_after_the_end_is_counted() -> None:
    """An item that is put into a closed queue is dropped and counted."""
    exporter = Recording()
    queue = queue_to(exporter)
    queue.put(1)
    assert leave(queue)
    queue.put(2)
    assert queue.undelivered == 1


def test_parked_for_a_fork_it_goes_on_afterwards_with_nothing_lost() -> None:
    """While parked there is no thread and no connection; the batch that failed before is delivered after."""
    exporter = Recording(lambda attempt: PASSING if attempt == 1 else ARRIVED)
    queue: BatchQueue[int] = BatchQueue("parked", ExporterFactory(lambda: exporter), BatchLimits(batch_size=2))
    for number in range(3):
        queue.put(number)
    while not exporter.attempts:
        time.sleep(0.005)
    queue.park()
    assert queue.wait_parked(5)
    assert exporter.closed
    queue.put(3)
    assert not any(thread.name == "codeanatomy-parked" for thread in threading.enumerate())
    queue.unpark()
    queue.resume()
    assert queue.flush(5)
    assert exporter.taken == [0, 1, 2, 3]


def test_a_flush_that_a_fork_interrupts_is_done_after_it() -> None:
    """Who waits for a flush is told when the items have left, not when the thread was parked."""
    exporter = Recording(lambda attempt: PASSING if attempt == 1 else ARRIVED)
    queue = queue_to(exporter)
    queue.put(1)
    waiter = queue.begin_flush()
    while not exporter.attempts:
        time.sleep(0.005)
    queue.park()
    assert queue.wait_parked(5)
    assert not waiter(0.05)
    queue.unpark()
    queue.resume()
    assert waiter(2)  # at once, not when the delay is over
    assert exporter.taken == [1]


def test_a_forked_child_begins_with_nothing_of_its_parents() -> None:
    """After `reset` the parent's items are gone, and counts begin at nought."""
    exporter = Recording(lambda _: FINAL)
    queue = queue_to(exporter, batch_size=1)
    queue.put(1)
    assert queue.flush(5)
    queue.park()
    assert queue.wait_parked(5)
    queue.put(2)
    queue.reset()
    assert queue.undelivered == 0
    exporter.answer = Recording().answer
    queue.put(3)
    assert leave(queue)
    assert exporter.taken == [3]


def test_a_loss_is_told_in_one_line_whatever_the_receiver_says(caplog: pytest.LogCaptureFixture) -> None:
    """Its words come into the program's log: no line break, no sign that a terminal obeys, and not without end."""
    caplog.set_level(logging.WARNING, "codeanatomy_distro.export")
    exporter = Recording(lambda _: FINAL._replace(reason="no\n\x1b[31m" + "!" * 5000))
    queue = queue_to(exporter)
    queue.put(1)
    assert leave(queue)
    (record,) = caplog.records
    assert "no  [31m!!!" in record.getMessage()
    assert len(record.getMessage()) < 500


class Raising(logging.Handler):
    """A handler that does not keep its faults to itself, as logging's own do."""

    def emit(self, record: logging.LogRecord) -> None:
        """Fail."""
        message = "the disk is full"
        raise OSError(message)


def test_a_handler_of_the_program_that_raises_does_not_end_the_export() -> None:
    """Neither the word about a failed attempt nor that about a loss costs what comes after it."""
    logger, handler = logging.getLogger("codeanatomy_distro.export"), Raising()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        exporter = Recording(lambda attempt: {1: PASSING, 2: FINAL}.get(attempt, ARRIVED))
        queue = queue_to(exporter)
        queue.put(1)
        assert queue.flush(5)
        queue.put(2)
        assert leave(queue)
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
    assert (queue.refused, exporter.taken) == (1, [2])


def test_losses_at_the_exit_are_left_to_the_last_line(caplog: pytest.LogCaptureFixture) -> None:
    """What is lost once the process leaves is counted, and not logged as well."""
    queue = queue_to(Recording(lambda _: FINAL))
    queue.put(1)
    queue.hush()
    leave(queue)
    queue.put(2)
    assert queue.undelivered == 2
    assert not [record for record in caplog.records if record.name == "codeanatomy_distro.export"]


def test_losses_are_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Two losses close together make one warning, with the count, the place and the reason."""
    queue = queue_to(Recording(lambda _: FINAL), batch_size=1)
    for number in range(3):
        queue.put(number)
        assert queue.flush(5)
    (message,) = [record.getMessage() for record in caplog.records if record.name == "codeanatomy_distro.export"]
    assert "nowhere" in message
    assert "refused" in message


@settings(max_examples=25, deadline=None)
@given(
    answers=st.lists(st.sampled_from([ARRIVED, FINAL, Outcome(arrived=True, rejected=1)]), max_size=20),
    batch_size=st.integers(1, 9),
    queue_size=st.integers(1, 40),
    burst_size=st.integers(0, 60),
    count=st.integers(0, 60),
)
def test_every_item_is_delivered_or_counted(
    answers: list[Outcome], batch_size: int, queue_size: int, burst_size: int, count: int
) -> None:
    """Whatever the sizes and the answers: what arrived and what is counted as lost make up what was put."""
    exporter = Recording(lambda attempt: [*answers, *[ARRIVED] * attempt][attempt - 1])
    queue = queue_to(exporter, batch_size=batch_size, queue_size=queue_size, burst_size=burst_size, delay=60)
    for number in range(count):
        queue.put(number)
    leave(queue)
    assert len(exporter.taken) + queue.undelivered == count
    assert len(set(exporter.taken)) == len(exporter.taken)
