"""One run of the example at the level `full`: beneath each query the operators of its plan, at the receiver."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from codeanatomy_distro.testing.otlp import Span

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
Tree = list[tuple[int, str]]
"""The operators of a plan by name, each with its depth, in the order in which EXPLAIN prints them."""


class Queries:
    """The spans of one run, and a session with all tables and views of that run, in which to explain its queries."""

    def __init__(self, spans: list[Span], session: Any) -> None:
        self.session = session
        self.below: dict[str | None, list[Span]] = {}
        for span in spans:
            self.below.setdefault(span.parent_id, []).append(span)
        kept = {"collect", "to_arrow_table", "execute_stream"}
        names = {"datafusion.execute", "datafusion.write"}
        self.executed = [span for span in spans if span.name in names and span.attributes["datafusion.method"] in kept]

    def operators(self, query: Span) -> list[tuple[int, Span]]:
        """Return the operators' spans beneath `query`, each with its depth."""
        found: list[tuple[int, Span]] = []
        pending = [(0, span) for span in self.below.get(query.span_id, [])]
        while pending:
            depth, span = pending.pop(0)
            found.append((depth, span))
            pending[:0] = [(depth + 1, child) for child in self.below.get(span.span_id, [])]
        return found

    def explained(self, query: Span) -> Tree:
        """Return what EXPLAIN says of the text of `query`."""
        rows = self.session.sql(f"explain {query.attributes['db.query.text']}").to_pylist()
        (text,) = [row["plan"] for row in rows if row["plan_type"] == "physical_plan"]
        return [((len(line) - len(line.lstrip())) // 2, line.strip().split(":", 1)[0]) for line in text.splitlines()]


@pytest.fixture(scope="module")
def queries(run_program: Any, tmp_path_factory: pytest.TempPathFactory) -> Queries:
    """The example's run over its own source, with the texts of its queries as they are written."""
    output = tmp_path_factory.mktemp("product")
    with OtlpReceiver() as receiver:
        ended = run_program(
            *("-m", "codeanatomy", str(ROOT / "examples"), "--output", str(output)),
            receiver=receiver,
            protocol="http/protobuf",
            environ={
                "CODEANATOMY_OTEL_DATAFUSION_METRICS": "full",
                "CODEANATOMY_OTEL_DATAFUSION_QUERY_TEXT": "full",
                "CODEANATOMY_OTEL_REDACTION": "off",
            },
        )
        assert ended.code == 0, ended.stderr
        return Queries(list(receiver.telemetry.spans), _session(str(output)))


def _session(output: str) -> Any:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from codeanatomy import queries, session, tables
    finally:
        sys.path.remove(str(ROOT / "examples"))
    made = session.open_session(output)
    session.define(made, queries.IMPORT_VIEWS)
    session.define(made, queries.CALL_TABLES)
    for table in tables.DERIVED_TABLES:
        session.register_file(made, table, tables.table_directory(output, table))
    for product in tables.PRODUCTS:
        session.register_file(made, product, tables.product_path(output, product))
    return made


def test_each_query_has_the_operators_of_its_plan(queries: Queries) -> None:
    """The operators beneath a query are those that EXPLAIN names, nested as there, and as many as the query tells."""
    assert len(queries.executed) > 10
    assert {"datafusion.execute", "datafusion.write"} == {query.name for query in queries.executed}
    for query in queries.executed:
        tree = queries.operators(query)
        assert [(depth, span.name) for depth, span in tree] == queries.explained(query)
        assert query.attributes["datafusion.operators"] == len(tree)


def test_operators_have_the_engines_own_times_within_their_query(queries: Queries) -> None:
    """Each operator began and ended within the one above it, and the outermost within the query; not all at once."""
    for query in queries.executed:
        above = {0: query}
        for depth, span in queries.operators(query):
            parent = above[depth]
            assert parent.start_ns <= span.start_ns <= span.end_ns <= parent.end_ns
            above[depth + 1] = span
    spans = [span for query in queries.executed for _, span in queries.operators(query)]
    assert len({(span.start_ns, span.end_ns) for span in spans}) > len(queries.executed)


def test_operators_tell_what_they_are_and_did(queries: Queries) -> None:
    """Operators carry the keys of `datafusion-tracing`, typed, and their query's scope."""
    spans = [span for query in queries.executed for _, span in queries.operators(query)]
    assert {span.scope.name for span in spans} == {"codeanatomy.datafusion"}
    assert all(str(span.attributes["datafusion.node"]).startswith(span.name) for span in spans)
    rows = [span.attributes.get("datafusion.metrics.output_rows") for span in spans]
    assert sum(isinstance(count, int) and count > 0 for count in rows) > len(queries.executed)
    scans = [span for span in spans if span.name == "DataSourceExec"]
    assert any(isinstance(span.attributes.get("datafusion.metrics.bytes_scanned"), int) for span in scans)
