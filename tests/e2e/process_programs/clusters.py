"""Work on a local cluster of another system's making.

python clusters.py dask|preloaded|ray
"""

# Dask and Ray are in an environment of their own, which the type checker does not see.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import os
import sys
from typing import Any

from opentelemetry import trace

from codeanatomy_distro import configure_otel, root_span


def work(number: int) -> int:
    """Do one piece of work, and tell in which process."""
    with trace.get_tracer("clusters").start_as_current_span("work", attributes={"number": number, "pid": os.getpid()}):
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


def with_ray() -> list[int]:
    """Work in Ray workers."""
    import ray as of_ray

    ray: Any = of_ray

    hook = "codeanatomy_distro.workers.setup_worker"
    ray.init(num_cpus=2, include_dashboard=False, runtime_env={"worker_process_setup_hook": hook}, log_to_driver=False)
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
            case _:
                pids = with_ray()
    sys.stdout.write(" ".join(map(str, pids)))


if __name__ == "__main__":
    main()
