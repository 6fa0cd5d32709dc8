"""Runs the counted graph, once whole and once to fail, in processes: ``python run_counted_dag.py METHOD``."""

import multiprocessing
import sys
from typing import Any

import counted_dag
from hamilton import driver
from hamilton.execution import executors


def main(method: str) -> None:
    """Run in processes that are started by `method`, and print the result and the error."""
    multiprocessing.set_start_method(method)
    builder = driver.Builder().with_modules(counted_dag).enable_dynamic_execution(allow_experimental_mode=True)
    built: Any = builder.with_remote_executor(executors.MultiProcessingExecutor(max_tasks=2)).build()
    sys.stdout.write(f"{built.execute(['total'], inputs={'number': 4, 'fail': False})}\n")
    try:
        built.execute(["total"], inputs={"number": 1, "fail": True})
    except ValueError as error:
        sys.stdout.write(f"{error}\n")


if __name__ == "__main__":
    main(sys.argv[1])
