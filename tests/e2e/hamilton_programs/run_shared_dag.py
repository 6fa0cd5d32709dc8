"""Runs the shared graph: ``python run_shared_dag.py EXECUTOR``."""

import asyncio
import logging
import multiprocessing
import sys
from importlib import import_module
from typing import Any

import shared_dag
from hamilton import async_driver, base, driver
from hamilton.execution import executors

WANTED: list[Any] = ["total"]
INPUTS = {"number": 7}


def dynamic(executor: executors.TaskExecutor) -> Any:
    """Run every node as a task of its own by the executor."""
    # Its second place is for the blocks of a parallel expansion, of which this graph has none.
    idle = executors.SynchronousLocalTaskExecutor()
    manager = executors.DefaultExecutionManager(local_executor=executor, remote_executor=idle)
    builder = driver.Builder().with_modules(shared_dag).enable_dynamic_execution(allow_experimental_mode=True)
    return builder.with_execution_manager(manager).build().execute(WANTED, inputs=INPUTS)


def adapted(*adapters: Any) -> Any:
    """Run with adapters on the plain driver."""
    return driver.Builder().with_modules(shared_dag).with_adapters(*adapters).build().execute(WANTED, inputs=INPUTS)


def run_plain() -> Any:
    """By the driver itself."""
    return adapted()


def run_local() -> Any:
    """As tasks, one after the other, in this thread."""
    return dynamic(executors.SynchronousLocalTaskExecutor())


def run_threads() -> Any:
    """As tasks on a pool of threads."""
    return dynamic(executors.MultiThreadingExecutor(max_tasks=2))


def run_processes(method: str) -> Any:
    """As tasks on a pool of processes."""
    multiprocessing.set_start_method(method)
    return dynamic(executors.MultiProcessingExecutor(max_tasks=2))


def run_futures() -> Any:
    """By the adapter that submits each node to a pool of threads."""
    from hamilton.plugins.h_threadpool import FutureAdapter

    return adapted(FutureAdapter(result_builder=base.DictResult()))


def run_async() -> Any:
    """By the asynchronous driver."""

    async def run() -> Any:
        builder: Any = async_driver.Builder()
        built = await builder.with_modules(shared_dag).build()
        return await built.execute(WANTED, inputs=INPUTS)

    return asyncio.run(run())


def run_ray(how: str) -> Any:
    """On a local Ray."""
    ray: Any = import_module("ray")
    h_ray: Any = import_module("hamilton.plugins.h_ray")
    options = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
    try:
        if how == "graph":
            ray.init(num_cpus=2, **options)
            return adapted(h_ray.RayGraphAdapter(result_builder=base.DictResult()))
        return dynamic(h_ray.RayTaskExecutor(num_cpus=2, ray_init_config=options))
    finally:
        ray.shutdown()


def run_dask(how: str) -> Any:
    """On a local Dask cluster of two processes."""
    dask: Any = import_module("dask.distributed")
    h_dask: Any = import_module("hamilton.plugins.h_dask")
    made = dask.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with made as cluster, dask.Client(cluster) as client:
        if how == "graph":
            return adapted(h_dask.DaskGraphAdapter(client, base.DictResult()))
        return dynamic(h_dask.DaskExecutor(client=client))


def main(name: str) -> None:
    """Run by the executor called `name`, such as ``plain`` or ``processes-spawn``, and print the result."""
    logging.basicConfig()
    kind, _, how = name.partition("-")
    run = globals()[f"run_{kind}"]
    result = run(how) if how else run()
    sys.stdout.write(f"{result}\n")


if __name__ == "__main__":
    main(sys.argv[1])
