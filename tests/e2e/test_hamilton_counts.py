"""Tasks, stages and errors in worker processes are counted once each, sampled or not, however short they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = [pytest.mark.e2e]

PROGRAM = Path(__file__).parent / "hamilton_programs" / "run_counted_dag.py"


@pytest.mark.parametrize(
    ("method", "sampler"),
    [("fork", "always_on"), ("fork", "always_off"), ("spawn", "always_on"), ("spawn", "always_off")],
)
def test_counts(method: str, sampler: str, run_program: Any, receiver: OtlpReceiver) -> None:
    """What the parent ran before it forked is counted by it alone, and what a worker ran by that worker."""
    environ = {"OTEL_TRACES_SAMPLER": sampler, "PYTHONPATH": str(PROGRAM.parent)}
    ended = run_program(str(PROGRAM), method, receiver=receiver, environ=environ)
    assert ended.code == 0, ended.stderr
    assert ended.stdout.splitlines() == ["{'total': 14}", "nothing to load"]

    # Cumulative sums by the process that made them: the last of each counts.
    last: dict[tuple[object, str, tuple[object, ...]], float] = {}
    keys = {
        "codeanatomy.task.duration": ("task_kind", "status"),
        "codeanatomy.stage.duration": ("stage", "status"),
        "codeanatomy.error.count": ("error_type", "stage"),
    }
    for point in receiver.metric_points:
        if point.name in keys:
            labels = tuple(point.attributes[key] for key in keys[point.name])
            amount = point.value if point.count is None else point.count
            last[point.resource.attributes["service.instance.id"], point.name, labels] = amount or 0
    counts: Counter[tuple[str, tuple[object, ...]]] = Counter()
    for (_, name, labels), amount in last.items():
        counts[name, labels] += int(amount)
    assert counts == {
        ("codeanatomy.task.duration", ("early", "ok")): 2,
        ("codeanatomy.task.duration", ("block", "ok")): 4,
        ("codeanatomy.stage.duration", ("load", "ok")): 4,
        ("codeanatomy.stage.duration", ("load", "error")): 1,
        ("codeanatomy.error.count", ("ValueError", "load")): 1,
    }
    assert sum(len(span.events) for span in receiver.spans) == (1 if sampler == "always_on" else 0)
