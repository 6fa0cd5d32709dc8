"""Durations of executions and writes: ours, and the database convention's where it is asked for.

A measurement takes the SDK longer than many a query's planning, and mostly for what it must fetch into the processor's
caches. So measurements wait here and are recorded together: at the next collection at the latest, with the context and
run that they belong to.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, metrics

from codeanatomy_distro.instrumentation.datafusion.query import DB_SYSTEM, Query
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.metrics import record_execute_duration, record_write_duration
from codeanatomy_distro.obs.run_context import reset_run_id, set_run_id
from codeanatomy_distro.obs.scopes import get_meter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.metrics import CallbackOptions, Observation

__all__ = ["record_duration", "record_waiting"]

_MOST_WAITING: Final = 64
_WAITING_NAME: Final = "codeanatomy.datafusion.waiting"
_CONVENTION_NAME: Final = "db.client.operation.duration"
_CONVENTION_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_CONVENTION_KEYS: Final = ("db.operation.name", "db.collection.name", "db.query.summary")


Measurement = tuple[Query, float, "str | None", "str | None", context.Context, "str | None", bool]
"""Query, seconds, destination of a write, error.type of a failure, context, run id, and whether by convention too."""


class _Kept:
    """What was made for the provider that was global last."""

    provider: Any = None
    convention: Any = None


_waiting: Final[deque[Measurement]] = deque()
os.register_at_fork(after_in_child=_waiting.clear)  # the parent records them


def record_duration(measurement: Measurement) -> None:
    """Record one execution, or one write if it has a destination."""
    _waiting.append(measurement)
    waiting = len(_waiting)
    if waiting == 1:
        _watch_collections()
    elif waiting >= _MOST_WAITING:
        record_waiting()


def record_waiting() -> None:
    """Record every measurement that waits."""
    while _waiting:
        try:
            measurement = _waiting.popleft()
        except IndexError:  # another thread took the last one
            return
        token = context.attach(measurement[4])  # for the exemplar
        run = set_run_id(measurement[5]) if measurement[5] is not None else None
        try:
            _record(measurement)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the duration of a query", ours)
        finally:
            if run is not None:
                reset_run_id(run)
            context.detach(token)


def _watch_collections() -> None:
    """Have the provider that is global now ask for what waits before each collection."""
    provider = metrics.get_meter_provider()
    if provider is _Kept.provider:
        return
    _Kept.provider = provider
    meter = get_meter()
    meter.create_observable_gauge(_WAITING_NAME, [_on_collection], "{measurement}", "Never observed: see durations.py.")
    _Kept.convention = meter.create_histogram(
        _CONVENTION_NAME,
        "s",
        "Duration of database client operations.",
        explicit_bucket_boundaries_advisory=_CONVENTION_BUCKETS,
    )


def _on_collection(options: CallbackOptions) -> Iterable[Observation]:
    del options
    record_waiting()
    return ()


def _record(measurement: Measurement) -> None:
    query, seconds, destination, error_kind, _, _, convention = measurement
    status = "ok" if error_kind is None else "error"
    if destination is None:
        record_execute_duration(seconds, status=status, plan_kind=query.plan_kind)
    else:
        record_write_duration(seconds, status=status, destination=destination)
    if convention:
        labels = {"db.system.name": DB_SYSTEM}
        labels.update({key: str(query.attributes[key]) for key in _CONVENTION_KEYS if key in query.attributes})
        if error_kind is not None:
            labels["error.type"] = error_kind
        _Kept.convention.record(seconds, labels)
