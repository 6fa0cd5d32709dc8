"""One line for workers that other systems start: Ray, Dask, or anything that can call a function in a new process.

Ray:   ``ray.init(runtime_env={"worker_process_setup_hook": "codeanatomy_distro.workers.setup_worker"})``

Dask:  ``dask worker … --preload codeanatomy_distro.workers``, or in the configuration
``distributed.worker.preload: [codeanatomy_distro.workers]``

A `LocalCluster` of Dask needs neither: its workers are processes of `multiprocessing`, which the parent sets up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings
from codeanatomy_distro.otel.bootstrap import OtelBootstrapOptions, configure_otel
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.setting import Origin

if TYPE_CHECKING:
    from codeanatomy_distro.otel.bootstrap import OtelProviders

__all__ = ["dask_setup", "dask_teardown", "setup_worker"]

_INTERVALS: Final = {
    settings.BSP_SCHEDULE_DELAY: 100,
    settings.BLRP_SCHEDULE_DELAY: 100,
    settings.METRIC_EXPORT_INTERVAL: 1000,
}
"""Milliseconds between two exports, for processes that are killed as soon as the work is done."""


def setup_worker() -> OtelProviders:
    """Set up telemetry in this worker process from its environment, as `configure_otel` does in a program.

    Run id, parent and root span are those of the environment, which a worker of the same machine inherits. Ray kills
    its workers, without a signal that Python sees, half a second after the program is done with them: spans and log
    records are therefore exported every 100 ms and metrics every second, unless ``OTEL_BSP_SCHEDULE_DELAY``,
    ``OTEL_BLRP_SCHEDULE_DELAY`` and ``OTEL_METRIC_EXPORT_INTERVAL`` say otherwise. Calling it again changes nothing.
    """
    config = resolve_otel_config()
    unset = {
        setting.name: str(interval)
        for setting, interval in _INTERVALS.items()
        if config.resolved(setting).origin is Origin.DEFAULT
    }
    return configure_otel(options=OtelBootstrapOptions(settings=unset))


def dask_setup(worker: Any) -> None:  # noqa: ANN401, ARG001 - Dask's own interface
    """Set up the worker: Dask calls this for a preloaded module."""
    setup_worker()


def dask_teardown(worker: Any) -> None:  # noqa: ANN401, ARG001 - as above
    """Export what is left: Dask calls this before the worker ends, which may not run exit handlers."""
    setup_worker().force_flush(2000)
