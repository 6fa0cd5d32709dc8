"""Work on a local cluster of another system's making.

python clusters.py dask|preloaded|ray|instrumented-ray
"""

# Dask and Ray are in an environment of their own, which the type checker does not see.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import os
import sys
import time
from typing import Any

from opentelemetry import metrics, trace

from codeanatomy_distro import configure_otel, root_span


def has_exporter() -> bool:
    """Tell whether this worker imports its exporter before it has anything to export."""
    patience = time.monotonic() + 20
    while "codeanatomy_distro.otel.otlp_grpc" not in sys.modules and time.monotonic() < patience:
        time.sleep(0.05)
    return "codeanatomy_distro.otel.otlp_grpc" in sys.modules


def work(number: int) -> int:
    """Do one piece of work, and tell in which process."""
    attributes = {"number": number, "pid": os.getpid(), "had_exporter": has_exporter()}
    with trace.get_tracer("clusters").start_as_current_span("work", attributes=attributes):
        metrics.get_meter("clusters").create_counter("pieces").add(1)
        return os.getpid()


def with_dask(**options: Any) -> list[int]:
    """Work in two Dask workers."""
    import distributed

    dask: Any = distributed
    with (
        dask.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, **options) as cluster,
        dask.Client(cluster) as client,
    ):
        return client.gather(client.map(work, range(4), pure=False))


def with_ray(**options: Any) -> list[int]:
    """Work in Ray workers."""
    import ray as of_ray

    ray: Any = of_ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, **options)
    try:
        return ray.get([ray.remote(work).remote(number) for number in range(4)])
    finally:
        ray.shutdown()


def main() -> None:
    """Work where it is asked for."""
    configure_otel(service_name="clusters")
    with root_span():
        match sys.argv[1]:
            case "dask":
                pids = with_dask()
            case "preloaded":
                pids = with_dask(preload=["codeanatomy_distro.workers"])
            case "ray":
                hook = "codeanatomy_distro.workers.setup_worker"
                pids = with_ray(runtime_env={"worker_process_setup_hook": hook})
            case _:
                pids = with_ray()
    sys.stdout.write(" ".join(map(str, pids)))


if __name__ == "__main__":
    main()
