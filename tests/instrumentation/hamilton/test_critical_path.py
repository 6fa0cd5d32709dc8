"""The chain of nodes that determined how long a run took."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hamilton import driver
from hypothesis import given
from hypothesis import strategies as st

from codeanatomy_distro.instrumentation.hamilton.critical_path import find_critical_path


def timing(name: str, began: int, ended: int, *dependencies: str, task: str | None = None) -> Any:
    """Return one node's times."""
    return SimpleNamespace(name=name, dependencies=dependencies), task, began, ended


def test_longest_chain() -> None:
    """Of two branches the slower one is the path, whichever ran last."""
    timings = [
        timing("a", 0, 10),
        timing("slow", 10, 60, "a"),
        timing("fast", 60, 70, "a"),
        timing("end", 70, 75, "slow", "fast"),
    ]
    assert find_critical_path(timings) == (["a", "slow", "end"], 65)


def test_blocks() -> None:
    """A node that collects blocks waited for the slowest of them; a block's nodes follow their own."""
    timings = [
        timing("item", 0, 1),
        timing("one", 1, 50, "item", task="0"),
        timing("one", 1, 5, "item", task="1"),
        timing("two", 5, 30, "one", task="1"),
        timing("two", 50, 52, "one", task="0"),
        timing("all", 52, 53, "two"),
    ]
    assert find_critical_path(timings) == (["item", "one", "two", "all"], 53)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=30))
def test_never_longer_than_all(spans: list[tuple[int, int]]) -> None:
    """A chain's time is at least the longest node's and at most the sum of all."""
    timings = [timing(str(i), b, b + length, *(str(j) for j in range(i))) for i, (b, length) in enumerate(spans)]
    names, total = find_critical_path(timings)
    lengths = [length for _, length in spans]
    assert max(lengths) <= total <= sum(lengths)
    assert len(set(names)) == len(names)


def test_on_the_graph_span(instrumented: Any, telemetry: Any, make_module: Any) -> None:
    """The graph's span tells the chain and its share once the run has ended."""
    module = make_module(
        "import time\n"
        "def a(x: int) -> int:\n    return x\n"
        "def slow(a: int) -> int:\n    time.sleep(0.05)\n    return a\n"
        "def fast(a: int) -> int:\n    return a\n"
        "def end(slow: int, fast: int) -> int:\n    return slow + fast\n"
    )
    driver.Builder().with_modules(module).build().execute(["end"], inputs={"x": 1})
    attributes = telemetry.span("hamilton.graph").attributes
    assert attributes["hamilton.critical_path"] == ("a", "slow", "end")
    assert 0.5 < attributes["hamilton.critical_path.share"] <= 1.0
