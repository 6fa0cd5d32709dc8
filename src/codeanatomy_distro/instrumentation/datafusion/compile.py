"""`datafusion.plan.compile`: SQL, tables, files and plans made into a DataFrame, and what a statement runs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import detach

from codeanatomy_distro.instrumentation.datafusion.calls import Call, call_under_way, take_call
from codeanatomy_distro.instrumentation.datafusion.datasets import remember_location
from codeanatomy_distro.instrumentation.datafusion.measurements import record_duration
from codeanatomy_distro.instrumentation.datafusion.namespaces import (
    DOUBLE_QUOTES,
    NAMESPACE,
    forget_namespace,
    namespace_of,
)
from codeanatomy_distro.instrumentation.datafusion.operation import Operation
from codeanatomy_distro.instrumentation.datafusion.outputs import record_made
from codeanatomy_distro.instrumentation.datafusion.plan_text import read_plan
from codeanatomy_distro.instrumentation.datafusion.query import Query, query_of_plan
from codeanatomy_distro.instrumentation.datafusion.running import Running, running
from codeanatomy_distro.instrumentation.datafusion.sql import read_name
from codeanatomy_distro.instrumentation.datafusion.views import WriteView
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.constants import SpanName
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Compile", "Compiler", "CreateTable"]


class CreateTable(Operation):
    """The execution inside CREATE TABLE AS, which the engine runs while it makes the plan."""

    __slots__ = ("query",)

    def __init__(self, options: Options, query: Query, method: str, current: Context) -> None:
        super().__init__(SpanName.DATAFUSION_EXECUTE, options, query.attributes_of(method), None, current)
        self.query = query
        running[id(self)] = Running(self.context, None, get_run_id())

    def told_result(self, result: Raw, seconds: float) -> Raw:
        """Record the duration; the table has no result of its own."""
        record_duration((self.query, seconds, None, None, self.context, get_run_id(), self.options))
        return result

    def told_error(self, kind: str, seconds: float) -> None:
        """Record the duration as one that failed by `kind`."""
        record_duration((self.query, seconds, None, kind, self.context, get_run_id(), self.options))

    def close(self) -> None:
        """End the span; functions that the engine calls belong to it no more."""
        running.pop(id(self), None)
        super().close()


class Compile(Operation):
    """One plan being made; a statement that does its work at once has the span of that work inside."""

    __slots__ = ("call", "query", "work")

    def __init__(  # noqa: PLR0913, PLR0917 - the path of every query: names given would cost more
        self, options: Options, query: Query, method: str, call: Call | None, owner: Raw, current: Context
    ) -> None:
        attributes = query.by_method.get(method) or query.attributes_of(method)
        Operation.__init__(self, SpanName.DATAFUSION_COMPILE, options, attributes, owner, current)
        self.call = call
        self.query = query
        self.work: Operation | None = None
        if query.makes_table or query.makes_view:
            self._open_work(method)

    def _open_work(self, method: str) -> None:
        work = CreateTable if self.query.makes_table else WriteView
        try:
            self.work = work(self.options, self.query, method, self.context)
        except BaseException:
            self.close()
            raise

    def finish(self, result: Raw) -> Raw:
        """Tell the work inside that it is done, let the DataFrame keep its query, and end the span."""
        try:
            query = self.query
            if self.call is not None:
                self.call[2] = _prepared(query, result) if query.is_prepared else query
            if self.work is not None:
                self.work.finish(None)
                if query.target is not None and query.reference is not None:
                    record_made(self.options, self.owner, query.target, query.reference)
            if query.registers:
                remember_location(*query.registers)
            if query.is_setting and self.call is not None:
                forget_namespace(self.call[1])
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the end of a compilation", ours)
        finally:
            try:
                if self.attached is not None:
                    detach(self.attached)
                    self.span.end()
            except Exception as ours:  # noqa: BLE001 - a span processor's failure, which the SDK lets through
                report_failure("the end of a span", ours)
        return result

    def fail(self, error: BaseException) -> None:
        """Tell the error to the work inside first."""
        if self.work is not None:
            self.work.fail(error)
        super().fail(error)


def _prepared(query: Query, frame: Raw) -> Query:
    """Return the query that an EXECUTE runs, as its plan tells it, and as the EXECUTE is written."""
    told = [query.attributes.get(name) for name in ("db.namespace", "db.query.text")]
    namespace, text = (value if isinstance(value, str) else None for value in told)
    return query_of_plan(read_plan(frame.logical_plan()), query.plan_kind, namespace, text)


def _namespace_under_way() -> str | None:
    call = call_under_way.get()
    return None if call is None else namespace_of(call[1])


class Compiler:
    """Opens the compile spans of the engine's methods, one function a shape of arguments."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Compile:
        """Begin ``sql_with_options(query, options, param_values, param_strings)``."""
        text = args[0] if args else kwargs["query"]
        if not isinstance(text, str):
            text = ""  # the engine refuses it
        values = kwargs.get("param_values") or (args[2:3] and args[2])
        call = call_under_way.get()
        namespace, double_quotes = None, False
        if call is not None:
            call_under_way.set(None)
            kept = call[1].__dict__
            namespace = kept.get(NAMESPACE) or namespace_of(call[1])
            double_quotes = DOUBLE_QUOTES in kept
        reader = self.options.reader
        query = reader.kept.get((text, bool(values), namespace, double_quotes))
        if query is None:
            query = reader.read(text, parameterised=bool(values), namespace=namespace, double_quotes=double_quotes)
        return Compile(self.options, query, "sql" if call is None else call[0], call, owner, current)

    def table(self, owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Compile:
        """Begin ``table(name)``."""
        name = read_name(str(args[0] if args else kwargs["name"]))
        query = Query("dataframe", "SELECT", () if name is None else (name,), namespace=_namespace_under_way())
        return self._begin(query, "table", owner, current)

    def plan(self, method: str, *, runs: bool) -> Callable[..., Compile]:
        """Return what begins `method`, whose first argument is a logical plan; `runs` if it does a statement's work."""

        def begin(owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Compile:
            plan = args[0] if args else kwargs["plan"]
            query = query_of_plan(read_plan(plan), "logical_plan", _namespace_under_way())
            if not runs:
                query.makes_table = query.makes_view = False
            return self._begin(query, method, owner, current)

        return begin

    def serialized(self, method: str, plan_kind: str) -> Callable[..., Compile]:
        """Return what begins the static `method` that reads or makes a serialized plan, of SQL or in a context."""
        by_plan = Query(plan_kind, None)

        def begin(owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Compile:
            text = owner if isinstance(owner, str) else kwargs.get("sql")
            query = by_plan if text is None else self.options.reader.read(text, parameterised=False)
            del args
            return self._begin(query, method, owner, current, keeps=False)

        return begin

    def named(self, method: str) -> Callable[..., Compile]:
        """Return what begins a method whose arguments tell nothing that telemetry may carry, such as ``read_csv``."""
        query = Query("dataframe", None)

        def begin(owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Compile:
            del args, kwargs
            return self._begin(query, method, owner, current, keeps=False)

        return begin

    def _begin(self, query: Query, method: str, owner: Raw, current: Context, *, keeps: bool = True) -> Compile:
        call = take_call()
        kept = call if keeps else None
        return Compile(self.options, query, method if call is None else call[0], kept, owner, current)
