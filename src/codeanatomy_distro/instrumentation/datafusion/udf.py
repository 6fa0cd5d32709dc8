"""Python functions of the user's, called by the engine: what they do belongs to the query that runs them.

The engine calls them on threads of its own, where no context is. Each is wrapped when it is defined, and finds the
query by what runs. An error of a function reaches the user as the engine's text of its traceback, so no frame of ours
may stand between the engine and the function: the wrappers' hooks are attribute look-ups, which are over when the
function is called, and what stands between is in C.
"""

from __future__ import annotations

import functools
import operator
import re
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span

from codeanatomy_distro.instrumentation.datafusion.running import Running, functions, running
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.constants import SpanName
from codeanatomy_distro.obs.run_context import set_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Factory", "FunctionContext", "ScalarFunction", "keeping_context"]

_NAME: Final = "datafusion.udf.name"
_CALLS: Final = {
    "update", "merge", "retract_batch", "state", "evaluate", "evaluate_all", "evaluate_all_with_rank", "memoize",
    "get_range",
}  # fmt: skip
"""Methods of accumulators and window evaluators that the engine calls while a query runs."""
_NEVER: Final = object()


class _Ending:
    """Ends its span when the call that holds it is over, however it went."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def __del__(self) -> None:
        self._span.end()


class FunctionContext:
    """Finds the query that runs a function of the user's, and calls in that query's context."""

    __slots__ = ("_name", "_options")

    def __init__(self, name: str, options: Options) -> None:
        self._name = name
        self._options = options

    def inside(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what calls `function` in the context of the query that runs it; `function` itself where that is so."""
        try:
            if not running or trace.get_current_span().get_span_context().is_valid:
                return function
            found = self._queries()
            if len(found) == 1:
                return self._in_context(function, found[0].context, found[0].run_id)
            links = [Link(above) for each in found if (above := _span_context(each)).is_valid]
            return self._linked(function, links) if links else function
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the context of a UDF", ours)
            return function

    def _queries(self) -> list[Running]:
        under_way = list(running.values())
        if len(under_way) > 1:
            # Old releases' plans name a view where later ones have what it is made of: then any may be the one.
            return [each for each in under_way if each.calls(self._name)] or under_way
        return under_way

    def _in_context(
        self, function: Callable[..., Any], queries: context.Context, run_id: str | None
    ) -> functools.partial[Any]:
        own = copy_context()
        own.run(context.attach, queries)
        if run_id is not None:
            own.run(set_run_id, run_id)
        return functools.partial(own.run, function)

    def _linked(self, function: Callable[..., Any], links: list[Link]) -> functools.partial[Any]:
        # Several queries run it: a parent would be a guess, so it gets none, and a link to each.
        span = self._options.spans.refresh().start_span(
            SpanName.DATAFUSION_UDF, context.Context(), attributes={_NAME: self._name}, links=links
        )
        call = self._in_context(function, trace.set_span_in_context(span, context.Context()), None)
        call.ending = _Ending(span)  # pyright: ignore[reportAttributeAccessIssue] - a partial takes attributes
        return call


def _span_context(each: Running) -> trace.SpanContext:
    return trace.get_current_span(each.context).get_span_context()


class _Wrapped:
    """A function that passes for the one it wraps: it is equal to it, is described like it, and pickles as it."""

    def __init__(self, function: Callable[..., Any], found: FunctionContext) -> None:
        for name in functools.WRAPPER_ASSIGNMENTS:
            if hasattr(function, name):
                setattr(self, name, getattr(function, name))
        self._function = function
        self._found = found

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.getitem, ((self._function,), 0)  # whoever reads it needs nothing of ours

    def __eq__(self, other: object) -> bool:
        return self._function == (other._function if isinstance(other, _Wrapped) else other)

    def __hash__(self) -> int:
        return hash(self._function)

    def __repr__(self) -> str:
        return repr(self._function)


class ScalarFunction(_Wrapped):
    """A scalar function."""

    @property
    def __call__(self) -> Callable[..., Any]:
        """Return what the call calls."""
        return self._found.inside(self._function)


class Factory(_Wrapped):
    """A factory of accumulators or window evaluators."""

    @property
    def __call__(self) -> Callable[..., Any]:
        """Return what the call calls: the factory, and then what lets its product's methods find their query."""
        return functools.partial(next, map(self._wrap, iter(self._found.inside(self._function), _NEVER)))

    def _wrap(self, made: object) -> _Product:
        return _Product(made, self._found)


class _Product:
    """An accumulator or evaluator whose methods find the query that calls them."""

    __slots__ = ("_found", "_made")

    def __init__(self, made: object, found: FunctionContext) -> None:
        self._made = made
        self._found = found

    def __getattr__(self, name: str) -> Raw:
        value = getattr(self._made, name)
        return self._found.inside(value) if name in _CALLS else value


def keeping_context(options: Options, wrapper: type[_Wrapped]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the patch of the constructor of a class of functions: ``__init__(self, name, function, …)``."""

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def init(self: Raw, *args: Raw, **kwargs: Raw) -> None:
            try:
                args, kwargs = _wrapped_arguments(options, wrapper, args, kwargs)
            except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
                report_failure("the definition of a UDF", ours)
            original(self, *args, **kwargs)

        return init

    return patch


def _wrapped_arguments(
    options: Options, wrapper: type[_Wrapped], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    by_name = next((name for name in ("func", "accumulator") if name in kwargs), None)
    function = args[1] if len(args) > 1 else kwargs[by_name] if by_name is not None else None
    name = args[0] if args else kwargs.get("name")
    if function is None or not callable(function) or _is_foreign(function):
        return args, kwargs
    found = FunctionContext(str(name), options)
    functions.any_wrapped = True
    if options.plan_mask is not None:
        options.plan_mask.add_function(str(name))
    wrapped = wrapper(function, found)
    if len(args) > 1:
        return (args[0], wrapped, *args[2:]), kwargs
    return args, {**kwargs, str(by_name): wrapped}


_CAPSULE: Final = re.compile(r"__datafusion_\w+__")


def _is_foreign(function: object) -> bool:
    """Tell whether it is a compiled function of another library, which the engine takes apart."""
    return type(function).__name__ == "PyCapsule" or any(_CAPSULE.fullmatch(name) for name in dir(function))
