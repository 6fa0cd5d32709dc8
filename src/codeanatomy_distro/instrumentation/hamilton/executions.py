"""One call of a driver's execute: the spans ``pipeline.execute`` and ``hamilton.graph``, begun and ended around it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span

from codeanatomy_distro.instrumentation.hamilton.critical_path import critical_path_attributes
from codeanatomy_distro.instrumentation.hamilton.nodes import describe_graph
from codeanatomy_distro.instrumentation.hamilton.runs import Place, Run, current_place
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.attributes import normalize_attributes, to_text
from codeanatomy_distro.obs.constants import AttributeName, ScopeName, SpanName
from codeanatomy_distro.obs.errors import forget_error, record_error
from codeanatomy_distro.obs.run_context import get_run_id
from codeanatomy_distro.obs.scopes import get_tracer
from codeanatomy_distro.obs.tracing import root_span_link

if TYPE_CHECKING:
    from opentelemetry.context import Context

__all__ = ["MODULES", "NODE_COUNT", "Execution", "current_execution"]

NODE_COUNT: Final = "hamilton.graph.node_count"
"""Nodes of the whole graph, inputs included; a run may execute fewer."""

MODULES: Final = "hamilton.graph.modules"
"""Names of the modules that the graph's functions come from."""

_MOST_NAMES: Final = 128  # of outputs or modules on one span


class Execution:
    """The spans of one execution of `driver`, each made current when it starts; `end` undoes all of it."""

    def __init__(self, driver: Any) -> None:  # noqa: ANN401
        self.driver = driver
        self.run: Run | None = None
        self._pipeline: tuple[Span, Token[Context]] | None = None
        self._graph: tuple[Span | None, Token[Context], Token[Place | None]] | None = None
        self._began = 0
        self._token = current_execution.set(self)

    def start_pipeline(self, mode: str, outputs: Sequence[str], inputs: object) -> None:
        """Open the ``pipeline.execute`` span, unless the program has just opened one itself."""
        if getattr(trace.get_current_span(), "name", None) == SpanName.PIPELINE:
            return
        described: dict[str, object] = {
            AttributeName.EXECUTION_MODE: mode,
            AttributeName.OUTPUTS: tuple(outputs[:_MOST_NAMES]),
            AttributeName.RUN_ID: get_run_id(),
        }
        if isinstance(inputs, Mapping) and inputs.get("repo_root") is not None:  # pyright: ignore[reportUnknownMemberType]
            described[AttributeName.REPO_ROOT] = to_text(inputs["repo_root"])  # pyright: ignore[reportUnknownArgumentType]
        forget_error()
        span = get_tracer(ScopeName.PIPELINE).start_span(SpanName.PIPELINE, attributes=normalize_attributes(described))
        self._pipeline = span, context.attach(trace.set_span_in_context(span))

    def start_run(self, run_id: str, graph: Any, outputs: Sequence[str], *, with_span: bool) -> Run:  # noqa: ANN401
        """Make the run that Hamilton has just begun the current one, with its ``hamilton.graph`` span if asked for."""
        info = describe_graph(graph)
        span = None
        if with_span:
            described: dict[str, object] = {
                AttributeName.HAMILTON_RUN_ID: run_id,
                AttributeName.HAMILTON_EXECUTION_RUN_ID: run_id,
                AttributeName.RUN_ID: get_run_id(),
                AttributeName.OUTPUTS: tuple(outputs[:_MOST_NAMES]),
                NODE_COUNT: info.node_count,
                MODULES: info.modules[:_MOST_NAMES],
            }
            forget_error()
            tracer = get_tracer(ScopeName.EXECUTION)
            span = tracer.start_span(SpanName.HAMILTON_GRAPH, attributes=normalize_attributes(described))
        run = Run(run_id, span or trace.get_current_span(), context.get_current(), self._link())
        run.described = info.nodes
        run.register()
        self.run = run
        self._graph = span, context.attach(run.context), current_place.set((run, ()))
        self._began = time.perf_counter_ns()
        return run

    def _link(self) -> Link | None:
        """Return the link that asynchronous nodes bear: to the root span of the run, else to the pipeline's."""
        link = root_span_link()
        if link is None and self._pipeline is not None and self._pipeline[0].get_span_context().is_valid:
            link = Link(self._pipeline[0].get_span_context())
        return link

    def end(self, error: BaseException | None = None) -> None:
        """End the spans with the error that ended the execution, if one did, and give the context back."""
        is_here = True
        try:
            current_execution.reset(self._token)
        except ValueError:  # a coroutine that nobody awaits to its end is closed in a context that has nothing of it
            is_here = False
        try:
            if self._graph is not None:
                self._end_run(*self._graph, error, is_here=is_here)
        except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
            report_failure("the end of a graph's span", failure)
        try:
            if self._pipeline is not None:
                span, token = self._pipeline
                if error is not None:
                    record_error(span, error)
                if is_here:
                    context.detach(token)
                span.end()
        except Exception as failure:  # noqa: BLE001
            report_failure("the end of a pipeline's span", failure)

    def _end_run(
        self,
        span: Span | None,
        token: Token[Context],
        place: Token[Place | None],
        error: BaseException | None,
        *,
        is_here: bool,
    ) -> None:
        run = self.run
        if run is None:
            return
        if run.tracked is not None:
            run.tracked.end(error)
        try:
            if error is not None:
                run.recall(error)
            if span is not None and error is not None:
                record_error(span, error)
            if span is not None and span.is_recording():
                span.set_attributes(critical_path_attributes(run.timings, time.perf_counter_ns() - self._began))
        finally:
            if is_here:
                current_place.reset(place)
                context.detach(token)
            if span is not None:
                span.end()
            run.end()


current_execution: Final[ContextVar[Execution | None]] = ContextVar("codeanatomy_hamilton_execution", default=None)
"""The innermost execution that the current context is in."""
