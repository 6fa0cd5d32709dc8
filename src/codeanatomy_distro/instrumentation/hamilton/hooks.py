"""The two adapters that mark a driver as traced: `OtelPlanHook` its graph, `OtelNodeHook` its nodes.

The instrumentor adds both to every driver. A program without it may add them by hand to drivers of its choice; a driver
that has them both ways gets each span once. They hold no state of a run, so that one instance may serve any number.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from hamilton.lifecycle import base
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.instrumentation.hamilton.driver import adapter_sets
from codeanatomy_distro.instrumentation.hamilton.executions import current_execution
from codeanatomy_distro.instrumentation.hamilton.nodes import NodeInfo, describe_graph, describe_node
from codeanatomy_distro.instrumentation.hamilton.patches import HAMILTON_PATCHES
from codeanatomy_distro.instrumentation.hamilton.runs import RUNS, Run
from codeanatomy_distro.instrumentation.hamilton.scheduling import only_schedules
from codeanatomy_distro.instrumentation.hamilton.tracker import NO_RESULT
from codeanatomy_distro.instrumentation.hamilton.tracking import TRACKING
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.tracing import root_span_link

if TYPE_CHECKING:
    from hamilton.lifecycle.base import BasePostTaskReturn, BasePreTaskSubmission
else:  # not in every release that is supported: what is absent is not called

    class _Absent:
        pass

    BasePreTaskSubmission = getattr(base, "BasePreTaskSubmission", _Absent)
    BasePostTaskReturn = getattr(base, "BasePostTaskReturn", type("_AlsoAbsent", (), {}))

__all__ = ["OtelNodeHook", "OtelPlanHook"]


class _Hook(base.BasePreGraphExecute):
    """What both have in common: each sees a run begin, and the first to see it begins its telemetry."""

    def __init__(self, *, by_hand: bool = True) -> None:
        if by_hand:
            HAMILTON_PATCHES.acquire("hooks")

    def __reduce__(self) -> tuple[type[_Hook], tuple[()]]:
        """Pickle as a new hook made by hand, which patches the process that it comes to."""
        return type(self), ()

    def pre_graph_execute(
        self,
        *,
        run_id: str,
        graph: Any,  # noqa: ANN401
        final_vars: list[str],
        inputs: dict[str, Any] | None,
        overrides: dict[str, Any] | None,
    ) -> None:
        """Begin the telemetry of a run, unless the other hook has done so."""
        del overrides
        if run_id not in RUNS and is_instrumentation_enabled():
            try:
                _begin_run(run_id, graph, final_vars, inputs, [self, *graph.adapter.adapters])
            except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
                report_failure("the start of a Hamilton run", failure)


class OtelPlanHook(_Hook):
    """Gives each run of its driver a ``hamilton.graph`` span (specification, *Trace Topology*)."""


class OtelNodeHook(_Hook, BasePreTaskSubmission, BasePostTaskReturn):
    """Gives each node of its driver's runs a span (specification, *Trace Topology*)."""

    def pre_task_submission(self, *, run_id: str, task_id: str, **_: Any) -> None:  # noqa: ANN401
        """Keep when a task was submitted: of one that runs in another process nothing else is known here."""
        run = RUNS.get(run_id)
        if run is not None and (run.recording or run.tracked is not None):
            run.submitted[task_id] = time.perf_counter_ns(), datetime.now(timezone.utc)

    def post_task_return(
        self,
        *,
        run_id: str,
        task_id: str,
        nodes: list[Any],
        result: dict[str, Any] | None,
        error: BaseException | None,
        **_: Any,  # noqa: ANN401
    ) -> None:
        """Tell of a task that ran in another process from its submission to its return."""
        run = RUNS.get(run_id)
        submitted = None if run is None else run.submitted.pop(task_id, None)
        if run is None or submitted is None or not nodes:
            return
        try:
            began, began_at = submitted
            run.timings.append((_as_one(run, nodes), task_id, began, time.perf_counter_ns()))
            if run.tracked is not None:
                for node in nodes:
                    if not node.user_defined:
                        found = (result or {}).get(node.name, NO_RESULT)
                        run.tracked.end_node(node, task_id, began_at, error, found)
        except Exception as failure:  # noqa: BLE001
            report_failure("a task that ran elsewhere", failure)


def _begin_run(
    run_id: str,
    graph: Any,  # noqa: ANN401
    outputs: list[str],
    inputs: dict[str, Any] | None,
    hooks: list[Any],
) -> None:
    with_span = any(isinstance(hook, OtelPlanHook) for hook in hooks)
    execution = current_execution.get()
    if execution is not None and execution.run is None:
        run = execution.start_run(run_id, graph, outputs, with_span=with_span)
        run.set_ids = frozenset(map(id, (*adapter_sets(execution.driver), graph.adapter)))
        span = trace.get_current_span()
        run.tracked = TRACKING.start_run(execution.driver, graph, outputs, inputs, span, run.user_run_id)
    else:  # a driver with an execute of its own: nothing tells when it ends, so that its nodes alone can be told
        run = Run(run_id, trace.get_current_span(), context.get_current(), root_span_link())
        run.register()
        run.end()
        run.described = describe_graph(graph).nodes
    run.with_nodes = any(isinstance(hook, OtelNodeHook) for hook in hooks)
    run.traces_nodes = run.with_nodes and not only_schedules(graph.adapter)


def _as_one(run: Run, nodes: list[Any]) -> NodeInfo:
    """Return the node in which a task ends; the times of the others are in its time."""
    inside = {id(dependency) for node in nodes for dependency in node.dependencies}
    last = next((node for node in nodes if id(node) not in inside), nodes[-1])
    return describe_node(run.described, last)
