"""One graph on every executor: the same tree, in one trace, from what a real OTLP receiver got."""

from __future__ import annotations

import os
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Span
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = [pytest.mark.e2e]

PROGRAMS = Path(__file__).parent / "hamilton_programs"
SLEEP_NS = 50_000_000
HERE = ["plain", "local", "threads", "futures", "async"]
PROCESSES = ["processes-fork", "processes-forkserver", "processes-spawn"]
DISTRIBUTED = ["dask-graph", "dask-executor", "ray-graph", "ray-executor"]
SYNCHRONOUS = {"plain", "local"}

Tree = list[tuple[str, "Tree"]]

TREE: Tree = [
    (
        "graph_product.build",
        [
            (
                "pipeline.execute",
                [
                    (
                        "hamilton.graph",
                        [
                            ("hamilton.node total", [("body of total", [])]),
                            ("hamilton.stage source", [("body of source", [])]),
                            ("hamilton.task left", [("body of left", [])]),
                            (
                                "hamilton.task right",
                                [("body of right", []), ("datafusion.execute", []), ("datafusion.plan.compile", [])],
                            ),
                        ],
                    )
                ],
            )
        ],
    )
]


def distributed(name: str) -> Any:
    """Return `name` as a parameter that runs where its package is installed, in a session of its own."""
    package = {"dask": "distributed", "ray": "ray"}[name.partition("-")[0]]
    missing = find_spec(package) is None
    marks = [
        pytest.mark.distributed,
        pytest.mark.timeout(300),
        pytest.mark.skipif(
            missing and not os.environ.get("DISTRIBUTED_REQUIRED"), reason=f"{package} is not installed"
        ),
    ]
    return pytest.param(name, marks=marks)


def tree_of(spans: tuple[Span, ...]) -> Tree:
    """Return the spans as a tree, nodes by their names, each level sorted."""
    known = {span.span_id for span in spans}

    def below(parent: str | None) -> Tree:
        level = [span for span in spans if (span.parent_id if span.parent_id in known else None) == parent]
        return sorted((label(span), below(span.span_id)) for span in level)

    return below(None)


def label(span: Span) -> str:
    """Return the name of a span, with its node's if it has one."""
    node = span.attributes.get("node_name")
    return span.name if node is None else f"{span.name} {node}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("executor", [*HERE, *PROCESSES, *map(distributed, DISTRIBUTED)])
def test_same_tree(executor: str, run_program: Any, receiver: OtlpReceiver) -> None:
    """On every executor: the result, one trace, every span's parent, links, run id, logs, durations and counts."""
    ended = run_program(
        str(PROGRAMS / "run_shared_dag.py"),
        executor,
        receiver=receiver,
        environ={
            "CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build",
            "PYTHONPATH": str(PROGRAMS),
            # On a busy machine neither the start of a cluster nor the last export is quick.
            "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "60000",
            "RAY_raylet_start_wait_time_s": "240",
            "RAY_AUTH_MODE": "disabled",
        },
        limit=280,
    )
    assert ended.code == 0, ended.stderr
    assert ended.stdout.strip().splitlines()[-1] == "{'total': 35}"

    spans = receiver.spans
    assert tree_of(spans) == TREE
    assert len({span.trace_id for span in spans}) == 1
    (root,) = (span for span in spans if span.name == "graph_product.build")
    run_ids = {str(span.attributes.get("codeanatomy.run_id")) for span in spans}
    assert len(run_ids) == 1
    assert "None" not in run_ids

    nodes = {str(span.attributes["node_name"]): span for span in spans if "node_name" in span.attributes}
    for span in nodes.values():
        assert span.duration_ns >= SLEEP_NS
        links = [] if executor in SYNCHRONOUS else [(root.trace_id, root.span_id)]
        assert [(link.trace_id, link.span_id) for link in span.links] == links
    assert nodes["left"].attributes["task_id"] == "task.left"

    bodies = {span.span_id for span in spans if span.name.startswith("body of ")}
    told = [record for record in receiver.log_records if record.scope.name == "shared_dag" or record.span_id in bodies]
    assert Counter(str(record.body) for record in told) == {
        f"in {name}": 1 for name in ("source", "left", "right", "total")
    }
    assert {record.trace_id for record in told} == {root.trace_id}

    # Cumulative sums by the process that made them: the last of each counts.
    last: dict[object, int] = {}
    for point in receiver.metric_points:
        if point.name == "codeanatomy.task.duration":
            last[point.resource.attributes.get("service.instance.id"), str(point.attributes)] = point.count or 0
    assert sum(last.values()) == 2
