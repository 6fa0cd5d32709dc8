"""Compile, write and view spans, their attributes, and the metrics; labels are words of small sets."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")


def _points(telemetry: Any, name: str) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = {}
    for point in telemetry.metrics(name):
        labels = tuple(str(value) for key, value in sorted(point.attributes.items()) if key != "codeanatomy.run_id")
        found[labels] = point.data.count
    return found


@pytest.fixture
def writing(case: Any, telemetry: Any) -> Any:
    """Give a case with an empty table `target`, the telemetry so far forgotten."""
    case.context.register_record_batches("target", [[pa.record_batch([pa.array([], pa.int64())], names=["a"])]])
    telemetry.reset()
    return case


def test_each_method_that_writes_tells_kind_and_place(writing: Any, telemetry: Any) -> None:
    """write_csv, write_json and write_parquet tell the kind of destination; the path is on the span alone."""
    for kind in ("csv", "json", "parquet"):
        place = str(writing.folder / f"secret-{kind}")
        getattr(writing.frame, f"write_{kind}")(place)
        span = telemetry.spans("datafusion.write")[-1]
        assert span.attributes["datafusion.write.destination"] == kind
        assert span.attributes["datafusion.write.path"] == place
    assert _points(telemetry, "codeanatomy.datafusion.write.duration") == {
        (kind, "ok"): 1 for kind in ("csv", "json", "parquet")
    }


def test_each_run_of_copy_and_insert_is_a_write(writing: Any, telemetry: Any) -> None:
    """COPY and INSERT write when they are collected, each time anew, and each is a write and no execution."""
    copy = writing.context.sql(f"copy (select a from numbers) to '{writing.folder / 'copied'}' stored as csv")
    insert = writing.context.sql("insert into target select a from numbers")
    assert telemetry.spans("datafusion.write") == []
    for frame in (copy, insert, insert):
        frame.collect()
    told = [span.attributes for span in telemetry.spans("datafusion.write")]
    assert [each["datafusion.write.destination"] for each in told] == ["csv", "table", "table"]
    assert told[0]["datafusion.write.path"] == str(writing.folder / "copied")
    assert "copied" not in told[0]["db.query.text"]
    assert told[1]["db.collection.name"] == "target"
    assert writing.context.sql("select count(*) as n from target").to_pydict() == {"n": [200]}
    assert _points(telemetry, "codeanatomy.datafusion.write.duration") == {("csv", "ok"): 1, ("table", "ok"): 2}


def test_explain_analyze_of_a_write_is_a_write(writing: Any, telemetry: Any) -> None:
    """EXPLAIN ANALYZE of an INSERT or a COPY writes: it is a write, each time; EXPLAIN alone is none."""
    place = writing.folder / "copied.json"
    insert = writing.context.sql("explain analyze insert into target select a from numbers")
    copy = writing.context.sql(f"explain analyze verbose copy numbers to '{place}'")
    plain = writing.context.sql("explain insert into target select a from numbers")
    telemetry.reset()
    for frame in (insert, copy, plain):
        frame.collect()
    assert [span.name for span in telemetry.spans()] == ["datafusion.write", "datafusion.write", "datafusion.execute"]
    told = [span.attributes for span in telemetry.spans()]
    assert [each["db.operation.name"] for each in told] == ["EXPLAIN"] * 3
    assert [each.get("datafusion.write.destination") for each in told] == ["table", "json", None]
    assert place.exists()
    assert writing.context.sql("select count(*) as n from target").to_pydict() == {"n": [100]}


def test_views_are_told(writing: Any, telemetry: Any) -> None:
    """CREATE VIEW, register_view and into_view make a view span each, and no execution."""
    writing.context.sql("create view one as select * from numbers")
    wanted = 1
    if hasattr(writing.context, "register_view") and not datafusion.__version__.startswith("48."):  # broken there
        writing.context.register_view("two", writing.frame)
        writing.frame.into_view()
        wanted = 3
    spans = telemetry.spans("datafusion.write_view")
    assert len(spans) == wanted
    assert [span.attributes.get("db.collection.name") for span in spans][:2] == ["one", "two"][:wanted]
    assert {span.attributes["datafusion.write.destination"] for span in spans} == {"view"}
    assert _points(telemetry, "codeanatomy.datafusion.write.duration") == {("view", "ok"): wanted}
    assert telemetry.spans("datafusion.execute") == []


def test_compile_spans_of_what_makes_a_plan(writing: Any, telemetry: Any) -> None:
    """sql, table, read_x and logical plans make a compile span each, with the user's method."""
    context = writing.context
    writing.frame.write_parquet(str(writing.folder / "files"))
    telemetry.reset()
    context.sql("select 1")
    context.table("numbers")
    context.read_parquet(str(writing.folder / "files"))
    context.empty_table()
    context.create_dataframe_from_logical_plan(writing.frame.logical_plan())
    told = [span.attributes["datafusion.method"] for span in telemetry.spans("datafusion.plan.compile")]
    assert told == ["sql", "table", "read_parquet", "empty_table", "create_dataframe_from_logical_plan"]


def test_substrait_is_compiled(writing: Any, telemetry: Any) -> None:
    """SQL made into a Substrait plan, and a plan made into a DataFrame's, are compile spans."""
    from datafusion.substrait import Consumer, Serde

    data = Serde.serialize_bytes("select a from numbers", writing.context)
    plan = Consumer.from_substrait_plan(writing.context, Serde.deserialize_bytes(data))
    writing.context.create_dataframe_from_logical_plan(plan).collect()
    told = [span.attributes["datafusion.method"] for span in telemetry.spans("datafusion.plan.compile")]
    assert told == ["serialize_bytes", "from_substrait_plan", "create_dataframe_from_logical_plan"]


def test_a_serialized_plan_is_compiled(writing: Any, telemetry: Any) -> None:
    """A logical plan that is read from bytes is a compile span, and so is the DataFrame made of it."""
    from datafusion.plan import LogicalPlan

    writing.frame.write_parquet(str(writing.folder / "files"))
    writing.context.register_parquet("stored", str(writing.folder / "files"))
    plan = writing.context.sql("select a from stored").logical_plan()
    if not hasattr(plan, "to_bytes"):
        pytest.skip("not in this release")
    data = plan.to_bytes(writing.context)
    telemetry.reset()
    writing.context.create_dataframe_from_logical_plan(LogicalPlan.from_bytes(writing.context, data))
    told = [span.attributes["datafusion.method"] for span in telemetry.spans("datafusion.plan.compile")]
    assert told == ["from_bytes", "create_dataframe_from_logical_plan"]


def test_attributes_are_there_when_the_span_starts(instrument: Any) -> None:
    """A sampler sees the attributes of the database conventions, and decides by them."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult

    seen: list[dict[str, Any]] = []

    class Noting(Sampler):
        def should_sample(
            self,
            parent_context: Any,
            trace_id: Any,
            name: Any,
            kind: Any = None,
            attributes: Any = None,
            *_: Any,
            **__: Any,
        ) -> Any:
            seen.append({"name": name, **(attributes or {})})
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)

        def get_description(self) -> str:
            return "Noting"

    instrumentor = instrument()
    instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=TracerProvider(sampler=ParentBased(Noting())))
    context = datafusion.SessionContext()
    context.from_pydict({"a": [1]}, name="facts")
    context.sql("select a from facts where a <> 7").collect()
    assert [each["name"] for each in seen] == ["datafusion.plan.compile", "datafusion.execute"]
    for each in seen:
        assert each["db.system.name"] == "datafusion"
        assert each["db.operation.name"] == "SELECT"
        assert each["db.collection.name"] == "facts"
        assert each["db.query.summary"] == "SELECT facts"
        assert each["db.query.text"] == "select a from facts where a <> ?"


def test_the_namespace_is_the_sessions(case: Any, telemetry: Any) -> None:
    """`db.namespace` is the default catalog and schema of the session, and another once a statement has set one."""
    context = datafusion.SessionContext(datafusion.SessionConfig().with_default_catalog_and_schema("lake", "raw"))
    telemetry.reset()
    context.sql("select 1").collect()
    context.sql("set datafusion.catalog.default_schema = 'clean'").collect()
    context.sql("select 1").collect()
    case.context.table("numbers").collect()
    told = [span.attributes.get("db.namespace") for span in telemetry.spans()]
    assert told == [*["lake|raw"] * 4, *["lake|clean"] * 2, *["datafusion|public"] * 2]


# What makes a DataFrame of a session, or of another DataFrame.
DERIVED: dict[str, Callable[[Any, Any], Any]] = {
    "select": lambda context, frame: frame.select("a"),
    "filter": lambda context, frame: frame.filter(datafusion.col("a") > datafusion.lit(1)),
    "a column": lambda context, frame: frame["a"],
    "aggregate": lambda context, frame: frame.aggregate(
        [datafusion.col("b")], [datafusion.functions.sum(datafusion.col("a"))]
    ),
    "join": lambda context, frame: frame.join(context.from_pydict({"b": [1]}), on="b"),
    "union": lambda context, frame: context.from_pydict({"a": [1], "b": [1]}).union(frame),
    "cache": lambda context, frame: frame.cache(),
    "tail": lambda context, frame: frame.tail(1),
    "transform": lambda context, frame: frame.transform(datafusion.DataFrame.limit, 1),
    "many": lambda context, frame: frame.sort(datafusion.col("a").sort()).limit(3).distinct().select("b"),
    "of sql": lambda context, frame: context.sql("select a from facts").limit(1),
    "of a table": lambda context, frame: context.table("facts").limit(1),
    "of batches": lambda context, frame: context.create_dataframe([[pa.record_batch({"a": [1]})]]),
    "of a plan": lambda context, frame: context.create_dataframe_from_logical_plan(frame.logical_plan()).limit(1),
}


@pytest.mark.parametrize("how", DERIVED)
def test_a_frame_made_of_another_keeps_the_namespace(
    how: str, instrumented: Any, telemetry: Any, tmp_path: Path
) -> None:
    """`db.namespace` is that of the session, whatever methods made the DataFrame, and goes on when the session goes."""
    context = datafusion.SessionContext(datafusion.SessionConfig().with_default_catalog_and_schema("lake", "raw"))
    other = datafusion.SessionContext().from_pydict({"a": [1]})
    frame = DERIVED[how](context, context.from_pydict({"a": [1, 2], "b": [1, 1]}, name="facts"))
    context.sql("set datafusion.catalog.default_schema = 'clean'")
    del context
    telemetry.reset()
    frame.collect()
    other.limit(1).count()
    frame.write_csv(str(tmp_path / "files"))
    told = [span.attributes.get("db.namespace") for span in telemetry.spans()]
    assert told == ["lake|raw", "datafusion|public", "lake|raw"]


def _inserted(case: Any, method: str) -> Any:
    return getattr(case.context.sql("insert into target select a from numbers where a < 7"), method)()


def _plan_of_create(case: Any) -> Any:
    if not hasattr(case.context, "execute_logical_plan"):
        pytest.skip("not in this release")
    explained = case.context.sql('explain create table "My T" as select a from numbers')
    return case.context.execute_logical_plan(explained.logical_plan().inputs()[0])


NAMED: dict[str, tuple[Callable[[Any], object], str, int | None]] = {
    "write_table": (lambda c: c.frame.select("a").write_table("target"), "target", None),
    "insert": (lambda c: _inserted(c, "collect"), "target", 7),
    "insert, as a table": (lambda c: _inserted(c, "to_arrow_table"), "target", 7),
    "insert, as a dictionary": (lambda c: _inserted(c, "to_pydict"), "target", 7),
    "insert, as a list": (lambda c: _inserted(c, "to_pylist"), "target", 7),
    "insert, as pandas": (lambda c: _inserted(c, "to_pandas"), "target", 7),
    "insert, in parts": (lambda c: _inserted(c, "collect_partitioned"), "target", 7),
    "insert, shown": (lambda c: _inserted(c, "show"), "target", None),
    "create table as": (lambda c: c.context.sql("create table made as select a from numbers"), "made", None),
    "create view": (lambda c: c.context.sql("create view seen as select a from numbers"), "seen", None),
    "quoted": (lambda c: c.context.sql('create table "My ""T""" as select a from numbers'), 'My "T"', None),
    "quoted dot": (lambda c: c.context.sql('create view public."V.w" as select a from numbers'), "public.V.w", None),
    "select into": (lambda c: c.context.sql('select a into "Into" from numbers'), "Into", None),
    "plan": (_plan_of_create, "My T", None),
    "register_view": (lambda c: c.context.register_view("shown", c.frame.select("a")), "shown", None),
}


@pytest.mark.parametrize("name", NAMED)
def test_named_outputs_tell_their_size(name: str, writing: Any, telemetry: Any, caplog: Any) -> None:
    """A table or view that is written or made tells its columns, and the rows where the engine tells them."""
    write, dataset, rows = NAMED[name]
    if (name == "register_view" and int(datafusion.__version__.split(".")[0]) < 50) or (
        name == "write_table" and not hasattr(writing.frame, name)
    ):
        pytest.skip("not in this release, or broken")
    write(writing)
    told = {point.name: point.data.value for point in telemetry.metrics() if point.attributes.get("dataset") == dataset}
    wanted = {"codeanatomy.dataset.columns": 1}
    assert told == (wanted if rows is None else {**wanted, "codeanatomy.dataset.rows": rows})
    assert caplog.records == []


def test_a_catalog_of_the_programs_own_is_not_asked(instrument: Any, telemetry: Any) -> None:
    """What a statement made in a catalog of the program's is not looked up there for telemetry's sake."""
    catalog: Any = pytest.importorskip("datafusion.catalog")
    if not hasattr(catalog, "SchemaProvider") or not hasattr(catalog.Catalog, "register_schema"):
        pytest.skip("not in this release")

    class Schema(catalog.SchemaProvider):
        def __init__(self) -> None:
            self.tables: dict[str, Any] = {}
            self.asked: list[str] = []

        def table_names(self) -> set[str]:
            return set(self.tables)

        def register_table(self, name: str, table: Any) -> None:
            self.tables[name] = table

        def table_exist(self, name: str) -> bool:
            return name in self.tables

        def table(self, name: str) -> Any:
            self.asked.append(name)
            return self.tables.get(name)

    def asked() -> list[str]:
        context, schema = datafusion.SessionContext(), Schema()
        context.catalog().register_schema("own", schema)
        context.sql("create table own.made as select 1 as a")
        return schema.asked

    bare = asked()
    instrument()
    telemetry.reset()
    assert asked() == bare
    assert telemetry.span("datafusion.execute")
    assert telemetry.metrics("codeanatomy.dataset.columns") == []


@pytest.mark.parametrize(("level", "text"), [("off", None), ("masked", "select ? as x"), ("full", "select 41 as x")])
def test_the_level_of_query_text(level: str, text: str | None, instrument: Any, telemetry: Any) -> None:
    """Query text is left out, masked, or told as written."""
    instrument(CODEANATOMY_OTEL_DATAFUSION_QUERY_TEXT=level)
    telemetry.reset()
    datafusion.SessionContext().sql("select 41 as x")
    assert telemetry.span("datafusion.plan.compile").attributes.get("db.query.text") == text


@pytest.mark.parametrize("place", ["sql", "quoted sql", "table", "derived"])
def test_the_place_of_a_file_is_no_name(place: str, writing: Any, telemetry: Any) -> None:
    """A file that is read by its place alone has it in no name, no summary and no metric; it has no name at all."""
    if not hasattr(writing.context, "enable_url_table"):
        pytest.skip("not in this release")
    file = str(writing.folder / "secret.csv")
    writing.frame.write_csv(file)
    context = writing.context.enable_url_table()
    telemetry.reset()
    telemetry.metrics()
    reads: dict[str, Callable[[], Any]] = {
        "sql": lambda: context.sql(f"select * from '{file}'"),
        "quoted sql": lambda: context.sql(f'select * from "{file}"'),
        "table": lambda: context.table(f'"{file}"'),
        "derived": lambda: context.sql(f"select * from '{file}'").limit(3),
    }
    reads[place]().collect()
    assert len(telemetry.spans("datafusion.execute")) == 1
    for span in telemetry.spans():
        assert "db.collection.name" not in span.attributes
        assert "secret" not in span.attributes["db.query.summary"]
    assert not [point for point in telemetry.metrics() if "secret" in str(point.attributes)]


def test_a_name_is_told_without_its_quotes(writing: Any, telemetry: Any) -> None:
    """A name with blanks and a comma is whole, and has no quotes, however it is come by."""
    name = "My Table, 1"
    writing.context.register_record_batches(name, [[pa.record_batch({"a": [1, 2, 3]})]])
    telemetry.reset()
    frame = writing.context.table(f'"{name}"')
    frame.collect()
    frame.filter(datafusion.col("a") > datafusion.lit(1)).select("a").limit(1).collect()
    writing.context.sql(f'select a from "{name}"').collect()
    assert {span.attributes["db.collection.name"] for span in telemetry.spans()} == {name}


@pytest.mark.parametrize("dialect", ["MySQL", "bigquery", "Databricks"])
def test_strings_in_double_quotes_are_masked(dialect: str, instrumented: Any, telemetry: Any) -> None:
    """Under a dialect with strings in double quotes they are masked, from the statement on that sets it; else not."""
    context = datafusion.SessionContext()
    context.from_pydict({"s": ["secret"]}, name="facts")
    text = 'select count(*) as n from facts where s = "secret"'
    context.sql(f"set datafusion.sql_parser.dialect = '{dialect}'")
    telemetry.reset()
    assert context.sql(text).to_pydict() == {"n": [1]}
    masked = "select count(*) as n from facts where s = ?"
    assert {span.attributes["db.query.text"] for span in telemetry.spans()} == {masked}
    context.sql("set datafusion.sql_parser.dialect = 'generic'")
    telemetry.reset()
    with pytest.raises(Exception, match=r"No field named secret|FieldNotFound"):
        context.sql(text)
    assert telemetry.span("datafusion.plan.compile").attributes["db.query.text"] == text


def test_a_parameterised_text_is_kept(case: Any, telemetry: Any) -> None:
    """A text whose values are parameters is told as written."""
    telemetry.reset()
    text = "select a from numbers where a = $wanted limit 3"
    try:
        case.context.sql(text, param_values={"wanted": 1}).collect()
    except TypeError:
        pytest.skip("not in this release")
    assert telemetry.span("datafusion.execute").attributes["db.query.text"] == text


def test_durations_do_not_depend_on_sampling(instrument: Any, telemetry: Any) -> None:
    """A query that is sampled out records its duration, makes no span, and leaves no context."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    instrumentor = instrument()
    instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=TracerProvider(sampler=ALWAYS_OFF))
    telemetry.reset()
    datafusion.SessionContext().sql("select 1 as one").collect()
    assert telemetry.spans() == []
    assert _points(telemetry, "codeanatomy.datafusion.execute.duration") == {("sql", "ok"): 1}


def test_a_meter_provider_that_is_given_is_used(writing: Any, instrument: Any, telemetry: Any) -> None:
    """Durations and gauges are recorded with the provider that `instrument` was given, and not with the global one."""
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    writing.frame.write_parquet(str(writing.folder / "files"))
    instrumentor = instrument()
    instrumentor.uninstrument()
    telemetry.metrics()
    telemetry.reset()
    reader = InMemoryMetricReader()
    instrumentor.instrument(meter_provider=MeterProvider([reader]))
    writing.context.register_parquet("stored", str(writing.folder / "files"))
    writing.context.sql("select a from stored").collect()
    writing.context.sql("insert into target select a from numbers").collect()
    data: Any = reader.get_metrics_data()
    names = {
        metric.name
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    wanted = {"codeanatomy.datafusion.execute.duration", "codeanatomy.datafusion.write.duration",
              "codeanatomy.dataset.rows", "codeanatomy.dataset.columns"}  # fmt: skip
    assert names >= wanted
    assert names - wanted <= {"codeanatomy.scan.row_groups", "codeanatomy.scan.fragments"}
    assert telemetry.metrics() == []


@pytest.mark.parametrize(("ratio", "parent", "wanted"), [(0, None, 0), (1, None, 2), (0, "kept", 2), (1, "dropped", 0)])
def test_a_ratio_decides_at_the_root(
    ratio: int, parent: str | None, wanted: int, instrument: Any, telemetry: Any
) -> None:
    """A sampler of a ratio decides about a query without a parent, and the parent about any other."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(ratio)))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = instrument()
    instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=provider)
    telemetry.reset()
    above = NonRecordingSpan(SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(int(parent == "kept"))))
    with use_span(above) if parent is not None else nullcontext():
        datafusion.SessionContext().sql("select 1 as one").collect()
    assert len(exporter.get_finished_spans()) == wanted
    assert _points(telemetry, "codeanatomy.datafusion.execute.duration") == {("sql", "ok"): 1}


@pytest.mark.parametrize("word", ["database", "database/dup", "db"])
def test_the_conventions_own_duration(word: str, instrument: Any, telemetry: Any) -> None:
    """`db.client.operation.duration` is recorded beside ours when the opt-in asks for it."""
    instrument(OTEL_SEMCONV_STABILITY_OPT_IN=word)
    telemetry.reset()
    datafusion.SessionContext().sql("select 1 as one").collect()
    assert len(telemetry.metrics("codeanatomy.datafusion.execute.duration")) == 1
    found = [point.attributes for point in _all(telemetry, "db.client.operation.duration")]
    wanted = {"db.system.name": "datafusion", "db.operation.name": "SELECT", "db.query.summary": "SELECT"}
    assert {**wanted, "db.namespace": "datafusion|public"} in [
        {key: value for key, value in point.items() if key != "codeanatomy.run_id"} for point in found
    ]


def _all(telemetry: Any, name: str) -> list[Any]:
    data = telemetry._memory.metrics.get_metrics_data()
    return [
        point
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if metric.name == name
    ]


def test_waiting_measurements_are_no_metric(case: Any, telemetry: Any) -> None:
    """What collects waiting measurements never shows as a metric of its own."""
    case.frame.collect()
    assert len(telemetry.metrics("codeanatomy.datafusion.execute.duration")) == 1
    assert _all(telemetry, "codeanatomy.datafusion.waiting") == []
