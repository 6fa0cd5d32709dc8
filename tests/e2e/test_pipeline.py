"""The main job: one run of a real pipeline, seen whole at a real receiver, over both protocols."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from codeanatomy_distro.obs.catalog import CATALOG, DURATION_BUCKETS
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Span, Telemetry

pytestmark = pytest.mark.e2e

SCOPE_OF_NODE = {
    "source_listing": "codeanatomy.extract",
    "chunks": "codeanatomy.planning",
    "parsed": "codeanatomy.execution",
    "facts": "codeanatomy.storage",
    "import_links": "codeanatomy.planning",
    "nodes": "codeanatomy.pipeline",
    "unparsable": "codeanatomy.pipeline",
    "summary": "codeanatomy.pipeline",
}
NAME_OF_NODE = {"source_listing": "hamilton.stage", "nodes": "hamilton.task", "summary": "hamilton.node"}


@dataclass(frozen=True)
class Run:
    """One instrumented run: what it printed and what the receiver got."""

    stdout: str
    stderr: str
    code: int
    telemetry: Telemetry

    @property
    def spans(self) -> dict[str, Span]:
        """The spans by id."""
        return {span.span_id: span for span in self.telemetry.spans}

    def named(self, name: str) -> list[Span]:
        """The spans called `name`."""
        return [span for span in self.telemetry.spans if span.name == name]

    def parent(self, span: Span) -> Span | None:
        """The span's parent."""
        return self.spans[span.parent_id] if span.parent_id else None

    def node(self, name: str) -> Span:
        """The span of one Hamilton node."""
        (found,) = [span for span in self.telemetry.spans if span.attributes.get("node_name") == name]
        return found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small source tree: the example's own source, and a file that does not parse."""
    root = tmp_path_factory.mktemp("tree")
    package = root / "package"
    package.mkdir()
    for source in (Path(__file__).parents[2] / "examples" / "codeanatomy").glob("*.py"):
        (package / source.name).write_bytes(source.read_bytes())
    (root / "broken.py").write_text("def f(:\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module", params=["grpc", "http/protobuf"])
def run(request: pytest.FixtureRequest, run_program: Any, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The example's run, over one protocol."""
    with OtlpReceiver() as receiving:
        ended = run_program(
            *("-m", "codeanatomy", str(tree), "--output", str(tmp_path_factory.mktemp("product"))),
            receiver=receiving,
            protocol=request.param,
            environ={"CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build", "DEPLOYMENT_ENVIRONMENT": "test"},
        )
        assert ended.code == 0, ended.stderr
        return Run(ended.stdout, ended.stderr, ended.code, receiving.telemetry)


def test_run_is_one_trace(run: Run) -> None:
    """A run gives one trace with one root, the span around the process."""
    assert len({span.trace_id for span in run.telemetry.spans}) == 1
    (root,) = [span for span in run.telemetry.spans if span.parent_id is None]
    assert root.name == "graph_product.build"
    assert root.scope.name == "codeanatomy.pipeline"
    assert root.status != "error"


def test_every_span_has_its_parent(run: Run) -> None:
    """Every span but the root names a parent that arrived, began no later and ended no earlier."""
    for span in run.telemetry.spans:
        if span.parent_id is None:
            continue
        parent = run.spans[span.parent_id]
        assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns, (parent.name, span.name)


def test_pipeline_contains_graph_contains_nodes(run: Run) -> None:
    """The pipeline stands under the root, Hamilton's graph under the pipeline, and each node under the graph."""
    (pipeline,) = run.named("pipeline.execute")
    (graph,) = run.named("hamilton.graph")
    (root,) = run.named("graph_product.build")
    assert pipeline.parent_id == root.span_id
    assert graph.parent_id == pipeline.span_id
    nodes = [span for span in run.telemetry.spans if "node_name" in span.attributes]
    assert len(nodes) > 15
    assert {node.parent_id for node in nodes} == {graph.span_id}


def test_tags_choose_name_and_scope_of_a_node(run: Run) -> None:
    """A node's kind tag chooses its span's name, its layer tag the scope, its task_id tag the attribute."""
    assert {name: run.node(name).scope.name for name in SCOPE_OF_NODE} == SCOPE_OF_NODE
    assert {name: run.node(name).name for name in NAME_OF_NODE} == NAME_OF_NODE
    node = run.node("nodes")
    assert node.attributes["task_id"] == "product.nodes"
    assert node.attributes["hamilton.layer"] == "outputs"
    assert node.attributes["hamilton.kind"] == "task"
    assert node.attributes["hamilton.execution_run_id"] == node.attributes["run_id"]


def test_query_stands_under_the_node_that_ran_it(run: Run) -> None:
    """Every DataFusion span has the node that ran it above it, directly or under another DataFusion span."""
    queries = [span for span in run.telemetry.spans if span.name.startswith("datafusion.")]
    assert {"datafusion.plan.compile", "datafusion.execute", "datafusion.write"} <= {span.name for span in queries}
    for query in queries:
        assert query.scope.name == "codeanatomy.datafusion"
        above = run.parent(query)
        while above is not None and above.scope.name == "codeanatomy.datafusion":
            above = run.parent(above)
        assert above is not None
        assert "node_name" in above.attributes, (query.name, above.name)


def test_run_id_is_on_every_span_and_log_record(run: Run) -> None:
    """A run that was given no id makes its own, a UUIDv7, and every span and log record carries it."""
    ids = {str(span.attributes.get("codeanatomy.run_id")) for span in run.telemetry.spans}
    ids |= {str(record.attributes.get("codeanatomy.run_id")) for record in run.telemetry.log_records}
    (run_id,) = ids
    assert UUID(run_id).version == 7


def test_sampled_spans_carry_the_sampling_rule(run: Run) -> None:
    """Each span names the rule that sampled it."""
    assert {str(span.attributes.get("otel.sampling.rule")) for span in run.telemetry.spans} == {"codeanatomy.default"}


def test_log_records_carry_trace_and_span(run: Run) -> None:
    """The program's log records name the trace, and the span of the node that wrote them."""
    (trace_id,) = {span.trace_id for span in run.telemetry.spans}
    assert run.telemetry.log_records
    assert {record.trace_id for record in run.telemetry.log_records} == {trace_id}
    (found,) = [record for record in run.telemetry.log_records if str(record.body).startswith("found ")]
    assert run.spans[str(found.span_id)].attributes["node_name"] == "source_listing"
    assert found.severity_text == "INFO"
    assert found.scope.name.startswith("codeanatomy.")


def test_resource_tells_the_service(run: Run) -> None:
    """All three signals come from one resource with the service's identity and the detected process."""
    resources = [item.resource for item in (*run.telemetry.spans, *run.telemetry.log_records)]
    resources += [point.resource for point in run.telemetry.metric_points]
    instances = {str(resource.attributes["service.instance.id"]) for resource in resources}
    assert len(instances) == 1
    attributes = resources[0].attributes
    assert attributes["service.name"] == "codeanatomy"
    assert attributes["deployment.environment.name"] == "test"
    assert attributes["telemetry.distro.name"] == "codeanatomy-distro"
    assert {"process.pid", "os.type", "host.arch"} <= set(attributes)


@pytest.mark.parametrize("name", ["codeanatomy.datafusion.execute.duration", "codeanatomy.datafusion.write.duration"])
def test_histograms_have_their_buckets_and_keys(run: Run, name: str) -> None:
    """Each duration has the catalogue's buckets, its unit, and no attribute key but its own and the run id."""
    points = [point for point in run.telemetry.metric_points if point.name == name]
    assert points
    for point in points:
        assert (point.kind, point.unit, point.scope.name) == ("histogram", "s", "codeanatomy.obs")
        assert point.bounds == DURATION_BUCKETS
        assert set(point.attributes) == {*CATALOG[name].keys, "codeanatomy.run_id"}


def test_histograms_count_what_the_trace_shows(run: Run) -> None:
    """The histogram of executions counts as many as there are execute spans: nothing lost, nothing doubled."""
    points = [p for p in run.telemetry.metric_points if p.name == "codeanatomy.datafusion.execute.duration"]
    latest = max(point.time_ns for point in points)
    assert sum(p.count or 0 for p in points if p.time_ns == latest) == len(run.named("datafusion.execute"))


@pytest.mark.parametrize(
    ("metric", "name"),
    [("codeanatomy.task.duration", "hamilton.task"), ("codeanatomy.stage.duration", "hamilton.stage")],
)
def test_tasks_and_stages_have_durations(run: Run, metric: str, name: str) -> None:
    """Each Hamilton task is in the histogram of tasks, each stage in that of stages."""
    points = [point for point in run.telemetry.metric_points if point.name == metric]
    assert sum(point.count or 0 for point in points) == len(run.named(name)) > 0
    assert {str(point.attributes["status"]) for point in points} == {"ok"}
    for point in points:
        assert set(point.attributes) == {*CATALOG[metric].keys, "codeanatomy.run_id"}


def test_output_is_the_same_with_and_without(run: Run, run_program: Any, tree: Path, tmp_path: Path) -> None:
    """The program prints and returns the same, instrumented or not."""
    bare = run_program("-m", "codeanatomy", str(tree), "--output", str(tmp_path), instrumented=False)
    assert bare.code == run.code

    def without_paths(text: str) -> list[str]:
        return [line for line in text.splitlines() if "product" not in line and str(tmp_path) not in line]

    assert without_paths(bare.stdout) == without_paths(run.stdout)
    assert bare.stderr == run.stderr


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_failing_run_is_the_same_with_and_without(
    run_program: Any, receiver: OtlpReceiver, tree: Path, tmp_path: Path, protocol: str
) -> None:
    """A run that fails prints the same and leaves with the same code, and its root span tells the failure."""
    command = ("-m", "codeanatomy", str(tree), "--output", str(tmp_path / "out"), "--fail-on-unparsable")
    bare = run_program(*command, instrumented=False)
    ended = run_program(
        *command, receiver=receiver, protocol=protocol, environ={"CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build"}
    )
    assert (bare.code, bare.stdout, bare.stderr) == (ended.code, ended.stdout, ended.stderr)
    assert ended.code == 1
    (root,) = [span for span in receiver.telemetry.spans if span.name == "graph_product.build"]
    assert root.status == "error"
    assert root.attributes["process.exit.code"] == 1
