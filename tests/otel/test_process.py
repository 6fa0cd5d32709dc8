"""A process's place in the run, as it takes it over from whoever began it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from codeanatomy_distro.obs.run_context import get_process_run_id, set_process_run_id
from codeanatomy_distro.obs.tracing import get_root_span_context, set_root_span_context
from codeanatomy_distro.obs.worker_context import Carrier
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.leaving import Leaving
from codeanatomy_distro.otel.process import _end, enter_run, enter_worker  # pyright: ignore[reportPrivateUsage]

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENT = f"00-{0x11:032x}-{0x22:016x}-01"
ROOT = f"00-{0x11:032x}-{0x33:016x}-01"


@pytest.fixture(autouse=True)
def nowhere() -> Iterator[None]:
    """Begin and end in no place at all."""
    token, run_id, root = context.attach(Context()), get_process_run_id(), get_root_span_context()
    set_process_run_id(None)
    set_root_span_context(None)
    yield
    set_root_span_context(None)
    set_process_run_id(run_id)
    set_root_span_context(root)
    context.detach(token)


def place() -> tuple[int, int, str | None]:
    """Return the current span, the root span and the run id of this process."""
    root = get_root_span_context()
    return trace.get_current_span().get_span_context().span_id, root.span_id if root else 0, get_process_run_id()


def enter(**variables: str) -> None:
    """Enter the run that the environment tells of."""
    enter_run(resolve_otel_config(variables), None)


def test_parent_root_and_run_id_come_from_the_environment() -> None:
    """`TRACEPARENT` is the parent, ours tell the root and the run."""
    enter(TRACEPARENT=PARENT, CODEANATOMY_OTEL_ROOT_CONTEXT=ROOT, CODEANATOMY_RUN_ID="run-1")
    assert place() == (0x22, 0x33, "run-1")


def test_without_a_parent_the_root_is_the_parent() -> None:
    """A process of a run that was started without a span goes below the root."""
    enter(CODEANATOMY_OTEL_ROOT_CONTEXT=ROOT)
    assert place() == (0x33, 0x33, None)


@pytest.mark.parametrize("text", ["", "nonsense", "00-0-0-00", f"00-{0:032x}-{0:016x}-01"])
def test_what_can_not_be_read_is_left_out(text: str) -> None:
    """A broken carrier leaves the process where it was."""
    enter(TRACEPARENT=text, CODEANATOMY_OTEL_ROOT_CONTEXT=text)
    assert place() == (0, 0, None)


def test_a_span_that_is_current_already_stays() -> None:
    """A program that sets telemetry up below a span of its own keeps that as the parent."""
    own = trace.set_span_in_context(trace.NonRecordingSpan(trace.SpanContext(1, 0x44, is_remote=False)))
    token = context.attach(own)
    enter(TRACEPARENT=PARENT, CODEANATOMY_OTEL_ROOT_CONTEXT=ROOT)
    assert place() == (0x44, 0x33, None)
    context.detach(token)


def test_a_worker_takes_the_place_it_is_given() -> None:
    """Parent, root and run id are those of the carrier; an empty one changes nothing."""
    enter_worker(Carrier())
    assert place() == (0, 0, None)
    enter_worker(Carrier(PARENT, "", ROOT, "run-2"))
    assert place() == (0x22, 0x33, "run-2")


def ended(leaving: Leaving) -> Any:
    """Return the span around a process that left so."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    _end(provider.get_tracer("test").start_span("process"), leaving)
    (span,) = memory.get_finished_spans()
    return span


def test_the_span_around_the_process_tells_how_it_ended() -> None:
    """An exception, a code and a signal each leave their mark; a plain end leaves the code 0 and no error."""
    plain, failed, exited, killed = Leaving(), Leaving(), Leaving(), Leaving()
    for leaving in (plain, failed, exited, killed):
        leaving.exact = True
    failed.told = ValueError("of the program")
    exited.system_exit(3)
    killed.signal = 15
    spans = [ended(leaving) for leaving in (plain, failed, exited, killed)]
    assert [span.attributes["process.exit.code"] for span in spans] == [0, 1, 3, 143]
    assert [span.attributes.get("error.type") for span in spans] == [None, "ValueError", "SystemExit", "SIGTERM"]
    assert [span.status.is_ok for span in spans] == [True, False, False, False]
    assert [event.name for event in spans[1].events] == ["exception"]


def test_the_watching_ends_though_a_span_processor_raises() -> None:
    """A processor of the program's own may raise at the end of the process's span; callbacks that stay would outlive
    what they need.
    """

    class Raising(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            raise ZeroDivisionError

    provider = TracerProvider()
    provider.add_span_processor(Raising())
    leaving, stopped = Leaving(), list[bool]()
    leaving.stop = lambda: stopped.append(True)
    with pytest.raises(ZeroDivisionError):
        _end(provider.get_tracer("test").start_span("process"), leaving)
    assert stopped == [True]
