"""Spans of the domain: names, scopes, parents, and how a block ends."""

from __future__ import annotations

# Tests of our own parts look inside them.
# pyright: reportPrivateUsage=false
import asyncio
import logging
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags

from codeanatomy_distro.obs import tracing
from codeanatomy_distro.obs.run_context import get_stage, run_context
from codeanatomy_distro.obs.tracing import (
    active_span,
    get_root_span_context,
    pipeline_span,
    root_span,
    root_span_link,
    set_root_span_context,
    stage_span,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator


@pytest.fixture(autouse=True)
def no_root() -> Generator[None]:
    """Leave no root span behind."""
    yield
    assert get_root_span_context() is None
    assert not tracing._root_of_run


def span_context(number: int) -> SpanContext:
    return SpanContext(number, number, is_remote=False, trace_flags=TraceFlags(1))


def test_root_span_is_the_specifications(telemetry: Any) -> None:
    """It has the specification's name, scope and attributes, is current in its block, and not after it."""
    with root_span(product="graph", execution_mode="local", outputs=["a", "b"], attributes={"more": 1}) as span:
        assert trace.get_current_span() is span
    assert trace.get_current_span() is trace.INVALID_SPAN
    found = telemetry.span("graph_product.build")
    assert found.instrumentation_scope.name == "codeanatomy.pipeline"
    assert found.attributes["codeanatomy.product"] == "graph"
    assert found.attributes["codeanatomy.execution_mode"] == "local"
    assert found.attributes["codeanatomy.outputs"] == ("a", "b")
    assert found.attributes["more"] == 1
    assert found.attributes["codeanatomy.run_id"] == telemetry.run_id
    assert found.parent is None


def test_spans_nest(telemetry: Any) -> None:
    """Pipeline and stage are below the root, in one trace, and the stage in the scope that was asked for."""
    with root_span(), pipeline_span(repo_root="/r"), stage_span("extract", scope="codeanatomy.extract"):
        pass
    root, pipeline, stage = (telemetry.span(name) for name in ("graph_product.build", "pipeline.execute", "extract"))
    assert pipeline.parent.span_id == root.context.span_id
    assert stage.parent.span_id == pipeline.context.span_id
    assert stage.context.trace_id == root.context.trace_id
    assert pipeline.attributes["codeanatomy.repo_root"] == "/r"
    assert stage.instrumentation_scope.name == "codeanatomy.extract"
    assert stage.attributes["codeanatomy.stage"] == "extract"


def test_attributes_are_there_when_the_span_starts() -> None:
    """A sampler sees every attribute that the caller gives: they are passed at creation."""
    seen: list[Any] = []

    def tracer(scope: str) -> trace.Tracer:
        return Tracer()

    class Tracer(trace.NoOpTracer):
        def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
            seen.append(dict(kwargs["attributes"]))
            return super().start_span(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "get_tracer", tracer)
        with root_span(product="p"), pipeline_span(repo_root="r"), stage_span("s", attributes={"a": 1}):
            pass
    assert seen == [{"codeanatomy.product": "p"}, {"codeanatomy.repo_root": "r"}, {"codeanatomy.stage": "s", "a": 1}]


def test_stage_span_records_its_duration(telemetry: Any) -> None:
    """A stage gives one point of its duration with stage and status, whose exemplar is the stage's span."""
    with stage_span("work", stage="extract"):
        assert get_stage() == "extract"
    assert get_stage() is None
    (point,) = telemetry.metrics("codeanatomy.stage.duration")
    assert (point.attributes["stage"], point.attributes["status"]) == ("extract", "ok")
    assert point.data.count == 1
    assert point.data.exemplars[0].span_id == telemetry.span("work").context.span_id


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("x"), "error"), (SystemExit(1), "error"), (SystemExit(0), "ok"), (KeyboardInterrupt(), "error")],
)
def test_stage_status_follows_its_end(telemetry: Any, error: BaseException, status: str) -> None:
    """The metric, the error count under the stage, and the span agree on whether the stage failed."""
    with pytest.raises(type(error)), stage_span("extract"):
        raise error
    (point,) = telemetry.metrics("codeanatomy.stage.duration")
    assert point.attributes["status"] == status
    failed = telemetry.span("extract").status.status_code is StatusCode.ERROR
    assert failed is (status == "error")
    assert [p.attributes["stage"] for p in telemetry.metrics("codeanatomy.error.count")] == ["extract"] * failed


def test_a_closed_generator_did_not_fail(telemetry: Any) -> None:
    """A generator that is closed inside a stage ends its span and its duration without an error."""

    def rows() -> Generator[int]:
        with stage_span("rows"):
            yield 1
            yield 2

    generator = rows()
    next(generator)
    generator.close()
    assert telemetry.span("rows").status.status_code is StatusCode.UNSET
    assert telemetry.metrics("codeanatomy.stage.duration")[0].attributes["status"] == "ok"
    assert not telemetry.metrics("codeanatomy.error.count")


def test_an_abandoned_async_generator_ends_quietly(telemetry: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One that its event loop closes, in a context of its own, ends its spans: no error, no message, no leftover."""
    problems: list[Any] = []

    async def rows() -> AsyncGenerator[int]:
        with root_span("root"), stage_span("rows"):
            yield 1
            yield 2

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: problems.append(context))

        async def begin() -> AsyncGenerator[int]:
            generator = rows()
            await anext(generator)
            return generator

        generator = await asyncio.create_task(begin())
        with stage_span("meanwhile") as span:
            await generator.aclose()
            assert trace.get_current_span() is span
            assert get_stage() == "meanwhile"

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert not problems
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert {span.name for span in telemetry.spans()} == {"root", "rows", "meanwhile"}


def test_asyncio_tasks_have_parents_of_their_own(telemetry: Any) -> None:
    """Spans of tasks that run at once have the span as parent that was current where the task was made."""

    async def work(name: str) -> None:
        with active_span(name, scope="s"):
            await asyncio.sleep(0.001)
            with active_span(f"{name}.child", scope="s"):
                await asyncio.sleep(0)

    async def main() -> None:
        with active_span("main", scope="s"):
            await asyncio.gather(*(work(f"task{n}") for n in range(5)))

    asyncio.run(main())
    for number in range(5):
        task = telemetry.span(f"task{number}")
        assert task.parent.span_id == telemetry.span("main").context.span_id
        assert telemetry.span(f"task{number}.child").parent.span_id == task.context.span_id


def test_exception_is_the_very_same(telemetry: Any) -> None:
    """The error that leaves a block is the object that was raised, with its cause and its notes untouched."""
    cause, error = KeyError("cause"), ValueError("x")
    with pytest.raises(ValueError, match="x") as caught, root_span(), pipeline_span(), stage_span("s"):
        raise error from cause
    assert caught.value is error
    assert error.__cause__ is cause
    assert error.__context__ is None
    assert not hasattr(error, "__notes__")


def test_root_is_found_by_threads_without_context(telemetry: Any) -> None:
    """A thread that was given no context links to the root of the run, by the run id of its process."""
    found: list[Any] = []
    with root_span() as span:
        thread = threading.Thread(target=lambda: found.append(root_span_link()))
        thread.start()
        thread.join()
    assert found[0].context == span.get_span_context()
    assert root_span_link() is None


def test_roots_of_two_runs_are_kept_apart(telemetry: Any) -> None:
    """Two runs at once have their own roots, and each goes with its own span, whatever the order."""
    both = threading.Barrier(2, timeout=5)
    found: dict[str, tuple[Any, Any]] = {}

    def run(name: str) -> None:
        with run_context(name):
            with root_span(name) as span:
                both.wait()
                found[name] = (get_root_span_context(), span.get_span_context())
                both.wait()
            assert get_root_span_context() is None

    threads = [threading.Thread(target=run, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found["a"][0] == found["a"][1] != found["b"][0] == found["b"][1]


def test_nested_roots_come_back(telemetry: Any) -> None:
    """After an inner root span the outer one is the root again, in the context and for its run."""
    with root_span("outer") as outer:
        with root_span("inner") as inner:
            assert get_root_span_context() == inner.get_span_context()
        assert get_root_span_context() == outer.get_span_context()
        assert copy_context().run(get_root_span_context) == outer.get_span_context()


def test_a_run_entered_inside_leaves_no_root_behind(telemetry: Any) -> None:
    """A root span whose block enters a run of its own is forgotten all the same when it ends."""
    entered = run_context("inner")
    with root_span():
        entered.__enter__()
    assert get_root_span_context() is None
    entered.__exit__(None, None, None)
    assert get_root_span_context() is None


def test_a_later_root_in_another_thread_stays(telemetry: Any) -> None:
    """The root that a run got last stays its root when an earlier one, of another thread, ends."""
    second, done = threading.Event(), threading.Event()

    def later() -> None:
        with root_span("second"):
            second.set()
            done.wait(5)

    thread = threading.Thread(target=later)
    with root_span("first"):
        thread.start()
        second.wait(5)
    kept = get_root_span_context()
    done.set()
    thread.join()
    assert kept == telemetry.span("second").context


def test_remembered_roots_are_bounded() -> None:
    """Of thousands of runs that never forget their roots the last 256 are remembered."""
    for number in range(1, 2000):
        with run_context(str(number)):
            set_root_span_context(span_context(number))
    assert len(tracing._root_of_run) == 256
    assert list(tracing._root_of_run)[-1] == "1999"
    tracing._root_of_run.clear()
    set_root_span_context(None)


def test_an_invalid_root_is_no_link() -> None:
    """Without telemetry there is no root span and no link, and blocks run as they are."""

    def tracer(scope: str) -> trace.Tracer:
        return trace.NoOpTracer()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracing, "get_tracer", tracer)
        with root_span(), stage_span("s"):
            assert get_root_span_context() is None
            assert root_span_link() is None
