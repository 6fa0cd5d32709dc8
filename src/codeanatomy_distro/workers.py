"""One line for workers that other systems start: Ray, Dask, or anything that can call a function in a new process.

Ray:   ``ray.init(runtime_env={"worker_process_setup_hook": "codeanatomy_distro.workers.setup_worker"})``

Dask:  ``dask worker … --preload codeanatomy_distro.workers``, or in the configuration
``distributed.worker.preload: [codeanatomy_distro.workers]``

A `LocalCluster` of Dask needs neither: its workers are processes of `multiprocessing`, which the parent sets up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeanatomy_distro.otel.bootstrap import configure_otel

if TYPE_CHECKING:
    from codeanatomy_distro.otel.bootstrap import OtelProviders

__all__ = ["dask_setup", "dask_teardown", "setup_worker"]


def setup_worker() -> OtelProviders:
    """Set up telemetry in this worker process from its environment, as `configure_otel` does in a program.

    Run id, parent and root span are those of the environment, which a worker of the same machine inherits. Before a
    program with telemetry of its own leaves Ray, the workers on its machine export what they hold. Any worker may be
    killed at any other time: its exporters are imported at once, spans and log records are exported every 100 ms and
    metrics every second, unless ``OTEL_BSP_SCHEDULE_DELAY``, ``OTEL_BLRP_SCHEDULE_DELAY`` and
    ``OTEL_METRIC_EXPORT_INTERVAL`` say otherwise. Calling it again changes nothing.
    """
    providers = configure_otel()
    if providers.lifecycle is not None:
        providers.lifecycle.expect_kill()
    return providers


def dask_setup(worker: Any) -> None:  # noqa: ANN401, ARG001 - Dask's own interface
    """Set up the worker: Dask calls this for a preloaded module."""
    setup_worker()


def dask_teardown(worker: Any) -> None:  # noqa: ANN401, ARG001 - as above
    """Export what is left: Dask calls this before the worker ends, which may not run exit handlers."""
    setup_worker().force_flush(2000)
