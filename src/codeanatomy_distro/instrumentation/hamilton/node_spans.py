"""The span of a node: open while Hamilton executes it, with every adapter's hooks inside.

It is made around Hamilton's own function and not by a pair of hooks: the second hook is not called in every case
(another adapter that raises), it does not learn of every end (an interrupt, a cancellation), and neither hook is called
where an asynchronous node's body runs.
"""

from __future__ import annotations

import functools
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind

from codeanatomy_distro.instrumentation.hamilton.nodes import NodeInfo, describe_node
from codeanatomy_distro.instrumentation.hamilton.results import IS_CHECK, tell_result
from codeanatomy_distro.instrumentation.hamilton.runs import RUNS, Run, current_place
from codeanatomy_distro.instrumentation.hamilton.tracking import TrackedNode
from codeanatomy_distro.instrumentation.hamilton.worker import adopt_carried_run, work_for
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.errors import forget_error, is_failure, record_error
from codeanatomy_distro.obs.metrics import record_stage_duration
from codeanatomy_distro.obs.run_context import stage_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Link

__all__ = ["NodeSpan", "NodeTime", "begin_node", "call_traced", "end_with_error", "trace_nodes"]

_ADAPTERS = "__adapter"
_NODE = "__node_"
_RUN_ID = "__run_id"
_TASK_ID = "__task_id"
_EXECUTE = "do_node_execute"  # the method by which an adapter, such as the cache, executes nodes itself

# Looked up once: a graph may have thousands of nodes that take microseconds each.
_attach = context.attach
_detach = context.detach
_get_current = context.get_current
_now = time.perf_counter_ns
_set_span = trace.set_span_in_context


class NodeSpan:
    """The span of one execution of a node, begun in the current context; `end` it exactly once."""

    __slots__ = ("_began", "_context", "_info", "_run", "_stage", "_task_id", "_token", "span")

    def __init__(self, run: Run, links: tuple[Link, ...], info: NodeInfo, task_id: str | None) -> None:
        attributes = {**info.attributes, **run.attributes}
        if task_id is not None and not info.has_task_id:
            attributes[AttributeName.TASK_ID] = task_id
        forget_error()
        self._run = run
        self._info = info
        self._task_id = task_id
        tracer = run.tracers.get(info.scope) or run.tracer(info.scope)
        here = _get_current()  # given to both, which would each look it up several times
        self.span = tracer.start_span(info.span_name, here, SpanKind.INTERNAL, attributes, links)
        self._context = _set_span(self.span, here)
        self._token = _attach(self._context)
        self._stage = None if info.stage is None else stage_context(info.stage)
        if self._stage is not None:
            self._stage.__enter__()
        self._began = _now()

    def end(self, error: BaseException | None = None, result: object = None) -> None:
        """End the span with the error that ended the node, if one did, and record a task's or stage's duration."""
        ended = _now()
        del result
        run, info = self._run, self._info
        try:
            if error is not None:
                _tell_error(run, info, self.span, error)
            run.timings.append((info, self._task_id, self._began, ended))
            if info.timed:
                _record_duration(run, info, (ended - self._began) / 1e9, error, self._context)
        except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
            report_failure("the end of a node's span", failure)
        finally:
            # A coroutine that nobody awaits to its end is closed in another context, where none of this is current.
            if error is None or not isinstance(error, GeneratorExit) or _get_current() is self._context:
                _detach(self._token)
            if self._stage is not None:
                _leave(self._stage)
            self.span.end()


class NodeTime:
    """One execution of a node in a run that is not sampled: a task's or stage's duration and any error still count."""

    __slots__ = ("_began", "_info", "_run", "_stage")

    span = trace.INVALID_SPAN

    def __init__(self, run: Run, info: NodeInfo) -> None:
        self._run = run
        self._info = info
        self._stage = None if info.stage is None else stage_context(info.stage)
        if self._stage is not None:
            self._stage.__enter__()
        self._began = _now()

    def end(self, error: BaseException | None = None, result: object = None) -> None:
        """Record the duration, and count the error that ended the node, if one did."""
        del result
        run, info = self._run, self._info
        seconds = (_now() - self._began) / 1e9
        try:
            if error is not None:
                _tell_error(run, info, self.span, error)
            if info.timed:
                _record_duration(run, info, seconds, error, None)
        except Exception as failure:  # noqa: BLE001
            report_failure("the duration of a task", failure)
        finally:
            if self._stage is not None:
                _leave(self._stage)


def _leave(stage: AbstractContextManager[None]) -> None:
    with suppress(ValueError):  # closed in another context; see NodeSpan.end
        stage.__exit__(None, None, None)


def _tell_error(run: Run, info: NodeInfo, span: trace.Span, error: BaseException) -> None:
    record_error(span, error, stage=run.stage if info.stage is None else info.stage)
    run.tell(error)


def _record_duration(
    run: Run, info: NodeInfo, seconds: float, error: BaseException | None, place: context.Context | None
) -> None:
    status = "error" if error is not None and is_failure(error) else "ok"
    if info.task_kind is not None:
        run.record_task(seconds, info.task_kind, status, place)
    else:
        record_stage_duration(seconds, stage=info.stage or info.name, status=status)


NodeExecution = NodeSpan | NodeTime | TrackedNode
"""One execution of a node that is being told; all have `span` and ``end(error, result)``."""


def begin_node(run: Run, links: tuple[Link, ...], node: Any, task_id: str | None) -> NodeExecution | None:  # noqa: ANN401
    """Begin to tell one execution of `node`, or of what is known of one; None if there is nothing to tell."""
    begun: NodeSpan | NodeTime | None = None
    try:
        info = run.described.get(id(node))
        if info is None or info.node is not node:
            info = node if isinstance(node, NodeInfo) else describe_node(run.described, node)
        if run.recording:
            begun = NodeSpan(run, links, info, task_id)
        else:
            forget_error()
            if info.timed or info.stage is not None or run.tracked is not None:
                begun = NodeTime(run, info)
        if run.tracked is not None:
            return TrackedNode(run.tracked, info.node, task_id, begun)
    except Exception as failure:  # noqa: BLE001
        report_failure("the start of a node's span", failure)
    return begun


def end_with_error(begun: NodeExecution | None, run: Run, node: Any, error: BaseException) -> None:  # noqa: ANN401
    """End what `begin_node` returned for `node` with the error that ended the node; where that is nothing, count it.

    In a run that is not sampled nobody else can: not in another process, and not under the stage that the node is in.
    """
    if begun is not None:
        begun.end(error)
    elif not run.recording:  # else the node's span could not begin, and the graph's tells the error
        try:
            info = node if isinstance(node, NodeInfo) else describe_node(run.described, node)
            _tell_error(run, info, trace.INVALID_SPAN, error)
        except Exception as failure:  # noqa: BLE001
            report_failure("the count of an error", failure)


def call_traced(  # noqa: PLR0913, PLR0917
    run: Run,
    node: Any,  # noqa: ANN401
    task_id: str | None,
    body: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # noqa: ANN401
    """Return ``body(*args, **kwargs)``, the body of an asynchronous node, with the node's span around it."""
    begun = begin_node(run, run.links, node, task_id)
    try:
        result = body(*args, **kwargs)
    except BaseException as error:
        end_with_error(begun, run, node, error)
        raise
    if begun is not None:
        begun.end(None, result)
    return result


def trace_nodes(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return Hamilton's function that executes a node with its lifecycle, with the node's span around it.

    A plain function: process pools and Ray pickle it by its name.
    """

    @functools.wraps(original)
    def execute_lifecycle_for_node(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        run = RUNS.get(kwargs[_RUN_ID])
        if run is None:
            run = adopt_carried_run(kwargs[_RUN_ID], kwargs[_ADAPTERS])
        if run is None or not run.traces_nodes:
            return original(*args, **kwargs)
        place = current_place.get()
        if place is None or place[0] is not run:
            # Bound first: a node's own arguments may have any name.
            return work_for(run, functools.partial(execute_lifecycle_for_node, *args, **kwargs))
        node = kwargs[_NODE]
        begun = begin_node(run, place[1], node, kwargs[_TASK_ID])
        try:
            result = original(*args, **kwargs)
        except BaseException as error:
            end_with_error(begun, run, node, error)
            raise
        if begun is None:
            return result
        if _EXECUTE in kwargs[_ADAPTERS].sync_methods or IS_CHECK in node.tags:
            tell_result(begun.span, node, kwargs[_ADAPTERS], run.run_id, kwargs[_TASK_ID], result)
        begun.end(None, result)
        return result

    return execute_lifecycle_for_node
