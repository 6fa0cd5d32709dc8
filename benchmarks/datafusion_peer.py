"""The peer of DataFusion's instrumentation: what one would write first, by the book of the API, for the same telemetry.

A current span around each of the two methods, a histogram with attributes made each time, and, by level, the figures
of the executed plan read metric by metric, and a span an operator. Beside it the floor: the SDK's two spans alone,
without a name that means anything, attributes, context or histogram, which nobody who traces both methods can go below.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import wrapt
from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["Peer"]

Raw: TypeAlias = Any
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DESCRIBED: Final = {"db.system.name": "datafusion", "db.operation.name": "SELECT"}


class Peer:
    """Wraps the two methods that the works call: ``SessionContext.sql`` and ``DataFrame.collect``."""

    def __init__(self, datafusion: ModuleType) -> None:
        self._owners: dict[str, Any] = {"sql": datafusion.SessionContext, "collect": datafusion.DataFrame}
        self._originals = {name: getattr(owner, name) for name, owner in self._owners.items()}
        self._histogram = metrics.get_meter("peer").create_histogram("peer.duration", "s")

    def wrap(self, provider: TracerProvider, level: str) -> None:
        """Wrap both for `level`: ``floor``, ``off``, ``summary`` or ``full``, as ours are called."""
        tracer = provider.get_tracer("peer")
        if level == "floor":
            wrappers = {name: _floor(tracer) for name in self._owners}
        else:
            wrappers = {"sql": _compile(tracer), "collect": self._execute(tracer, level)}
        for name, wrapper in wrappers.items():
            cast("Any", wrapt).wrap_function_wrapper(self._owners[name], name, wrapper)

    def unwrap(self) -> None:
        """Put the originals back."""
        for name, original in self._originals.items():
            setattr(self._owners[name], name, original)

    def _execute(self, tracer: Tracer, level: str) -> Callable[..., Raw]:
        def execute(wrapped: Raw, instance: Raw, args: Raw, kwargs: Raw) -> Raw:
            started = time.perf_counter()
            with tracer.start_as_current_span("execute", attributes={**_DESCRIBED, "plan_kind": "sql"}) as span:
                result = wrapped(*args, **kwargs)
                self._histogram.record(time.perf_counter() - started, {"status": "ok", "plan_kind": "sql"})
                if level != "off" and span.is_recording():
                    plan = instance.df.execution_plan()
                    span.set_attributes(_read_all(plan))
                    if level == "full":
                        _make_spans(tracer, plan, span)
            return result

        return execute


def _floor(tracer: Tracer) -> Callable[..., Raw]:
    def floor(wrapped: Raw, instance: Raw, args: Raw, kwargs: Raw) -> Raw:
        del instance
        span = tracer.start_span("s")
        result = wrapped(*args, **kwargs)
        span.end()
        return result

    return floor


def _compile(tracer: Tracer) -> Callable[..., Raw]:
    def compiled(wrapped: Raw, instance: Raw, args: Raw, kwargs: Raw) -> Raw:
        del instance
        with tracer.start_as_current_span("compile", attributes=dict(_DESCRIBED)):
            return wrapped(*args, **kwargs)

    return compiled


def _read_all(plan: Raw) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    pending = [plan]
    while pending:
        node = pending.pop()
        pending.extend(node.children())
        for name, value in _read(node).items():
            sums[name] += value
    return sums


def _read(node: Raw) -> dict[str, int]:
    """Sum the metrics of one operator; what has no value but a text is told by its first number."""
    sums: dict[str, int] = defaultdict(int)
    files: set[str] = set()
    for metric in _metrics_of(node):
        value = metric.value
        if isinstance(value, int):
            sums[f"datafusion.metrics.{metric.name}"] += value
        elif value is None:
            first = repr(metric).split(" ")[0]
            if first.isdigit():
                sums[f"datafusion.metrics.{metric.name}"] += int(first)
            files.add(metric.labels().get("filename", ""))
    if files:
        sums["datafusion.files"] = len(files)
    return sums


def _metrics_of(node: Raw) -> list[Raw]:
    read = node.metrics()
    return [] if read is None else read.metrics()


def _make_spans(tracer: Tracer, node: Raw, parent: Span) -> None:
    moments = [metric.value for metric in _metrics_of(node) if metric.name.endswith("_timestamp")]
    times = [int((moment - _EPOCH).total_seconds() * 1e9) for moment in moments if moment is not None]
    attributes: dict[str, Any] = {"datafusion.node": node.display(), **_read(node)}
    span = tracer.start_span(
        attributes["datafusion.node"].split(":")[0],
        trace.set_span_in_context(parent),
        attributes=attributes,
        start_time=min(times, default=None),
    )
    for child in node.children():
        _make_spans(tracer, child, span)
    span.end(max(times, default=None))
