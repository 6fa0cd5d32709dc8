"""A node's span: its name, scope, attributes and times, what it says of errors, and that nothing leaks."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from hamilton import async_driver, base, driver
from hamilton.lifecycle import base as lifecycle
from opentelemetry import context, trace
from opentelemetry.instrumentation.utils import suppress_instrumentation

from codeanatomy_distro.obs.run_context import run_context

TAGGED = """
from hamilton.function_modifiers import check_output, pipe_output, step, tag


@tag(layer="inputs", kind="stage", owner="a team")
def start(x: int) -> int:
    return x


@tag(layer="storage", kind="task", task_id="task.store", task_kind="write", labels=["a", "b"])
def store(start: int) -> int:
    return start


def plain(store: int) -> int:
    return store
"""


def run(module: Any, *wanted: str, **inputs: Any) -> Any:
    """Execute a module's graph on a plain driver."""
    return driver.Builder().with_modules(module).build().execute(list(wanted), inputs=inputs)


async def build_async(module: Any) -> Any:
    """Build an asynchronous driver."""
    builder: Any = async_driver.Builder()
    return await builder.with_modules(module).build()


def test_names_scopes_and_attributes(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any) -> None:
    """Tags choose the span's name and scope and become its attributes, with the ids of the run."""
    module = make_module(TAGGED)
    with run_context("run-1"):
        run(module, "plain", x=1)
    nodes = by_node(telemetry.spans())
    graph = telemetry.span("hamilton.graph")
    hamilton_id = graph.attributes["run_id"]
    assert (nodes["start"].name, nodes["start"].instrumentation_scope.name) == ("hamilton.stage", "codeanatomy.extract")
    assert (nodes["store"].name, nodes["store"].instrumentation_scope.name) == ("hamilton.task", "codeanatomy.storage")
    assert (nodes["plain"].name, nodes["plain"].instrumentation_scope.name) == ("hamilton.node", "codeanatomy.pipeline")
    told = dict(nodes["store"].attributes)
    told.pop("otel.sampling.rule")  # the sampler's
    assert told == {
        "node_name": "store",
        "task_id": "task.store",
        "run_id": hamilton_id,
        "hamilton.execution_run_id": hamilton_id,
        "codeanatomy.run_id": "run-1",
        "hamilton.module": module.__name__,
        "hamilton.layer": "storage",
        "hamilton.kind": "task",
        "hamilton.task_id": "task.store",
        "hamilton.task_kind": "write",
        "hamilton.labels": ("a", "b"),
    }
    assert nodes["plain"].attributes["task_id"] == "plain"
    assert graph.attributes["hamilton.graph.node_count"] == 4
    assert graph.attributes["hamilton.graph.modules"] == (module.__name__,)
    assert graph.attributes["codeanatomy.outputs"] == ("plain",)
    assert graph.attributes["hamilton.execution_run_id"] == hamilton_id


def test_pipeline_attributes(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """The pipeline's span tells how the driver executes, what was asked for, and the root where the inputs have it."""
    module = make_module("def size(repo_root: str) -> int:\n    return len(repo_root)\n")
    run(module, "size", repo_root="/some/where")
    attributes = telemetry.span("pipeline.execute").attributes
    assert attributes["codeanatomy.execution_mode"] == "plain"
    assert attributes["codeanatomy.outputs"] == ("size",)
    assert attributes["codeanatomy.repo_root"] == "/some/where"


def test_root_without_text(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A root whose text can't be had costs neither the pipeline its span nor the program its result."""

    class Silent:
        def __str__(self) -> str:
            raise RuntimeError

    module = make_module("def one(repo_root: object) -> int:\n    return 1\n")
    assert run(module, "one", repo_root=Silent()) == {"one": 1}
    assert telemetry.span("pipeline.execute").attributes["codeanatomy.outputs"] == ("one",)


def test_tags_of_hamilton_keep_their_prefix(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any) -> None:
    """Hamilton's own tags, which bear its prefix already, do not get it twice."""
    module = make_module(
        "from hamilton.function_modifiers import config\n@config.when(mode='a')\ndef one__a() -> int:\n    return 1\n"
    )
    driver.Builder().with_modules(module).with_config({"mode": "a"}).build().execute(["one"])
    assert by_node(telemetry.spans())["one"].attributes["hamilton.config"] == "mode"


def test_helper_nodes(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any) -> None:
    """Nodes that a modifier makes of a function bear the function's tags; its task is counted once, where it runs."""
    module = make_module(
        "from hamilton.function_modifiers import check_output, tag\n"
        "@tag(layer='execution', kind='task')\n"
        "@check_output(range=(0, 10), importance='warn')\n"
        "def checked(x: int) -> int:\n    return x\n"
    )
    with run_context("helpers"):
        run(module, "checked", x=99)
    nodes = by_node(telemetry.spans())
    assert len(nodes) > 2
    assert {span.name for span in nodes.values()} == {"hamilton.task"}
    assert {span.instrumentation_scope.name for span in nodes.values()} == {"codeanatomy.execution"}
    points = telemetry.metrics("codeanatomy.task.duration", run_id="helpers")
    assert [point.data.count for point in points] == [1]
    checks = [span for span in nodes.values() if "hamilton.data_quality.passed" in span.attributes]
    assert [span.attributes["hamilton.data_quality.passed"] for span in checks] == [False]


def test_task_duration(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """Each task's duration is recorded by its kind and status before the run ends; other nodes' are not."""
    module = make_module(
        "import time\nfrom hamilton.function_modifiers import tag\n"
        "@tag(kind='task')\ndef quick(x: int) -> int:\n    return x\n"
        "@tag(kind='task', task_kind='slow')\ndef slow(quick: int) -> int:\n    time.sleep(0.02)\n    return quick\n"
        "@tag(kind='stage')\ndef last(slow: int) -> float:\n    return 1 / slow\n"
        "@tag(kind='task')\ndef failing(slow: int) -> float:\n    return 1 / slow\n"
    )
    with run_context("durations"):
        run(module, "last", x=1)
        with pytest.raises(ZeroDivisionError):
            run(module, "failing", x=0)
    points = {
        (point.attributes["task_kind"], point.attributes["status"]): point.data
        for point in telemetry.metrics("codeanatomy.task.duration", run_id="durations")
    }
    assert {labels: point.count for labels, point in points.items()} == {
        ("task", "ok"): 2,
        ("slow", "ok"): 2,
        ("task", "error"): 1,
    }
    assert points["slow", "ok"].sum >= 0.04


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_errors(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any, error: type[BaseException]) -> None:
    """An error, an interrupt or an exit in a node is told by every span around it, and recorded and counted once."""
    module = make_module("def bad(error: type) -> int:\n    raise error(3)\n")
    run_id = f"errors-{error.__name__}"
    with run_context(run_id), pytest.raises(error):
        run(module, "bad", error=error)
    spans = telemetry.spans()
    assert [span.status.status_code.name for span in spans] == ["ERROR"] * 3
    assert {span.attributes["error.type"] for span in spans} == {error.__name__}
    assert [len(span.events) for span in spans] == [1, 0, 0]
    assert [point.data.value for point in telemetry.metrics("codeanatomy.error.count", run_id=run_id)] == [1]
    assert context.get_current() == {}


def test_leaving_with_success_is_no_error(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A task that ends the program with code 0 has done its work: neither its span nor its duration says otherwise."""
    module = make_module(
        "import sys\nfrom hamilton.function_modifiers import tag\n"
        "@tag(kind='task')\ndef last() -> int:\n    sys.exit(0)\n"
    )
    with run_context("leaving"), pytest.raises(SystemExit):
        run(module, "last")
    assert {span.status.status_code.name for span in telemetry.spans()} == {"UNSET"}
    (point,) = telemetry.metrics("codeanatomy.task.duration", run_id="leaving")
    assert point.attributes["status"] == "ok"


def test_suppression(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """What runs with instrumentation suppressed has no spans, also when its driver was traced before and is nested."""
    inner = driver.Builder().with_modules(make_module("def one(x: int) -> int:\n    return x\n")).build()
    inner.execute(["one"], inputs={"x": 1})
    telemetry.reset()
    outer = make_module(
        "from opentelemetry.instrumentation.utils import suppress_instrumentation\n"
        "def two(inner: object) -> int:\n"
        "    with suppress_instrumentation():\n        return inner.execute(['one'], inputs={'x': 1})['one']\n"
    )
    run(outer, "two", inner=inner)
    assert [span.name for span in telemetry.spans()] == ["hamilton.node", "hamilton.graph", "pipeline.execute"]
    telemetry.reset()
    with suppress_instrumentation():
        inner.execute(["one"], inputs={"x": 1})
    assert telemetry.spans() == []


def test_error_in_stage_is_counted_under_it(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """An error in a stage's node is counted under that stage, also when a span within it is the first to tell it."""
    module = make_module(
        "from hamilton.function_modifiers import tag\nfrom codeanatomy_distro.obs.tracing import active_span\n"
        "@tag(kind='stage')\ndef load(x: int) -> float:\n"
        "    with active_span('inner', scope='s'):\n        return 1 / x\n"
    )
    with run_context("stages"), pytest.raises(ZeroDivisionError):
        run(module, "load", x=0)
    (point,) = telemetry.metrics("codeanatomy.error.count", run_id="stages")
    assert point.attributes["stage"] == "load"


def test_user_spans_and_logs_nest(instrumented: Any, telemetry: Any, span_tree: Any, make_module: Any) -> None:
    """The user's own span begins under the node that runs, and the node's span covers its body."""
    module = make_module(
        "import time\nfrom opentelemetry import trace\n"
        "def one(x: int) -> int:\n"
        "    with trace.get_tracer('mine').start_as_current_span('mine'):\n        time.sleep(0.02)\n    return x\n"
    )
    run(module, "one", x=1)
    tree: Any = [("pipeline.execute", [("hamilton.graph", [("hamilton.node one", [("mine", [])])])])]
    assert span_tree(telemetry.spans()) == tree
    span = telemetry.span("hamilton.node")
    assert span.end_time - span.start_time >= 20_000_000


def test_async_nodes(instrumented: Any, telemetry: Any, span_tree: Any, by_node: Any, make_module: Any) -> None:
    """Asynchronous nodes run at the same time, each with the spans of its body under it and a link to the root."""
    module = make_module(
        "import asyncio\nfrom opentelemetry import trace\n"
        "async def left(x: int) -> int:\n"
        "    with trace.get_tracer('mine').start_as_current_span('in left'):\n        await asyncio.sleep(0.05)\n"
        "    return x\n"
        "async def right(x: int) -> int:\n"
        "    with trace.get_tracer('mine').start_as_current_span('in right'):\n        await asyncio.sleep(0.05)\n"
        "    return x\n"
        "def both(left: int, right: int) -> int:\n    return left + right\n"
    )

    async def runs() -> None:
        built = await build_async(module)
        await asyncio.gather(*(built.execute(["both"], inputs={"x": 1}) for _ in range(3)))

    asyncio.run(runs())
    nodes: list[Any] = [
        ("hamilton.node both", []),
        ("hamilton.node left", [("in left", [])]),
        ("hamilton.node right", [("in right", [])]),
    ]
    assert span_tree(telemetry.spans()) == [("pipeline.execute", [("hamilton.graph", nodes)])] * 3
    waiting = [span for span in telemetry.spans("hamilton.node") if span.attributes["node_name"] != "both"]
    assert max(span.start_time for span in waiting) < min(span.end_time for span in waiting)
    left, pipelines = by_node(telemetry.spans())["left"], telemetry.spans("pipeline.execute")
    assert left.end_time - left.start_time >= 50_000_000
    assert left.links[0].context in [span.context for span in pipelines]


def test_error_of_a_task_within_a_node(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """An error that a span in a task of the node's own has told is not told again by the node's span."""
    module = make_module(
        "import asyncio\nfrom codeanatomy_distro.obs.tracing import active_span\n"
        "async def _work() -> None:\n"
        "    with active_span('in the task', scope='s'):\n        raise ValueError\n"
        "async def one() -> int:\n    await asyncio.gather(_work())\n    return 1\n"
    )

    async def execute() -> None:
        await (await build_async(module)).execute(["one"])

    with run_context("tasks"), pytest.raises(ValueError):  # noqa: PT011 - it has no text
        asyncio.run(execute())
    assert {span.name: len(span.events) for span in telemetry.spans()} == {
        "in the task": 1,
        "hamilton.node": 0,
        "hamilton.graph": 0,
        "pipeline.execute": 0,
    }
    assert [point.data.value for point in telemetry.metrics("codeanatomy.error.count", run_id="tasks")] == [1]


def test_async_cancellation(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A cancelled execution ends all its spans as errors and leaves no context behind."""
    module = make_module("import asyncio\nasync def long(x: int) -> int:\n    await asyncio.sleep(30)\n    return x\n")

    async def cancel() -> bool:
        built = await build_async(module)
        task = asyncio.create_task(built.execute(["long"], inputs={"x": 1}))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.05)
        return trace.get_current_span() is trace.INVALID_SPAN

    assert asyncio.run(cancel())
    spans = telemetry.spans()
    assert sorted(span.name for span in spans) == ["hamilton.graph", "hamilton.node", "pipeline.execute"]
    assert {span.attributes["error.type"] for span in spans} == {"asyncio.exceptions.CancelledError"}


@pytest.mark.parametrize("kind", ["node", "stage"])
def test_abandoned_coroutine(instrumented: Any, telemetry: Any, make_module: Any, caplog: Any, kind: str) -> None:
    """An execution that nobody awaits to its end has all its spans once it is collected, and says nothing."""
    module = make_module(
        "import asyncio\nfrom hamilton.function_modifiers import tag\n"
        f"@tag(kind='{kind}')\nasync def long(x: int) -> int:\n    await asyncio.sleep(30)\n    return x\n"
    )

    async def abandon() -> None:
        built = await build_async(module)
        asyncio.get_running_loop().create_task(built.execute(["long"], inputs={"x": 1}))
        await asyncio.sleep(0.05)
        for task in asyncio.all_tasks():
            task._log_destroy_pending = False  # pyright: ignore[reportAttributeAccessIssue] # asyncio's own complaint

    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandon())
    loop.close()
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    names = ["hamilton.graph", f"hamilton.{kind}", "pipeline.execute"]
    assert sorted(span.name for span in telemetry.spans()) == names
    assert context.get_current() == {}


def test_cache_hits(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any, tmp_path: Any) -> None:
    """A node whose value came from Hamilton's cache says so."""
    module = make_module("def one(x: int) -> int:\n    return x\n")

    def hits() -> Any:
        telemetry.reset()
        built = driver.Builder().with_modules(module).with_cache(path=str(tmp_path)).build()
        assert built.execute(["one"], inputs={"x": 1}) == {"one": 1}
        return by_node(telemetry.spans())["one"].attributes["hamilton.cache.hit"]

    assert hits() is False
    assert hits() is True


class Hostile(
    lifecycle.BasePreGraphExecute,
    lifecycle.BasePostGraphExecute,
    lifecycle.BasePreNodeExecute,
    lifecycle.BasePostNodeExecute,
):
    """An adapter that raises at one of its hooks."""

    def __init__(self, hook: str) -> None:
        self.hook = hook

    def _raise_at(self, hook: str) -> None:
        if hook == self.hook:
            message = f"raised at {hook}"
            raise RuntimeError(message)

    def pre_graph_execute(self, **_: Any) -> None:
        """Perhaps raise."""
        self._raise_at("pre_graph")

    def post_graph_execute(self, **_: Any) -> None:
        """Perhaps raise."""
        self._raise_at("post_graph")

    def pre_node_execute(self, **_: Any) -> None:
        """Perhaps raise."""
        self._raise_at("pre_node")

    def post_node_execute(self, **_: Any) -> None:
        """Perhaps raise."""
        self._raise_at("post_node")


@pytest.mark.parametrize("hook", ["pre_graph", "pre_node", "post_node", "post_graph"])
@pytest.mark.parametrize("call", ["execute", "materialize", "async"])
def test_hostile_adapters(instrumented: Any, telemetry: Any, make_module: Any, hook: str, call: str) -> None:
    """Another adapter that raises, at any hook, leaves no span open and no context behind; its error is unchanged."""
    module = make_module("def one(x: int) -> int:\n    return x\n")

    def execute() -> None:
        if call == "async":

            async def run_async() -> None:
                built = async_driver.AsyncDriver({}, module, adapters=[Hostile(hook)], result_builder=base.DictResult())
                await built.execute(["one"], inputs={"x": 1})

            asyncio.run(run_async())
            return
        built = driver.Builder().with_modules(module).with_adapters(Hostile(hook)).build()
        if call == "execute":
            built.execute(["one"], inputs={"x": 1})
        else:
            built.materialize(additional_vars=["one"], inputs={"x": 1})

    with pytest.raises(RuntimeError, match=f"raised at {hook}"):
        execute()
    assert context.get_current() == {}
    spans = telemetry.spans()
    names = {span.name for span in spans}
    assert names >= {"pipeline.execute", "hamilton.graph"}
    outer = [span for span in spans if span.name in {"pipeline.execute", "hamilton.graph"}]
    assert {span.status.status_code.name for span in outer} == {"ERROR"}
    telemetry.reset()
    assert run(module, "one", x=1) == {"one": 1}
    assert len(telemetry.spans()) == 3


def test_our_failure_is_ours(
    instrumented: Any, telemetry: Any, make_module: Any, monkeypatch: Any, caplog: Any
) -> None:
    """When our own code fails, the run goes on and one warning is given."""
    from codeanatomy_distro.instrumentation import patching
    from codeanatomy_distro.instrumentation.hamilton import node_spans

    def fail(*_: Any) -> None:
        message = "a fault of ours"
        raise RuntimeError(message)

    monkeypatch.setattr(patching, "_reported", set())
    monkeypatch.setattr(node_spans, "describe_node", fail)
    module = make_module("def one(x: int) -> int:\n    return x\ndef two(one: int) -> int:\n    return one\n")
    with caplog.at_level(logging.WARNING):
        assert run(module, "two", x=1) == {"two": 1}
    assert len([record for record in caplog.records if "fault of ours" in record.getMessage()]) == 1
    assert {span.name for span in telemetry.spans()} == {"pipeline.execute", "hamilton.graph"}
