"""Nodes of an asynchronous driver: the span is open in the node's own task, while its body runs.

What Hamilton executes for such a node is the making of a task; the arguments are awaited in that task, then the body.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

from codeanatomy_distro.instrumentation.hamilton.node_spans import begin_node, call_traced, end_with_error
from codeanatomy_distro.instrumentation.hamilton.nodes import twin_node
from codeanatomy_distro.instrumentation.hamilton.runs import RUNS, Run
from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["trace_async_nodes"]


def trace_async_nodes(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``AsyncGraphAdapter.do_node_execute`` that gives its task a node whose body is traced."""

    @functools.wraps(original)
    def do_node_execute(self: Any, *, run_id: str, node_: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        run = RUNS.get(run_id)
        if run is not None and run.with_nodes:
            try:
                node_ = twin_node(node_, _traced_body(run, node_, kwargs.get("task_id")))
            except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
                report_failure("an asynchronous node", failure)
        return original(self, run_id=run_id, node_=node_, **kwargs)

    return do_node_execute


def _traced_body(run: Run, node: Any, task_id: str | None) -> Callable[..., Any]:  # noqa: ANN401
    body: Callable[..., Any] = node.callable
    if not _is_coroutine_function(body):

        @functools.wraps(body)
        def traced(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            return call_traced(run, node, task_id, body, args, kwargs)

        return traced

    @functools.wraps(body)
    async def traced_async(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        begun = begin_node(run, run.links, node, task_id)
        try:
            result = await body(*args, **kwargs)
        except BaseException as error:
            end_with_error(begun, run, node, error)
            raise
        if begun is not None:
            begun.end(None, result)
        return result

    return traced_async


def _is_coroutine_function(body: Any) -> bool:  # noqa: ANN401
    """Whether asyncio takes `body` for a coroutine function; its own question is deprecated from Python 3.14."""
    marker = getattr(sys.modules.get("asyncio.coroutines"), "_is_coroutine", None)
    return inspect.iscoroutinefunction(body) or (marker is not None and getattr(body, "_is_coroutine", None) is marker)
