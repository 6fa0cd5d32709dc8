"""What is patched: each method of the engine's classes that compiles, executes or writes, and the wrappers around them.

Spans are made on the classes of `datafusion._internal`, through which every execution goes whatever wrapper it came by,
so that each is seen exactly once. The wrappers' patches make no span: they tell what the user called.
"""

from __future__ import annotations

import functools
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.datafusion.arrow_stream import observing_arrow_stream, observing_engine_read
from codeanatomy_distro.instrumentation.datafusion.calls import carrying_from_context, carrying_from_frame
from codeanatomy_distro.instrumentation.datafusion.compile import Compiler
from codeanatomy_distro.instrumentation.datafusion.datasets import noting_location
from codeanatomy_distro.instrumentation.datafusion.execute import Executor
from codeanatomy_distro.instrumentation.datafusion.measurements import record_waiting
from codeanatomy_distro.instrumentation.datafusion.namespaces import inheriting_namespace
from codeanatomy_distro.instrumentation.datafusion.operation import observing, observing_static
from codeanatomy_distro.instrumentation.datafusion.plan_mask import PlanMask
from codeanatomy_distro.instrumentation.datafusion.rendering import rendering
from codeanatomy_distro.instrumentation.datafusion.stream_span import stop_watching
from codeanatomy_distro.instrumentation.datafusion.streams import Streamer
from codeanatomy_distro.instrumentation.datafusion.udf import Factory, ScalarFunction, keeping_context
from codeanatomy_distro.instrumentation.datafusion.views import Viewer
from codeanatomy_distro.instrumentation.datafusion.write import Writer
from codeanatomy_distro.instrumentation.patching import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["create_targets", "stop"]

_logger = logging.getLogger(__name__)

_KEEPS_PLAN: Final = (
    "collect", "collect_partitioned", "to_arrow_table", "to_pandas", "to_polars", "to_pylist", "to_pydict",
)  # fmt: skip
"""Executions after which the frame has the executed plan, with the figures of that very run (since 54)."""
_KEEPS_NONE: Final = ("collect_column", "count", "describe", "cache", "show")
_RENDERS: Final = ("__repr__", "_repr_html_")
_KEEPS_RENDERED: Final = 48
"""The release since which, in IPython, a DataFrame keeps the rows that it shows."""
_STREAMS: Final = ("execute_stream", "execute_stream_partitioned")
_STREAMS_LAZILY: Final = 51
"""The release since which `__arrow_c_stream__` executes as it is read; before, it collected inside the call."""
_WRITES: Final = {
    "write_csv": "csv", "write_json": "json", "write_parquet": "parquet", "write_parquet_with_options": "parquet",
    "write_table": "table",
}  # fmt: skip
_READS: Final = (
    "read_json",
    "read_csv",
    "read_parquet",
    "read_avro",
    "read_arrow",
    "read_batches",
    "read_table",
    "empty_table",
)

_SUBSTRAIT: Final = {
    "Serde": ("serialize", "serialize_bytes", "serialize_to_plan"),
    "Consumer": ("from_substrait_plan",),
}
_READS_PLAN: Final = ("from_bytes", "from_proto")  # the latter until 53
_REGISTERS: Final = (
    "register_parquet", "register_csv", "register_json", "register_avro", "register_arrow", "register_listing_table",
)  # fmt: skip

_CARRIED_BY_CONTEXT: Final = (
    "sql", "sql_with_options", "table", "read_batch", "read_empty", "create_dataframe_from_logical_plan",
    "execute_logical_plan", "execute",
)  # fmt: skip
"""Not the methods that have one name on both classes and let nothing be kept: `read_csv` warns its caller."""
_CARRIED_BY_FRAME: Final = (
    *_KEEPS_PLAN, *_KEEPS_NONE, *_RENDERS, *_STREAMS, *_WRITES, "tail", "__iter__", "__aiter__", "explain", "into_view",
    "__arrow_c_stream__",
)  # fmt: skip


def create_targets(module: ModuleType, options: Options) -> Iterator[Target]:
    """Yield the patches for `module`, the ``datafusion`` package of whatever version; what it lacks is left out."""
    internal: Any = module._internal  # noqa: SLF001 - the engine's classes have no public name
    options.has_figures = hasattr(internal.ExecutionPlan, "metrics")
    if options.figures != "off" and not options.has_figures:
        _logger.debug("DataFusion %s does not tell its figures; they are left out", module.__version__)
    options.plan_mask = PlanMask(getattr(module.functions, "__all__", dir(module.functions)))
    yield from _of_wrappers(module, options)
    yield from _of_catalogs(module, options)
    yield from _of_functions(module, options)
    yield from _of_serialized(internal, options)
    yield from _of_contexts(internal.SessionContext, options)
    yield from _of_frames(internal.DataFrame, options, _major(module))


def _major(module: Raw) -> int:
    found = re.match(r"\d+", str(getattr(module, "__version__", "")))
    return int(found.group()) if found else sys.maxsize


def _of_wrappers(module: Raw, options: Options) -> Iterator[Target]:
    # The first, for it looks at `sql` as it was.
    yield Target(module.DataFrame, "__init__", plain=inheriting_namespace(module.SessionContext, module.DataFrame))
    for name in _CARRIED_BY_CONTEXT:
        yield Target(module.SessionContext, name, plain=carrying_from_context(name))
    for name in _CARRIED_BY_FRAME:
        yield Target(module.DataFrame, name, plain=carrying_from_frame(name))
    carried, observed = (
        carrying_from_context("register_view"),
        observing(Viewer(options).register_view, "register_view"),
    )

    def register_view(original: Callable[..., Any]) -> Callable[..., Any]:
        return carried(observed(original))

    yield Target(module.SessionContext, "register_view", plain=register_view)


def _of_catalogs(module: Raw, options: Options) -> Iterator[Target]:
    def noting(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def registered(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            options.has_own_catalogs = True
            return original(self, *args, **kwargs)

        return registered

    yield Target(module.SessionContext, "register_catalog_provider", plain=noting)
    yield Target(module.SessionContext, "register_catalog_provider_list", plain=noting)
    yield Target(module.catalog.Catalog, "register_schema", plain=noting)


def _of_functions(module: Raw, options: Options) -> Iterator[Target]:
    for name, wrapper in (("ScalarUDF", ScalarFunction), ("AggregateUDF", Factory), ("WindowUDF", Factory)):
        owner = getattr(module, name, None)
        if owner is not None:
            yield Target(owner, "__init__", plain=keeping_context(options, wrapper))


def _of_serialized(internal: Raw, options: Options) -> Iterator[Target]:
    compiler = Compiler(options)
    substrait = getattr(internal, "substrait", None)  # some builds are without
    for owner, names in _SUBSTRAIT.items():
        for name in names:
            begin = compiler.serialized(name, "substrait")
            yield Target(getattr(substrait, owner, None), name, plain=observing_static(begin, name))
    for name in _READS_PLAN:
        begin = compiler.serialized(name, "logical_plan")
        yield Target(internal.LogicalPlan, name, plain=observing_static(begin, name))


def _of_contexts(owner: Raw, options: Options) -> Iterator[Target]:
    compiler = Compiler(options)
    for name in ("sql_with_options", "sql"):
        yield Target(owner, name, plain=observing(compiler.sql, "sql"))
    yield Target(owner, "table", plain=observing(compiler.table, "table"))
    yield Target(
        owner,
        "create_dataframe_from_logical_plan",
        plain=observing(compiler.plan("create_dataframe_from_logical_plan", runs=False), "logical plan"),
    )
    yield Target(
        owner,
        "execute_logical_plan",
        plain=observing(compiler.plan("execute_logical_plan", runs=True), "logical plan"),
    )
    yield Target(owner, "execute", plain=observing(Streamer(options).execute, "execute"))
    for name in ("from_arrow", "from_arrow_table"):
        yield Target(owner, name, plain=observing_engine_read)
    for name in _REGISTERS:
        yield Target(owner, name, plain=noting_location)
    for name in _READS:
        yield Target(owner, name, plain=observing(compiler.named(name), name))


def _of_frames(owner: Raw, options: Options, major: int) -> Iterator[Target]:
    executor, writer = Executor(options), Writer(options)
    for name in _KEEPS_PLAN:
        yield Target(owner, name, plain=observing(executor.method(name, keeps_plan=True), name))
    for name in _KEEPS_NONE:
        yield Target(owner, name, plain=observing(executor.method(name, keeps_plan=False), name))
    for name in _RENDERS:
        yield Target(owner, name, plain=observing(rendering(options, name, keeps_rows=major >= _KEEPS_RENDERED), name))
    yield Target(owner, "explain", plain=observing(executor.explain, "explain"))
    streamer = Streamer(options)
    for name in _STREAMS:
        yield Target(owner, name, plain=observing(streamer.method(name), name))
    if major >= _STREAMS_LAZILY:
        yield Target(owner, "__arrow_c_stream__", plain=observing_arrow_stream(options))
    else:
        begin = executor.method("__arrow_c_stream__", keeps_plan=False)
        yield Target(owner, "__arrow_c_stream__", plain=observing(begin, "__arrow_c_stream__"))
    for name, destination in _WRITES.items():
        yield Target(owner, name, plain=observing(writer.method(name, destination), name))
    yield Target(owner, "into_view", plain=observing(Viewer(options).into_view, "into_view"))


def stop() -> None:
    """Record what still waits, and put back what the streams needed beside the patches."""
    record_waiting()
    stop_watching()
