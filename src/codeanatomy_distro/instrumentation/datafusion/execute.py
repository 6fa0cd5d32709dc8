"""`datafusion.execute`: one span an execution, by whatever method the user asked for it."""

from __future__ import annotations

from functools import partial
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import detach

from codeanatomy_distro.instrumentation.datafusion.calls import QUERY, call_under_way, keep_query, take_call
from codeanatomy_distro.instrumentation.datafusion.finished import tell_figures
from codeanatomy_distro.instrumentation.datafusion.measurements import record_duration
from codeanatomy_distro.instrumentation.datafusion.namespaces import namespace_of_frame
from codeanatomy_distro.instrumentation.datafusion.operation import Operation
from codeanatomy_distro.instrumentation.datafusion.outputs import record_inserted
from codeanatomy_distro.instrumentation.datafusion.plan_text import read_plan
from codeanatomy_distro.instrumentation.datafusion.query import Query, query_of_plan
from codeanatomy_distro.instrumentation.datafusion.running import Running, functions, running
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Execute", "Executor", "query_and_method"]

_in_flight: Final[dict[int, object]] = {}
"""DataFrames of the engine that are executing and will keep the plan of just one execution, by identity."""


def query_and_method(frame: Raw, method: str) -> tuple[Query, str]:
    """Return the query that `frame` is about to run and the user's method, and take the user's call."""
    call = take_call()
    if call is None:
        return _planned_query(frame, None), method
    return call[1].__dict__.get(QUERY) or _planned_query(frame, call[1]), call[0]


def _planned_query(frame: Raw, owner: Raw) -> Query:
    namespace = None if owner is None else namespace_of_frame(owner)
    query = query_of_plan(read_plan(frame.logical_plan()), "dataframe", namespace)
    keep_query(owner, query)
    return query


class Execute(Operation):
    """One execution, from the call to its result; one that writes (COPY, INSERT) is a `datafusion.write`."""

    __slots__ = ("keeps_plan", "query")

    def __init__(
        self,
        options: Options,
        method: str,
        keeps_plan: bool,  # noqa: FBT001
        frame: Raw,
        _args: tuple[Any, ...],
        _kwargs: dict[str, Any],
        current: Context,
    ) -> None:
        call = call_under_way.get()
        if call is None:
            query = _planned_query(frame, None)
        else:
            call_under_way.set(None)
            method = call[0]
            query = call[1].__dict__.get(QUERY) or _planned_query(frame, call[1])
        self.query = query
        attributes = query.by_method.get(method) or query.attributes_of(method)
        Operation.__init__(self, query.span_name, options, attributes, frame, current)
        self.keeps_plan = keeps_plan
        if keeps_plan and _in_flight.setdefault(id(frame), self) is not self:
            self._use_own_frame(frame)
        if functions.any_wrapped:
            running[id(self)] = Running(self.context, frame, get_run_id())

    def _use_own_frame(self, frame: Raw) -> None:
        # Another thread is executing this very object, which keeps but one plan: its own, or ours.
        self.keeps_plan = False
        try:
            self.owner = frame.with_columns([])
        except BaseException:
            self.close()
            raise
        self.keeps_plan = True
        _in_flight[id(self.owner)] = self

    def finish(self, result: Raw) -> Raw:
        """Record the duration, and the engine's figures where the plan of this very run is kept; end the span."""
        seconds = (perf_counter_ns() - self.begun) / 1e9
        try:
            query = self.query
            record_duration((query, seconds, query.destination, None, self.context, get_run_id(), self.options))
            if query.inserts:
                record_inserted(self.options, query, self.owner, result)
            if self.keeps_plan and self.attached is not None and self.span.is_recording():
                self.ended = time_ns()
                tell_figures(self, query, self.owner.execution_plan(), result)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the end of an execution", ours)
        finally:
            try:
                self.close()
            except Exception as ours:  # noqa: BLE001 - a span processor's failure, which the SDK lets through
                report_failure("the end of a span", ours)
        return result

    def told_error(self, kind: str, seconds: float) -> None:
        """Record the duration of a failure; a plan that is kept may be that of a run before."""
        query = self.query
        record_duration((query, seconds, query.destination, kind, self.context, get_run_id(), self.options))

    def leave(self) -> None:
        """Put the context back; another thread may have the frame."""
        if self.keeps_plan:
            _in_flight.pop(id(self.owner), None)
        if running:
            running.pop(id(self), None)
        Operation.leave(self)

    def close(self) -> None:
        """Leave, and end the span."""
        if self.keeps_plan:
            _in_flight.pop(id(self.owner), None)
        if running:
            running.pop(id(self), None)
        if self.attached is not None:
            detach(self.attached)
            self.span.end(self.ended)


class Executor:
    """Opens the spans of executions."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def method(self, name: str, *, keeps_plan: bool) -> Callable[..., Execute]:
        """Return what begins the method `name`; `keeps_plan` when the frame keeps the plan that it executed."""
        return partial(Execute, self.options, name, keeps_plan and self.options.reads_figures)

    def explain(self, frame: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Execute | None:
        """Begin ``explain(verbose, analyze, …)``, which executes when it analyses."""
        if kwargs.get("analyze", args[1] if len(args) > 1 else False):
            return Execute(self.options, "explain", False, frame, args, kwargs, current)  # noqa: FBT003 - keeps no plan
        return None
