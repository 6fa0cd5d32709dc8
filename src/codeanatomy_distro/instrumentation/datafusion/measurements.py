"""Measurements of executions and writes: ours, and the database convention's duration where it is asked for.

A measurement takes the SDK longer than many a query's planning, and mostly for what it must fetch into the processor's
caches. So measurements wait here and are recorded together: at the next collection at the latest, with the context and
run that they belong to. Of gauges, which tell the last value alone, only the last one waits.
"""

from __future__ import annotations

import os
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, metrics

from codeanatomy_distro.instrumentation.datafusion.query import DB_SYSTEM, Query
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.constants import ScopeName
from codeanatomy_distro.obs.metrics import (
    record_execute_duration,
    record_write_duration,
    set_dataset_stats,
    set_scan_telemetry,
)
from codeanatomy_distro.obs.run_context import get_run_id, reset_run_id, set_run_id
from codeanatomy_distro.obs.scopes import distro_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["record_dataset", "record_duration", "record_scan", "record_waiting"]

_MOST_WAITING: Final = 64
_WAITING_NAME: Final = "codeanatomy.datafusion.waiting"
_CONVENTION_NAME: Final = "db.client.operation.duration"
_CONVENTION_BUCKETS: Final = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
_CONVENTION_KEYS: Final = ("db.operation.name", "db.collection.name", "db.namespace", "db.query.summary")

Measurement = tuple[Query, float, "str | None", "str | None", context.Context, "str | None", "Options"]
"""Query, seconds, destination of a write, error.type of a failure, and the context, run id and options it is of."""

_waiting: Final[deque[Measurement]] = deque()
_last: Final[dict[tuple[object, ...], tuple[Callable[[], None], context.Context, str | None]]] = {}
_conventions: Final[dict[Any, metrics.Histogram]] = {}
"""The convention's histogram of each provider whose collections are watched."""


def _clear() -> None:
    _waiting.clear()
    _last.clear()


os.register_at_fork(after_in_child=_clear)  # the parent records them


def record_duration(measurement: Measurement) -> None:
    """Record one execution, or one write if it has a destination."""
    _waiting.append(measurement)
    waiting = len(_waiting)
    if waiting == 1:
        _watch(measurement[6].meter_provider)
    elif waiting >= _MOST_WAITING:
        record_waiting()


def record_scan(options: Options, dataset: str, *, row_groups: int | None, fragments: int | None) -> None:
    """Record what the last scan of `dataset` read: row groups, and fragments (files)."""
    provider = options.meter_provider
    told = partial(set_scan_telemetry, dataset, row_groups=row_groups, fragments=fragments, provider=provider)
    _record_last(options, ("scan", dataset), told)


def record_dataset(options: Options, dataset: str, *, rows: int | None = None, columns: int | None = None) -> None:
    """Record the size of what was written to `dataset`, in rows and columns; what is None is not known."""
    told = partial(set_dataset_stats, dataset, rows=rows, columns=columns, provider=options.meter_provider)
    _record_last(options, ("dataset", dataset, rows is None, columns is None), told)


def _record_last(options: Options, key: tuple[object, ...], told: Callable[[], None]) -> None:
    run_id = get_run_id()
    _watch(options.meter_provider)
    _last[(options.meter_provider, run_id, *key)] = (told, context.get_current(), run_id)
    if len(_last) >= _MOST_WAITING:
        record_waiting()


def record_waiting() -> None:
    """Record every measurement that waits."""
    while _waiting:
        try:
            measurement = _waiting.popleft()
        except IndexError:  # another thread took the last one
            break
        _record_there(partial(_record, measurement), measurement[4], measurement[5])
    while _last:
        try:
            _, (told, where, run_id) = _last.popitem()
        except KeyError:  # as above
            break
        _record_there(told, where, run_id)


def _record_there(record: Callable[[], None], where: context.Context, run_id: str | None) -> None:
    token = context.attach(where)  # for the exemplar
    run = set_run_id(run_id) if run_id is not None else None
    try:
        record()
    except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
        report_failure("a measurement of a query", ours)
    finally:
        if run is not None:
            reset_run_id(run)
        context.detach(token)


def _watch(given: MeterProvider | None) -> metrics.Histogram:
    """Have the provider, the global one unless one is given, ask for what waits before each collection."""
    provider = metrics.get_meter_provider() if given is None else given
    convention = _conventions.get(provider)
    if convention is None:
        meter = provider.get_meter(ScopeName.OBS, distro_version())
        meter.create_observable_gauge(
            _WAITING_NAME, [_on_collection], "{measurement}", "Never observed: see measurements.py."
        )
        convention = _conventions[provider] = meter.create_histogram(
            _CONVENTION_NAME,
            "s",
            "Duration of database client operations.",
            explicit_bucket_boundaries_advisory=_CONVENTION_BUCKETS,
        )
    return convention


def _on_collection(options: CallbackOptions) -> Iterable[Observation]:
    del options
    record_waiting()
    return ()


def _record(measurement: Measurement) -> None:
    query, seconds, destination, error_kind, _, _, options = measurement
    provider = options.meter_provider
    status = "ok" if error_kind is None else "error"
    if destination is None:
        record_execute_duration(seconds, status=status, plan_kind=query.plan_kind, provider=provider)
    else:
        record_write_duration(seconds, status=status, destination=destination, provider=provider)
    if options.convention:
        labels = {"db.system.name": DB_SYSTEM}
        labels.update({key: str(query.attributes[key]) for key in _CONVENTION_KEYS if key in query.attributes})
        if error_kind is not None:
            labels["error.type"] = error_kind
        _watch(provider).record(seconds, labels)
