"""The line on stderr with what could not be delivered, wherever stderr leads."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue
from codeanatomy_distro.otel.delivery import ExporterFactory
from codeanatomy_distro.otel.last_word import tell_losses

if TYPE_CHECKING:
    from collections.abc import Iterator

LINE = "codeanatomy-distro: not delivered: 1 spans to nowhere (ValueError: the door is shut)\n"


class Failing:
    """An exporter whose exports fail for good."""

    cancels = False

    def export(self, batch: list[Any], timeout: float, /) -> Any:
        """Raise."""
        message = "the door\nis shut"
        raise ValueError(message)

    def shutdown(self) -> None:
        """Do nothing."""


class WithoutFlush:
    """What a program may put in the place of stderr."""

    def write(self, text: str) -> None:
        """Take it."""


class Raising(WithoutFlush):
    """The same, with a fault."""

    def write(self, text: str) -> None:
        """Fail in a way of its own."""
        raise LookupError

    def flush(self) -> None:
        """Do nothing."""


@pytest.fixture
def lost() -> BatchQueue[int]:
    """Make a queue that has lost an item."""
    queue: BatchQueue[int] = BatchQueue("spans", ExporterFactory(Failing, "nowhere"), BatchLimits())
    queue.put(1)
    queue.flush(60)
    return queue


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Make a pipe; its reading end is the test's to close."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def test_a_line_tells_what_was_lost(lost: BatchQueue[int], capsys: pytest.CaptureFixture[str]) -> None:
    """Count, kind, place and cause are in it; where nothing was lost, there is none."""
    tell_losses([lost])
    assert capsys.readouterr().err == LINE
    tell_losses([])
    assert capsys.readouterr().err == ""


def test_parts_with_one_cause_are_told_together(lost: BatchQueue[int], capsys: pytest.CaptureFixture[str]) -> None:
    """A queue that was too small for another's back end is told apart."""
    small: BatchQueue[int] = BatchQueue("log records", ExporterFactory(Failing, "nowhere"), BatchLimits(queue_size=1))
    small.close(0)
    small.put(1)
    tell_losses([lost, small, lost])
    assert capsys.readouterr().err == (
        "codeanatomy-distro: not delivered: 1 spans, 1 spans to nowhere (ValueError: the door is shut); "
        "1 log records to nowhere (more than the queue holds)\n"
    )


def test_a_pipe_with_room_takes_the_line(
    lost: BatchQueue[int], pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads there later finds it."""
    with os.fdopen(pipe[1], "w", encoding="utf-8") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        tell_losses([lost])
    assert os.read(pipe[0], 1000).decode() == LINE


def test_a_full_pipe_that_nobody_reads_does_not_hold_the_process(
    lost: BatchQueue[int], pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line is left out: the process would wait for ever with it, which it would not have done without us."""
    os.set_blocking(pipe[1], False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe[1], b".")
    os.set_blocking(pipe[1], True)
    with os.fdopen(pipe[1], "w", encoding="utf-8") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        tell_losses([lost])
    assert set(os.read(pipe[0], 1_000_000)) == set(b".")


@pytest.mark.parametrize("stderr", [None, WithoutFlush(), Raising()], ids=["None", "WithoutFlush", "Raising"])
def test_a_stderr_of_the_programs_own_costs_nothing(
    lost: BatchQueue[int], stderr: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in the place of stderr, the process's end goes on."""
    monkeypatch.setattr(sys, "stderr", stderr)
    tell_losses([lost])
