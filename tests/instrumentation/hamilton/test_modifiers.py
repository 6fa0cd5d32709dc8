"""Nodes that function modifiers make: they bear their function's tags, and its duration is that of its body."""

from __future__ import annotations

from typing import Any

import pytest
from hamilton import driver

from codeanatomy_distro.instrumentation.hamilton.nodes import NodeInfo
from codeanatomy_distro.obs.run_context import run_context

HEAD = """
import time
from hamilton.function_modifiers import *
from hamilton.function_modifiers import source, value

task = tag(kind="task", layer="execution")


def _up(v: int) -> int:
    return v + 1


"""
BODY = "    time.sleep(0.01)\n    return x\n"
FIELDS = "    time.sleep(0.01)\n    return {'a': x, 'b': x}\n"
TWICE = "@parameterize(a={'y': value(1)}, b={'y': value(2)})\n"
CHECK = "@check_output(range=(0, 10))\n"
EXTRACT = "@extract_fields({'a': int, 'b': int})\n"

CASES: dict[str, tuple[str, list[str]]] = {
    "none": (f"@task\ndef a(x: int) -> int:\n{BODY}", ["a"]),
    "check_output": (f"@task\n{CHECK}def a(x: int) -> int:\n{BODY}", ["a_raw"]),
    "parameterize": (f"@task\n{TWICE}def f(x: int, y: int) -> int:\n{BODY}", ["a", "b"]),
    "parameterize one by the other": (
        f"@task\n@parameterize(a={{'x': source('n')}}, b={{'x': source('a')}})\ndef f(x: int) -> int:\n{BODY}",
        ["a", "b"],
    ),
    "parameterize and check_output": (
        f"@task\n{CHECK}{TWICE}def f(x: int, y: int) -> int:\n{BODY}",
        ["a_raw", "b_raw"],
    ),
    "extract_fields": (f"@task\n{EXTRACT}def f(x: int) -> dict:\n{FIELDS}", ["f"]),
    "extract_fields and check_output": (
        f"@task\n@check_output(range=(0, 10), target_='a')\n{EXTRACT}def f(x: int) -> dict:\n{FIELDS}",
        ["f"],
    ),
    "inject": (f"@task\n@inject(y=value(3))\ndef a(x: int, y: int) -> int:\n{BODY}", ["a"]),
    "pipe_input": (f"@task\n@pipe_input(step(_up), step(_up))\ndef a(x: int) -> int:\n{BODY}", ["a"]),
    "pipe_output": (f"@task\n@pipe_output(step(_up), step(_up))\ndef a(x: int) -> int:\n{BODY}", ["a.raw"]),
    "does": ("def _do(x: int) -> int:\n" + BODY + "@task\n@does(_do)\ndef a(x: int) -> int:\n    pass\n", ["a"]),
    "subdag": (
        f"@task\ndef inner(x: int) -> int:\n{BODY}@subdag(inner)\ndef a(inner: int) -> int:\n    return inner\n",
        ["a.inner"],
    ),
    "subdag with a check": (
        f"@task\n{CHECK}def inner(x: int) -> int:\n{BODY}@subdag(inner)\ndef a(inner: int) -> int:\n    return inner\n",
        ["a.inner_raw"],
    ),
}


@pytest.mark.parametrize("modifiers", CASES)
def test_task_duration_is_the_bodys(instrumented: Any, telemetry: Any, make_module: Any, modifiers: str) -> None:
    """A task's duration is recorded once for each node in which its function's body runs, and for no other."""
    source, running = CASES[modifiers]
    built: Any = driver.Builder().with_modules(make_module(HEAD + source)).build()
    timed = sorted(name for name, node in built.graph.nodes.items() if NodeInfo(node).timed)
    assert [name for name in timed if not name.startswith("inner")] == running  # that of a subdag is a node as well
    outputs: list[Any] = [name for name in ("a", "b") if name in built.graph.nodes]
    with run_context(modifiers):
        built.execute(outputs, inputs={"n" if modifiers.endswith("other") else "x": 1})
    (point,) = telemetry.metrics("codeanatomy.task.duration", run_id=modifiers)
    assert point.data.count == len(running)
    assert point.data.sum >= 0.01 * len(running)


def test_strangers_lend_no_tags(instrumented: Any, telemetry: Any, by_node: Any, make_module: Any) -> None:
    """Nodes of one function that only take the same input are no family: neither gets the other's tags."""
    module = make_module(
        HEAD
        + "@tag_outputs(a={'kind': 'task'}, b={'owner': 'a team'})\n"
        + TWICE
        + "def f(x: int, y: int) -> int:\n"
        + BODY
    )
    driver.Builder().with_modules(module).build().execute(["a", "b"], inputs={"x": 1})
    nodes = by_node(telemetry.spans())
    assert (nodes["a"].name, nodes["b"].name) == ("hamilton.task", "hamilton.node")
    assert "hamilton.kind" not in nodes["b"].attributes


def test_stage_bears_its_functions_name(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """A stage made of several nodes is recorded under the function's name, not under that of a helper node."""
    module = make_module(HEAD + "@tag(kind='stage')\n" + CHECK + "def load(x: int) -> int:\n" + BODY)
    with run_context("stage of several"):
        driver.Builder().with_modules(module).build().execute(["load"], inputs={"x": 1})
    (point,) = telemetry.metrics("codeanatomy.stage.duration", run_id="stage of several")
    assert (point.attributes["stage"], point.data.count) == ("load", 1)
