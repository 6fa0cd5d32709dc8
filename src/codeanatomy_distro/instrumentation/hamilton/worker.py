"""Work for a run in another thread or process: the run is found again, made current, and its telemetry sent in time."""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry import _logs, metrics, trace

from codeanatomy_distro.instrumentation.hamilton.runs import RUNS, Run, current_place, runs_of_set
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.own_threads import create_thread

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CARRIED_RUNS", "adopt_carried_run", "carry_runs", "trace_tasks", "work_for"]

T = TypeVar("T")

CARRIED_RUNS: Final = "_codeanatomy_runs"
"""Attribute of a pickled adapter set: the carriers of its runs under way, by run id, as plain texts."""

_FLUSH_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 30.0  # without a flush after one that did not end in time


class _Flushes:
    """What this worker process has done about its telemetry."""

    at_exit = False
    resume_at = 0.0


def adopt_carried_run(run_id: str, adapters: Any) -> Run | None:  # noqa: ANN401
    """Return the run that came to this process with its adapters, or None when none did."""
    carried = getattr(adapters, CARRIED_RUNS, None)
    if not carried or run_id not in carried:
        return None
    try:
        return Run.adopt(run_id, carried[run_id])
    except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
        report_failure("a run brought to a worker", failure)
        return None


def trace_tasks(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return Hamilton's function that executes a task, with the task's run current around it.

    A plain function: process pools, Ray and Dask pickle it by its name.
    """

    @functools.wraps(original)
    def base_execute_task(task: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        run = RUNS.get(task.run_id) or adopt_carried_run(task.run_id, task.adapter)
        if run is None:
            return original(task, *args, **kwargs)
        run.submitted.pop(task.task_id, None)  # it runs here, where its nodes tell of themselves
        place = current_place.get()
        if place is not None and place[0] is run:
            return original(task, *args, **kwargs)
        return work_for(run, original, task, *args, **kwargs)

    return base_execute_task


def work_for(run: Run, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:  # noqa: ANN401
    """Return ``function(*args, **kwargs)``, called for `run` in a thread or process that is not the run's own."""
    tokens = run.enter()
    try:
        return function(*args, **kwargs)
    finally:
        run.leave(tokens)
        if run.is_worker:
            _leave_work()


def _leave_work() -> None:
    """Send what this worker process has recorded, now or at its exit, unless somebody sees to that already.

    A process of `multiprocessing` runs its finalizers when it ends: there it is enough to send then. Ray and Dask end
    their workers as they like, so that there each piece of work is followed by a flush.
    """
    if _end_is_watched():
        return
    if "ray" in sys.modules or "distributed" in sys.modules:
        if time.monotonic() >= _Flushes.resume_at and not _flush(with_metrics=True):
            _Flushes.resume_at = time.monotonic() + _PAUSE_SECONDS
    elif not _Flushes.at_exit:
        _Flushes.at_exit = True
        if _parent_process() is not None:
            sys.modules["multiprocessing.util"].Finalize(None, _flush, exitpriority=1)


def _end_is_watched() -> bool:
    """Whether somebody has wrapped the life of worker processes to send what they leave, as our own set-up does."""
    ray: Any = sys.modules.get("ray._private.worker")
    life: Any = None
    if ray is not None and ray.global_worker.mode == ray.WORKER_MODE:
        life = getattr(ray.Worker, "main_loop", None)
    elif _parent_process() is not None:
        life = getattr(sys.modules["multiprocessing.process"].BaseProcess, "_bootstrap", None)
    return hasattr(life, "__wrapped__")


def _parent_process() -> object:
    """Return what started this worker of multiprocessing; None where it is none."""
    process: Any = sys.modules.get("multiprocessing.process")
    return None if process is None else process.parent_process()


def _flush(*, with_metrics: bool = False) -> bool:
    """Flush the global providers, all at once, and return whether they did so in time.

    A forked worker has its parent's sums: whether they may be sent is for whoever manages the metrics to say, so that
    they are left out unless asked for.
    """
    providers: list[Any] = [trace.get_tracer_provider(), _logs.get_logger_provider()]
    if with_metrics:
        providers.append(metrics.get_meter_provider())
    threads = [
        create_thread(functools.partial(_flush_one, provider.force_flush), "codeanatomy-flushing")
        for provider in providers
        if hasattr(provider, "force_flush")
    ]
    deadline = time.monotonic() + _FLUSH_SECONDS
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def _flush_one(force_flush: Callable[[int], object]) -> None:
    try:
        force_flush(int(_FLUSH_SECONDS * 1000))
    except Exception as failure:  # noqa: BLE001
        report_failure("the flush of a worker", failure)


def carry_runs(
    original: Callable[..., Any], without: Callable[[Any, dict[str, Any]], dict[str, Any]]
) -> Callable[..., Any]:
    """Return ``LifecycleAdapterSet.__reduce_ex__`` with our part of the set's state replaced by plain texts.

    What `without` leaves is the state as it is without us; a set that is in use gets the carriers of its runs, which a
    process where we are not installed simply does not look at.
    """

    @functools.wraps(original)
    def __reduce_ex__(self: Any, protocol: Any) -> Any:  # noqa: ANN401, N807
        reduced = original(self, protocol)
        try:
            state = reduced[2]
            kept = without(self, state)
            carriers = runs_of_set(self)
            if carriers:  # a copy that came from elsewhere keeps those that it has: it may be on its way to a worker
                kept = {**kept, CARRIED_RUNS: {**kept.get(CARRIED_RUNS, {}), **carriers}}
            return reduced if kept is state else (*reduced[:2], kept, *reduced[3:])
        except Exception as failure:  # noqa: BLE001
            report_failure("the pickling of adapters", failure)
            return reduced

    return __reduce_ex__
