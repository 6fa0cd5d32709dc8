"""Context across threads and processes: the parent, the run id and the link arrive, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hamilton import base, driver
from hamilton.execution import executors, graph_functions
from hamilton.lifecycle import base as lifecycle
from hamilton.plugins.h_threadpool import FutureAdapter
from opentelemetry import context, trace

from codeanatomy_distro.instrumentation.hamilton.runs import MOST_ENDED_RUNS, RUNS
from codeanatomy_distro.obs.run_context import get_run_id, run_context
from codeanatomy_distro.obs.tracing import root_span

BLOCKS = """
import threading
from hamilton.htypes import Collect, Parallelizable


def item(n: int) -> Parallelizable[int]:
    yield from range(n)


def worked(item: int, look: object) -> object:
    return look(item)


def all_of(worked: Collect[object]) -> list:
    return list(worked)
"""


def dynamic(module: Any, executor: Any, *adapters: Any) -> Any:
    """Build a driver whose blocks run by `executor`."""
    builder = driver.Builder().with_modules(module).enable_dynamic_execution(allow_experimental_mode=True)
    return builder.with_remote_executor(executor).with_adapters(*adapters).build()


def look(_: int) -> Any:
    """Return where a body runs: its thread, its current span and its run id."""
    span = trace.get_current_span().get_span_context()
    return threading.get_ident(), span.trace_id, span.span_id, get_run_id()


def test_threads(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any) -> None:
    """On a pool's thread the node's span is current; its parent is the graph, its link the root, the run id known."""
    with run_context("threads"), root_span("top") as root:
        built = dynamic(make_module(BLOCKS), executors.MultiThreadingExecutor(max_tasks=2))
        seen = built.execute(["all_of"], inputs={"n": 3, "look": look})["all_of"]
    graph = telemetry.span("hamilton.graph")
    nodes = [span for span in telemetry.spans() if (span.attributes or {}).get("node_name") == "worked"]
    assert {(trace_id, span_id) for _, trace_id, span_id, _ in seen} == {
        (span.context.trace_id, span.context.span_id) for span in nodes
    }
    assert {span.parent.span_id for span in nodes} == {graph.context.span_id}
    assert {link.context.span_id for span in nodes for link in span.links} == {root.get_span_context().span_id}
    assert {run_id for *_, run_id in seen} == {"threads"}
    assert threading.get_ident() not in {thread for thread, *_ in seen}


def test_pool_thread_is_left_clean(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A thread that outlives its run keeps neither a span nor a run id of it."""
    adapter = FutureAdapter(max_workers=1, result_builder=base.DictResult())
    module = make_module("def one(x: int) -> int:\n    return x\n")
    with run_context("over"):
        built = driver.Builder().with_modules(module).with_adapters(adapter).build()
        assert built.execute(["one"], inputs={"x": 1}) == {"one": 1}
    assert adapter.executor.submit(lambda: (dict(context.get_current()), get_run_id())).result() == (
        {},
        telemetry.run_id,
    )
    adapter.executor.shutdown()


def test_straggler(instrumented: Any, telemetry: Any, span_tree: Any, make_module: Any) -> None:
    """A node that starts after its run has failed is still a child of the run's graph, in the same trace."""
    module = make_module(
        "import time\n"
        "def bad(x: int) -> int:\n    raise ValueError(x)\n"
        "def slow(x: int) -> int:\n    time.sleep(0.1)\n    return x\n"
        "def late(slow: int) -> int:\n    return slow\n"
    )
    adapter = FutureAdapter(max_workers=3, result_builder=base.DictResult())
    built = driver.Builder().with_modules(module).with_adapters(adapter).build()
    with pytest.raises(ValueError, match="1"):
        built.execute(["bad", "late"], inputs={"x": 1})
    adapter.executor.shutdown(wait=True)
    nodes: list[Any] = [("hamilton.node bad", []), ("hamilton.node late", []), ("hamilton.node slow", [])]
    assert span_tree(telemetry.spans()) == [("pipeline.execute", [("hamilton.graph", nodes)])]


def test_any_names_of_arguments(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A node on a pool's thread may take arguments of any name, also those that our own functions use."""
    names = ["run", "function", "args", "kwargs", "body", "task_id", "info"]
    module = make_module(
        "".join(f"def {name}() -> int:\n    return 1\n" for name in names)
        + f"def together({', '.join(f'{name}: int' for name in names)}) -> int:\n    return {' + '.join(names)}\n"
    )
    adapter = FutureAdapter(result_builder=base.DictResult())
    built = driver.Builder().with_modules(module).with_adapters(adapter).build()
    assert built.execute(["together"]) == {"together": len(names)}
    adapter.executor.shutdown()


def test_straggling_task_is_counted(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A task that takes next to no time is counted, also when it runs after its run has failed."""
    module = make_module(
        "import time\nfrom hamilton.function_modifiers import tag\n"
        "def bad(x: int) -> int:\n    raise ValueError(x)\n"
        "def slow(x: int) -> int:\n    time.sleep(0.1)\n    return x\n"
        "@tag(kind='task')\ndef late(slow: int) -> int:\n    return slow\n"
    )
    adapter = FutureAdapter(max_workers=3, result_builder=base.DictResult())
    built = driver.Builder().with_modules(module).with_adapters(adapter).build()
    with run_context("straggling"), pytest.raises(ValueError, match="1"):
        built.execute(["bad", "late"], inputs={"x": 1})
    adapter.executor.shutdown(wait=True)
    (point,) = telemetry.metrics("codeanatomy.task.duration", run_id="straggling")
    assert point.data.count == 1


def test_error_in_thread_is_told_once(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """An error that crosses from a pool's thread is recorded and counted once, and marks every span that it passes."""
    module = make_module(BLOCKS)

    def fail(_: int) -> None:
        raise ValueError

    with run_context("crossing"), pytest.raises(ValueError):  # noqa: PT011 - it has no text
        dynamic(module, executors.MultiThreadingExecutor(max_tasks=1)).execute(
            ["all_of"], inputs={"n": 1, "look": fail}
        )
    failed = [span for span in telemetry.spans() if span.status.status_code.name == "ERROR"]
    assert len(failed) == 3
    assert sum(len(span.events) for span in failed) == 1
    assert [point.data.value for point in telemetry.metrics("codeanatomy.error.count", run_id="crossing")] == [1]


class Unpickle(executors.TaskExecutor):
    """Runs each task on a thread from its pickle, which is what a worker elsewhere gets."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []

    def init(self) -> None:
        """Start the thread."""
        self.pool = ThreadPoolExecutor(1)

    def finalize(self) -> None:
        """End the thread."""
        self.pool.shutdown()

    def can_submit_task(self) -> bool:
        """Take every task."""
        return True

    def submit_task(self, task: Any) -> Any:
        """Run a copy of `task`."""
        self.blobs.append(pickle.dumps(task))
        copied = pickle.loads(self.blobs[-1])
        return executors.TaskFutureWrappingPythonFuture(self.pool.submit(executors.base_execute_task, copied))


def test_tasks_pickle_plain(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A pickled task carries its place as plain texts, names nothing of ours, and is run in its place."""
    executor = Unpickle()
    module = make_module(BLOCKS)
    dynamic(module, executor).execute(["all_of"], inputs={"n": 2, "look": len}, overrides={"worked": 1})
    module = make_module("def one(x: int) -> int:\n    return x\n")
    manager = executors.DefaultExecutionManager(executor, executors.SynchronousLocalTaskExecutor())
    builder = driver.Builder().with_modules(module).enable_dynamic_execution(allow_experimental_mode=True)
    with root_span("top"):
        builder.with_execution_manager(manager).build().execute(["one"], inputs={"x": 1})
    assert executor.blobs
    assert all(b"codeanatomy_distro" not in blob for blob in executor.blobs)
    assert any(b"_codeanatomy_runs" in blob for blob in executor.blobs)


def test_nothing_is_kept(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """Of runs that have ended only a bounded number is remembered, without their nodes and times."""
    module = make_module("def one(x: int) -> int:\n    return x\n")
    built = driver.Builder().with_modules(module).build()
    for _ in range(MOST_ENDED_RUNS + 50):
        built.execute(["one"], inputs={"x": 1})
    assert len(RUNS) <= MOST_ENDED_RUNS + 1
    assert not any(run.timings or run.described for run in RUNS.values())


def test_functions_pickle_by_name(instrumented: Any) -> None:
    """What Hamilton gives to pools pickles by its name, and loads as Hamilton's own where we are not."""
    for function in (graph_functions.execute_lifecycle_for_node, executors.base_execute_task):
        blob = pickle.dumps(function)
        assert pickle.loads(blob) is function
        assert b"codeanatomy" not in blob
    assert pickle.dumps(lifecycle.LifecycleAdapterSet())


def _child(connection: Any) -> None:
    module = connection.recv()
    built = driver.Builder().with_modules(__import__(module)).build()
    began = time.perf_counter()
    result = built.execute(["one"], inputs={"x": 5})
    connection.send((result, time.perf_counter() - began))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_runs_drivers(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A forked child that executes a driver of its own does so as any process."""
    module = make_module("def one(x: int) -> int:\n    return x\n")
    context_ = multiprocessing.get_context("fork")
    ours, theirs = context_.Pipe()
    process = context_.Process(target=_child, args=(theirs,))
    process.start()
    ours.send(module.__name__)
    assert ours.poll(30)
    assert ours.recv()[0] == {"one": 5}
    process.join(30)
    assert process.exitcode == 0
