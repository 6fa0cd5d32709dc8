"""Every way to make and run a driver: the same spans once each, and the same results and exceptions as without us."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hamilton import async_driver, base, driver, graph
from hamilton.execution import executors
from hamilton.io.materialization import to
from hamilton.lifecycle import base as lifecycle

from codeanatomy_distro.instrumentation.hamilton import OtelNodeHook, OtelPlanHook

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = """
def a(x: int) -> int:
    return x + 1


def b(a: int) -> int:
    return a * 2
"""
INPUTS: dict[str, Any] = {"x": 1}
NODES: list[tuple[str, list[Any]]] = [("hamilton.node a", []), ("hamilton.node b", [])]
WHOLE: list[tuple[str, list[Any]]] = [("pipeline.execute", [("hamilton.graph", NODES)])]


@pytest.fixture
def module(make_module: Any) -> Any:
    """A graph of two nodes."""
    return make_module(SOURCE)


def build(module: Any, *adapters: Any) -> Any:
    """Build a plain driver."""
    return driver.Builder().with_modules(module).with_adapters(*adapters).build()


async def build_async(module: Any) -> Any:
    """Build an asynchronous driver."""
    builder: Any = async_driver.Builder()
    return await builder.with_modules(module).build()


@pytest.mark.parametrize(
    "adapter",
    [
        None,
        base.DictResult(),
        [base.DictResult()],
        base.SimplePythonGraphAdapter(base.DictResult()),
        lifecycle.LifecycleAdapterSet(base.DictResult()),
    ],
    ids=["none", "one", "list", "legacy", "set"],
)
def test_constructor_forms(instrumented: Any, telemetry: Any, span_tree: Any, module: Any, adapter: Any) -> None:
    """A driver made by its constructor is traced whatever form its adapters come in, and a list stays the user's."""
    driver.Driver({}, module, adapter=adapter).execute(["b"], inputs=INPUTS)
    assert span_tree(telemetry.spans()) == WHOLE
    if type(adapter) is list:
        assert adapter[1:] == []


def test_built_before(telemetry: Any, span_tree: Any, module: Any, request: Any) -> None:
    """A driver that was built before the instrumentor is traced from then on, and no more once it is gone."""
    early = build(module)
    blob = pickle.dumps(early)
    instrumentor = request.getfixturevalue("instrumented")
    assert early.execute(["b"], inputs=INPUTS) == {"b": 4}
    assert pickle.loads(blob).execute(["b"], inputs=INPUTS) == {"b": 4}
    assert span_tree(telemetry.spans()) == WHOLE * 2
    telemetry.reset()
    instrumentor.uninstrument()
    assert not early.adapter.adapters
    early.execute(["b"], inputs=INPUTS)
    instrumentor.instrument()
    assert telemetry.spans() == []


def test_copies(instrumented: Any, telemetry: Any, span_tree: Any, module: Any) -> None:
    """Deep copies and unpickled drivers are traced."""
    built = build(module)
    for one in (copy.deepcopy(built), pickle.loads(pickle.dumps(built))):
        telemetry.reset()
        assert one.execute(["b"], inputs=INPUTS) == {"b": 4}
        assert span_tree(telemetry.spans()) == WHOLE


def test_pickles_unchanged(telemetry: Any, module: Any, request: Any) -> None:
    """What a driver pickles to is byte for byte what it pickles to without us, so that it loads where we are not."""
    bare = build(module, base.DictResult())
    before = pickle.dumps(bare)
    request.getfixturevalue("instrumented")
    bare.execute(["b"], inputs=INPUTS)
    assert any(isinstance(adapter, OtelPlanHook) for adapter in bare.adapter.adapters)
    assert pickle.dumps(bare) == before
    assert b"codeanatomy" not in before


def test_graph_swapped(instrumented: Any, telemetry: Any, span_tree: Any, module: Any) -> None:
    """A driver whose graph was replaced, as Kedro's plugin does, is traced."""
    built = build(module)
    built.graph = graph.FunctionGraph(built.graph.nodes, {}, adapter=lifecycle.LifecycleAdapterSet())
    built.execute(["b"], inputs=INPUTS)
    assert span_tree(telemetry.spans()) == WHOLE


def test_raw_execute(instrumented: Any, telemetry: Any, span_tree: Any, module: Any) -> None:
    """The deprecated raw_execute is one execution."""
    built = build(module)
    assert built.raw_execute(["b"], inputs=INPUTS) == {"b": 4}
    assert span_tree(telemetry.spans()) == WHOLE


def test_materialize(instrumented: Any, telemetry: Any, span_tree: Any, module: Any) -> None:
    """Materializers are nodes of the run, given at the call or at the build."""
    saver = to.memory(id="saved", dependencies=["b"], combine=base.DictResult())
    build(module).materialize(saver, inputs=INPUTS)
    nodes: list[tuple[str, list[Any]]] = [*NODES, ("hamilton.node saved", []), ("hamilton.node saved_build_result", [])]
    assert span_tree(telemetry.spans()) == [("pipeline.execute", [("hamilton.graph", sorted(nodes))])]
    assert telemetry.span("pipeline.execute").attributes["codeanatomy.outputs"] == ("saved",)
    telemetry.reset()
    driver.Builder().with_modules(module).with_materializers(saver).build().execute(["saved"], inputs=INPUTS)
    assert span_tree(telemetry.spans()) == [("pipeline.execute", [("hamilton.graph", sorted(nodes))])]


def error_of(call: Callable[[], None]) -> Exception:
    """Return what `call` raises."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whichever it is
        return error
    return pytest.fail("nothing was raised")


@pytest.mark.parametrize("call", ["materialize", "execute", "unknown", "missing"])
def test_errors_before_the_run(instrumented: Any, telemetry: Any, module: Any, call: str) -> None:
    """An execution that fails before any node raises what it raises without us, and its spans tell it once."""

    def run() -> None:
        built = build(module)
        if call == "materialize":
            built.materialize(inputs=INPUTS)
        elif call == "execute":
            built.execute([3], inputs=INPUTS)  # pyright: ignore[reportArgumentType]
        elif call == "unknown":
            built.execute(["nowhere"], inputs=INPUTS)
        else:
            built.execute(["b"])

    with_us = error_of(run)
    spans = telemetry.spans()
    instrumented.uninstrument()
    without_us = error_of(run)
    instrumented.instrument()
    assert (type(with_us), str(with_us)) == (type(without_us), str(without_us))
    assert {span.status.status_code.name for span in spans} == {"ERROR"}
    assert sum(len(span.events) for span in spans) == 1
    assert sum(point.data.value for point in telemetry.metrics("codeanatomy.error.count")) == 1


@pytest.mark.parametrize("order", [(OtelPlanHook, OtelNodeHook), (OtelNodeHook, OtelPlanHook)])
def test_hooks_by_hand(telemetry: Any, span_tree: Any, module: Any, order: Any, request: Any) -> None:
    """Hooks added by hand trace their driver without the instrumentor, and each span once with it."""
    by_hand = build(module, *(hook() for hook in order))
    by_hand.execute(["b"], inputs=INPUTS)
    assert span_tree(telemetry.spans()) == [("hamilton.graph", NODES)]
    telemetry.reset()
    build(module).execute(["b"], inputs=INPUTS)
    assert telemetry.spans() == []
    request.getfixturevalue("instrumented")
    by_hand.execute(["b"], inputs=INPUTS)
    pickle.loads(pickle.dumps(by_hand)).execute(["b"], inputs=INPUTS)
    assert span_tree(telemetry.spans()) == WHOLE * 2


def test_dynamic(instrumented: Any, telemetry: Any, span_tree: Any, make_module: Any) -> None:
    """A dynamic execution gives each block's nodes spans of their own, told apart by the task's id."""
    module = make_module(
        "from hamilton.htypes import Collect, Parallelizable\n"
        "def item(n: int) -> Parallelizable[int]:\n    yield from range(n)\n"
        "def square(item: int) -> int:\n    return item * item\n"
        "def total(square: Collect[int]) -> int:\n    return sum(square)\n"
    )
    builder = driver.Builder().with_modules(module).enable_dynamic_execution(allow_experimental_mode=True)
    built = builder.with_remote_executor(executors.MultiThreadingExecutor(max_tasks=2)).build()
    assert built.execute(["total"], inputs={"n": 3}) == {"total": 5}
    squares = [span for span in telemetry.spans() if (span.attributes or {}).get("node_name") == "square"]
    assert {span.attributes["task_id"] for span in squares} == {
        f"expand-item.{number}.block-item" for number in range(3)
    }
    assert len(span_tree(telemetry.spans())) == 1


def test_nested_and_recursive(instrumented: Any, telemetry: Any, span_tree: Any, make_module: Any) -> None:
    """A driver executed within a node has its spans under that node's, also when it is the same driver."""
    module = make_module("def count(depth: int, run: object) -> int:\n    return run(depth - 1) + 1 if depth else 0\n")
    built = build(module)

    def run(depth: int) -> int:
        return built.execute(["count"], inputs={"depth": depth, "run": run})["count"]

    assert run(2) == 2
    expected: Any = []
    for _ in range(3):
        expected = [("pipeline.execute", [("hamilton.graph", [("hamilton.node count", expected)])])]
    assert span_tree(telemetry.spans()) == expected


def test_concurrent_runs(instrumented: Any, telemetry: Any, span_tree: Any, module: Any) -> None:
    """Eight threads executing one driver give eight whole runs."""
    built = build(module)
    threads = [threading.Thread(target=built.execute, args=(["b"],), kwargs={"inputs": INPUTS}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert span_tree(telemetry.spans()) == WHOLE * 8
    runs = [{span.attributes["run_id"] for span in telemetry.spans() if "run_id" in (span.attributes or {})}]
    assert len(runs[0]) == 8


def test_async_forms(instrumented: Any, telemetry: Any, span_tree: Any, module: Any) -> None:
    """An asynchronous driver is traced by its builder, its constructor, its execute and its raw_execute."""

    async def run() -> list[Any]:
        built = await build_async(module)
        made = async_driver.AsyncDriver({}, module, result_builder=base.DictResult())
        await made.ainit()
        return [
            await built.execute(["b"], inputs=INPUTS),
            await built.raw_execute(["b"], inputs=INPUTS),
            await made.execute(["b"], inputs=INPUTS),
        ]

    assert asyncio.run(run()) == [{"b": 4}] * 3
    assert span_tree(telemetry.spans()) == WHOLE * 3


def test_subdag(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any) -> None:
    """The nodes of a subdag have spans under their full names, with the tags that their functions bear."""
    inner = make_module(
        "from hamilton.function_modifiers import tag\n"
        "@tag(layer='plan', kind='task')\ndef a(x: int) -> int:\n    return x + 1\n"
    )
    outer = make_module(
        f"import {inner.__name__}\nfrom hamilton.function_modifiers import subdag\n"
        f"@subdag({inner.__name__})\ndef part(a: int) -> int:\n    return a\n"
    )
    build(outer).execute(["part"], inputs=INPUTS)
    nodes = by_node(telemetry.spans())
    assert nodes["part.a"].name == "hamilton.task"
    assert nodes["part.a"].instrumentation_scope.name == "codeanatomy.planning"


def test_uninstrument_restores_objects(module: Any) -> None:
    """Undoing leaves the very objects that were there before."""
    from hamilton.execution import graph_functions

    from codeanatomy_distro.instrumentation.hamilton import HamiltonInstrumentor
    from codeanatomy_distro.instrumentation.hamilton.patches import HAMILTON_PATCHES, HamiltonPatches

    HAMILTON_PATCHES.release("hooks")  # those that other tests made by hand

    def state() -> list[Any]:
        return [
            vars(driver.Driver).get("__init__"),
            vars(driver.Driver).get("execute"),
            vars(driver.Driver).get("materialize"),
            vars(driver.Driver).get("raw_execute"),
            vars(async_driver.AsyncDriver).get("execute"),
            vars(async_driver.AsyncDriver).get("raw_execute"),
            vars(async_driver.AsyncGraphAdapter).get("do_node_execute"),
            vars(lifecycle.LifecycleAdapterSet).get("__reduce_ex__"),
            graph_functions.execute_lifecycle_for_node,
            executors.base_execute_task,
        ]

    before = state()
    instrumentor = HamiltonInstrumentor()
    instrumentor.instrument()
    during = state()
    instrumentor.uninstrument()
    assert all(new is not old for new, old in zip(during, before, strict=True))
    assert all(new is old for new, old in zip(state(), before, strict=True))
    assert isinstance(HAMILTON_PATCHES, HamiltonPatches)
