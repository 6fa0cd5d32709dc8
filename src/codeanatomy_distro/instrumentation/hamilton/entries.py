"""The ways into a driver's execution, each with the execution's spans around it.

Plain functions in the place of the methods: a program may pickle ``driver.execute`` to run it in a pool.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from codeanatomy_distro.instrumentation.hamilton.driver import Automatic, ensure
from codeanatomy_distro.instrumentation.hamilton.executions import Execution, current_execution
from codeanatomy_distro.instrumentation.patching import report_failure

__all__ = ["execution_mode", "output_names", "trace_async_execute", "trace_execute", "with_ensure"]

_INPUTS: Final = 3  # the place of the inputs among the arguments of execute and raw_execute

_MODES: Final = {
    "AsyncGraphAdapter": "async",
    "DaskExecutor": "dask",
    "DaskGraphAdapter": "dask",
    "FutureAdapter": "threads",
    "MultiProcessingExecutor": "processes",
    "MultiThreadingExecutor": "threads",
    "RayGraphAdapter": "ray",
    "RayTaskExecutor": "ray",
    "SynchronousLocalTaskExecutor": "local",
}


def with_ensure(original: Callable[..., None]) -> Callable[..., None]:
    """Return ``Driver.__init__`` that also puts our adapters into the new driver."""

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, N807
        original(self, *args, **kwargs)
        ensure(self)

    return __init__


def trace_execute(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a driver's method that executes, with the execution's spans around it."""

    @functools.wraps(original)
    def execute(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        execution = _begin(self, original.__name__, args, kwargs)
        if execution is None:
            return original(self, *args, **kwargs)
        try:
            result = original(self, *args, **kwargs)
        except BaseException as error:
            execution.end(error)
            raise
        execution.end()
        return result

    return execute


def trace_async_execute(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return an asynchronous driver's method that executes, with the execution's spans around it."""

    @functools.wraps(original)
    async def execute(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        execution = _begin(self, original.__name__, args, kwargs)
        if execution is None:
            return await original(self, *args, **kwargs)
        try:
            result = await original(self, *args, **kwargs)
        except BaseException as error:
            execution.end(error)
            raise
        execution.end()
        return result

    return execute


def _begin(driver: Any, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution | None:  # noqa: ANN401
    outer = current_execution.get()
    if outer is not None and outer.driver is driver and outer.run is None:
        return None  # the driver's own execute calls its raw_execute: one execution
    if not is_instrumentation_enabled():
        return None
    ensure(driver)
    execution = None
    try:
        execution = Execution(driver)
        if Automatic.adapters:
            inputs = kwargs.get(
                "inputs", None if method == "materialize" else args[_INPUTS] if args[_INPUTS:] else None
            )
            execution.start_pipeline(execution_mode(driver), output_names(method, args, kwargs), inputs)
    except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
        report_failure("the start of a Hamilton execution", failure)
    return execution


def output_names(method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[str]:
    """Return the names of what an execution was asked for, as far as they can be told before it begins."""
    if method == "materialize":
        asked: list[Any] = [*args, *(kwargs.get("additional_vars") or ())]
    else:
        given = args[0] if args else kwargs.get("final_vars", ())
        asked = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]  # pyright: ignore[reportUnknownArgumentType]
    return [name for item in asked if (name := _name(item))]


def _name(item: Any) -> str:  # noqa: ANN401
    if isinstance(item, str):
        return item
    for attribute in ("__name__", "name", "id"):
        name = getattr(item, attribute, None)
        if isinstance(name, str):
            return name
    return ""


def execution_mode(driver: Any) -> str:  # noqa: ANN401
    """Return what executes the driver's nodes, from a small set of words: ``plain`` where the driver does so itself.

    ``dynamic`` is a dynamic execution by an executor that is not Hamilton's own.
    """
    for method in ("do_node_execute", "do_remote_execute"):
        for adapter in driver.adapter.sync_methods.get(method, ()):
            for kind in type(adapter).__mro__:
                if kind.__name__ in _MODES:
                    return _MODES[kind.__name__]
    manager = getattr(driver.graph_executor, "execution_manager", None)
    if manager is None:
        return "plain"
    remote = getattr(manager, "remote_executor", None)
    return next((_MODES[kind.__name__] for kind in type(remote).__mro__ if kind.__name__ in _MODES), "dynamic")
