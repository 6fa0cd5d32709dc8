"""Nodes under Dask's delayed: the span is open where the body runs, in a worker and long after the node's hooks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from codeanatomy_distro.instrumentation.hamilton.node_spans import call_traced
from codeanatomy_distro.instrumentation.hamilton.nodes import NodeInfo, describe_node, twin_node
from codeanatomy_distro.instrumentation.hamilton.runs import RUNS, Run, current_place
from codeanatomy_distro.instrumentation.hamilton.worker import work_for
from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["run_delayed", "trace_delayed_nodes"]


def trace_delayed_nodes(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``DaskGraphAdapter.execute_node`` that delays a traced body in the place of the node's own."""

    @functools.wraps(original)
    def execute_node(self: Any, node: Any, kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
        place = current_place.get()
        if place is not None and place[0].with_nodes and not place[0].traces_nodes:
            try:
                node = twin_node(node, _traced_body(place[0], node))
            except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
                report_failure("a delayed node", failure)
        return original(self, node, kwargs)

    return execute_node


def _traced_body(run: Run, node: Any) -> Callable[..., Any]:  # noqa: ANN401
    body: Callable[..., Any] = node.callable
    run_id, carried, facts = run.run_id, run.carry(), describe_node(run.described, node).facts()

    # Pickled by value, since it has no name that could be imported: it must hold nothing of ours, for a worker where we
    # are not installed runs the body all the same.
    @functools.wraps(body)
    def traced(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        try:
            # Not for start-up cost: the name must be looked up where the body runs.
            from codeanatomy_distro.instrumentation.hamilton.delayed_nodes import run_delayed as run_it
        except ImportError:
            return body(*args, **kwargs)
        return run_it(run_id, carried, facts, body, args, kwargs)

    return traced


def run_delayed(  # noqa: PLR0913, PLR0917
    run_id: str,
    carried: tuple[str, ...],
    facts: tuple[Any, ...],
    body: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # noqa: ANN401
    """Return ``body(*args, **kwargs)``, the body of the node that `facts` tell, with its span around it."""
    try:
        run = RUNS.get(run_id) or Run.adopt(run_id, carried)
        info = NodeInfo.from_facts(facts)
    except Exception as failure:  # noqa: BLE001
        report_failure("a delayed node", failure)
        return body(*args, **kwargs)
    return work_for(run, call_traced, run, info, None, body, args, kwargs)
