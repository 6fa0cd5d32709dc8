"""Worker processes of every kind: all that they record arrives, in their parent's trace and under their own name."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeanatomy_distro.testing.otlp import Span, Telemetry

pytestmark = pytest.mark.e2e

PROGRAM = str(Path(__file__).parent / "process_programs" / "workers.py")
METHODS = ("fork", "forkserver", "spawn")
PROTOCOLS = ("grpc", "http/protobuf")
SET_UP = ("instrumented", "configured")
PIECES = {
    "warm up": 1,
    "process": 1,
    "raising": 1,
    "exiting": 1,
    "terminated": 1,
    "pool left": 4,
    "pool closed": 5,
    "executor": 3,
    "renewed": 2,
    "program": 1,
    "threads": 3,
}


@dataclass(frozen=True)
class Run:
    """One run of the program: how each kind of worker ended, what stood on stderr, and what arrived."""

    ended: dict[str, int]
    stderr: str
    telemetry: Telemetry

    def work(self, kind: str) -> list[Span]:
        """The spans of the pieces of work of `kind`."""
        return [span for span in self.telemetry.spans_named("work") if span.attributes["kind"] == kind]


@pytest.fixture(scope="module")
def runs(run_program: Any) -> Iterator[dict[tuple[str, str, str], Future[Run]]]:
    """Every combination of start method, protocol and way to be set up, run two at a time while the tests go on."""

    def run(combination: tuple[str, str, str]) -> Run:
        method, protocol, set_up = combination
        flags = ["--configure"] if set_up == "configured" else []
        with OtlpReceiver() as receiver:
            done = run_program(
                PROGRAM,
                method,
                *flags,
                receiver=receiver,
                protocol=protocol,
                instrumented=not flags,
                environ={
                    "CODEANATOMY_RUN_ID": "run-1",
                    "OTEL_SERVICE_INSTANCE_ID": "instance",
                    # nothing of what is tested depends on a quick machine
                    "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000",
                },
            )
            assert done.code == 0, done.stderr
            return Run(json.loads(done.stdout), done.stderr, receiver.telemetry)

    combinations = [(method, protocol, up) for method in METHODS for protocol in PROTOCOLS for up in SET_UP]
    with ThreadPoolExecutor(2) as pool:
        yield {combination: pool.submit(run, combination) for combination in combinations}


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest) -> str:
    """One start method."""
    return request.param


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    """One protocol."""
    return request.param


@pytest.fixture(params=SET_UP)
def run(request: pytest.FixtureRequest, runs: dict[Any, Future[Run]], method: str, protocol: str) -> Run:
    """One run."""
    return runs[method, protocol, request.param].result()


@pytest.mark.parametrize("kind", PIECES)
def test_every_piece_of_work_arrives_once_under_the_span_that_asked_for_it(run: Run, kind: str) -> None:
    """A worker's spans are all there, once, children of the span that was current where the work was handed over."""
    (parent,) = run.telemetry.spans_named(kind)
    work = run.work(kind)
    assert len(work) == len({span.span_id for span in work}) == PIECES[kind]
    assert {(span.trace_id, span.parent_id) for span in work} == {(parent.trace_id, parent.span_id)}
    assert [span.attributes["codeanatomy.run_id"] for span in work] == ["run-1"] * PIECES[kind]


def test_log_records_arrive_once_with_the_span_they_were_made_in(run: Run) -> None:
    """Each piece of work's log record is there once, in the trace and span that made it."""
    records = [record for record in run.telemetry.log_records if record.scope.name == "workers"]
    spans = {span.span_id: span.trace_id for span in run.telemetry.spans_named("work")}
    assert {record.span_id: record.trace_id for record in records} == spans
    assert len(records) == len(spans)


def test_each_process_counts_its_own_work_and_nothing_of_its_parents(run: Run) -> None:
    """The last count of each process is that of its own pieces of work; the parent's count stays the parent's."""
    done = Counter(span.attributes["pid"] for span in run.telemetry.spans_named("work"))
    last: dict[tuple[Any, Any], float | None] = {}
    for point in run.telemetry.points_of("work.done"):
        last[point.resource.attributes["process.pid"], point.attributes["kind"]] = point.value
    counted: Counter[Any] = Counter()
    for (pid, _), value in last.items():
        counted[pid] += int(value or 0)
    assert counted == done, run.stderr
    calls = {
        (point.resource.attributes["process.pid"], point.value) for point in run.telemetry.points_of("parent.calls")
    }
    assert calls == {(run.ended["pid"], 5)}


def test_each_process_goes_by_its_own_pid_and_instance_id(run: Run) -> None:
    """The resource names the process that did the work; an instance id that the user gave is told apart by the pid."""
    for span in run.telemetry.spans_named("work"):
        resource, pid = span.resource.attributes, span.attributes["pid"]
        assert resource["process.pid"] == pid
        expected = "instance" if pid == run.ended["pid"] else f"instance-{pid}"
        assert resource["service.instance.id"] == expected


def test_workers_end_as_they_would_without_telemetry(run: Run) -> None:
    """Results and exit codes are those of the program alone, and none of our words is on stderr."""
    expected = {"process": 0, "raising": 1, "exiting": 3, "terminated": -15, "pool left": 4, "pool closed": 5}
    expected |= {"renewed": 2, "program": 0}
    assert {kind: run.ended[kind] for kind in expected} == expected
    assert "codeanatomy" not in run.stderr.replace("codeanatomy_distro/", "")
    assert "DeprecationWarning" not in run.stderr
