"""Every execution is seen exactly once: an oracle counts the real ones over the whole public surface."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")
col: Any = datafusion.col
lit: Any = datafusion.lit

Call = Callable[[Any], object]
_HOOKS = {"__repr__", "_repr_html_", "__iter__", "__aiter__", "__arrow_c_stream__", "__getitem__"}


def _surface(owner: type) -> list[str]:
    return sorted(
        name for name in vars(owner) if callable(getattr(owner, name)) and (not name.startswith("_") or name in _HOOKS)
    )


async def _drained(frame: Any) -> list[Any]:
    return [batch async for batch in frame]


def _first(frame: Any) -> Any:
    return frame.limit(1)


def _aggregates() -> list[Any]:
    return [datafusion.functions.sum(col("a"))]


def _written_table(case: Any) -> object:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    case.context.register_record_batches("target", [[pa.record_batch([[], []], schema=schema)]])
    return case.frame.write_table("target")


# What to call each method of DataFrame with. A method that is in no release yet fails the test below.
FRAME: dict[str, Call] = {
    "__aiter__": lambda c: asyncio.run(_drained(c.frame)),
    "__arrow_c_stream__": lambda c: pa.table(c.frame),
    "__getitem__": lambda c: c.frame["a"],
    "__iter__": lambda c: list(c.frame),
    "__repr__": lambda c: repr(c.frame),
    "_repr_html_": lambda c: c.frame._repr_html_(),
    "aggregate": lambda c: c.frame.aggregate([col("b")], _aggregates()),
    "alias": lambda c: c.frame.alias("other"),
    "cache": lambda c: c.frame.cache(),
    "cast": lambda c: c.frame.cast({"a": pa.float64()}),
    "col": lambda c: c.frame.col("a"),
    "collect": lambda c: c.frame.collect(),
    "collect_column": lambda c: c.frame.collect_column("a"),
    "collect_partitioned": lambda c: c.frame.collect_partitioned(),
    "column": lambda c: c.frame.column("a"),
    "count": lambda c: c.frame.count(),
    "default_str_repr": lambda c: c.frame.default_str_repr([], pa.schema([]), has_more=False, table_uuid="id"),
    "describe": lambda c: c.frame.describe(),
    "distinct": lambda c: c.frame.distinct(),
    "distinct_on": lambda c: c.frame.distinct_on([col("a")], [col("a")]),
    "drop": lambda c: c.frame.drop("b"),
    "except_all": lambda c: c.frame.except_all(c.frame),
    "execute_stream": lambda c: list(c.frame.execute_stream()),
    "execute_stream_partitioned": lambda c: [list(stream) for stream in c.frame.execute_stream_partitioned()],
    "execution_plan": lambda c: c.frame.execution_plan(),
    "explain": lambda c: c.frame.explain(),
    "fill_nan": lambda c: c.frame.fill_nan(0.0),
    "fill_null": lambda c: c.frame.fill_null(0, ["a"]),
    "filter": lambda c: c.frame.filter(col("a") > lit(1)),
    "find_qualified_columns": lambda c: c.frame.find_qualified_columns("a"),
    "head": lambda c: c.frame.head(2),
    "intersect": lambda c: c.frame.intersect(c.frame),
    "into_view": lambda c: c.frame.into_view(),
    "join": lambda c: c.frame.join(_other(c), on="a"),
    "join_on": lambda c: c.frame.join_on(_other(c), col("other.z") == col("numbers.a")),
    "limit": lambda c: c.frame.limit(3),
    "logical_plan": lambda c: c.frame.logical_plan(),
    "optimized_logical_plan": lambda c: c.frame.optimized_logical_plan(),
    "parse_sql_expr": lambda c: c.frame.parse_sql_expr("a + 1"),
    "repartition": lambda c: c.frame.repartition(2),
    "repartition_by_hash": lambda c: c.frame.repartition_by_hash(col("a"), num=2),
    "schema": lambda c: c.frame.schema(),
    "select": lambda c: c.frame.select("a"),
    "select_columns": lambda c: c.frame.select_columns("a"),
    "select_exprs": lambda c: c.frame.select_exprs("a"),
    "show": lambda c: c.frame.show(),
    "sort": lambda c: c.frame.sort(col("a").sort()),
    "sort_by": lambda c: c.frame.sort_by("a"),
    "tail": lambda c: c.frame.tail(2),
    "to_arrow_table": lambda c: c.frame.to_arrow_table(),
    "to_pandas": lambda c: c.frame.to_pandas(),
    "to_polars": lambda c: c.frame.to_polars(),
    "to_pydict": lambda c: c.frame.to_pydict(),
    "to_pylist": lambda c: c.frame.to_pylist(),
    "transform": lambda c: c.frame.transform(_first),
    "union": lambda c: c.frame.union(c.frame),
    "union_by_name": lambda c: c.frame.union_by_name(c.frame),
    "union_distinct": lambda c: c.frame.union_distinct(c.frame),
    "unnest_column": lambda c: _lists(c).unnest_column("l"),
    "unnest_columns": lambda c: _lists(c).unnest_columns("l"),
    "window": lambda c: c.frame.window(datafusion.functions.row_number().alias("n")),
    "with_column": lambda c: c.frame.with_column("z", col("a")),
    "with_column_renamed": lambda c: c.frame.with_column_renamed("a", "z"),
    "with_columns": lambda c: c.frame.with_columns((col("a") + lit(1)).alias("z")),
    "write_csv": lambda c: c.frame.write_csv(str(c.folder / "csv")),
    "write_json": lambda c: c.frame.write_json(str(c.folder / "json")),
    "write_parquet": lambda c: c.frame.write_parquet(str(c.folder / "parquet")),
    "write_parquet_with_options": lambda c: c.frame.write_parquet_with_options(
        str(c.folder / "options"), datafusion.ParquetWriterOptions()
    ),
    "write_table": _written_table,
}
EXECUTING = {
    "__aiter__", "__arrow_c_stream__", "__iter__", "__repr__", "_repr_html_", "cache", "collect", "collect_column",
    "collect_partitioned", "count", "describe", "execute_stream", "execute_stream_partitioned", "show", "tail",
    "to_arrow_table", "to_pandas", "to_polars", "to_pydict", "to_pylist", "write_csv", "write_json", "write_parquet",
    "write_parquet_with_options", "write_table",
}  # fmt: skip


def _other(case: Any) -> Any:
    return case.context.from_pydict({"a": [1, 2], "z": [1, 2]}, name="other")


def _lists(case: Any) -> Any:
    return case.context.from_pydict({"l": [[1, 2], [3]]})


# Methods of SessionContext that run no query, whatever they are called with.
QUIET = set(
    """
    __repr__ add_physical_optimizer_rule catalog catalog_names copied_config create_dataframe
    create_dataframe_from_logical_plan deregister_object_store deregister_table deregister_udaf deregister_udf
    deregister_udtf deregister_udwf empty_table enable_ident_normalization enable_spark_functions enable_url_table
    execute_logical_plan from_pandas from_polars from_pydict from_pylist global_ctx logical_extension_codec_ids
    parse_capacity_limit parse_sql_expr physical_extension_codec_ids read_arrow read_avro read_batch read_batches
    read_csv read_empty read_json read_parquet read_table refresh_catalogs register_arrow register_avro register_batch
    register_catalog_provider register_catalog_provider_list register_csv register_dataset register_json
    register_listing_table register_object_store register_parquet register_record_batches register_table
    register_table_factory register_table_provider register_udaf register_udf register_udtf register_udwf register_view
    remove_optimizer_rule session_id session_start_time set_query_planner table table_exist table_provider tables udaf
    udafs udf udfs udwf udwfs with_extensions with_logical_extension_codec with_physical_extension_codec
    with_python_udf_inlining
    """.split()  # noqa: SIM905 - names are read as a text
)
RUNNING = {"execute", "from_arrow", "from_arrow_table", "sql", "sql_with_options"}
"""Methods of SessionContext that may run one; each has a test of its own below."""


def test_every_method_of_session_context_is_known() -> None:
    """A method that a release adds to SessionContext fails here until somebody says whether it executes."""
    assert set(_surface(datafusion.SessionContext)) <= QUIET | RUNNING


def test_planning_and_registering_execute_nothing(case: Any, executions: Any) -> None:
    """Methods of SessionContext that only plan or register run no query, and tell of none."""
    context = case.context
    executions()
    context.from_pydict({"a": [1]}, name="made")
    if hasattr(case.frame, "into_view"):
        context.table("made").into_view()
    context.create_dataframe_from_logical_plan(case.frame.logical_plan())
    context.sql("create view shown as select * from numbers where tally(a)")
    context.sql("select * from shown")
    assert executions() == []
    assert case.tally.calls == 0


def _skip_without(name: str) -> None:
    if name == "to_polars":
        pytest.importorskip("polars")


def test_every_method_of_dataframe_is_known() -> None:
    """A method that a release adds to DataFrame fails here until somebody says whether it executes."""
    assert set(_surface(datafusion.DataFrame)) <= set(FRAME)


@pytest.mark.parametrize("name", [name for name in _surface(datafusion.DataFrame) if name in FRAME])
def test_each_method_of_dataframe_is_one_span_if_it_executes(name: str, case: Any, executions: Any) -> None:
    """A method of DataFrame makes one span, with its own name, exactly when the engine really executes."""
    _skip_without(name)
    executions()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of methods that later releases lack
        FRAME[name](case)
    assert executions() == ([name] if name in EXECUTING else [])
    assert (case.tally.calls > 0) == (name in EXECUTING)


@pytest.mark.parametrize("name", sorted(EXECUTING & set(_surface(datafusion._internal.DataFrame)) - {"_repr_html_"}))
def test_an_execution_past_the_wrappers_is_one_span(name: str, case: Any, executions: Any) -> None:
    """The engine's own object, which `df.df` and `select_exprs` leak, makes one span an execution too."""
    _skip_without(name)
    raw = case.frame.df
    executions()
    calls: dict[str, Call] = {
        "__repr__": lambda _: repr(raw),
        "__arrow_c_stream__": lambda _: pa.RecordBatchReader._import_from_c_capsule(
            raw.__arrow_c_stream__(None)
        ).read_all(),
        "execute_stream": lambda _: list(_pulled(raw.execute_stream())),
        "execute_stream_partitioned": lambda _: [list(_pulled(part)) for part in raw.execute_stream_partitioned()],
        "collect_column": lambda _: raw.collect_column("a"),
        "show": lambda _: raw.show(5),
    }
    if name.startswith("write"):
        pytest.skip("takes options that only the wrapper makes")
    calls.get(name, lambda _: getattr(raw, name)())(case)
    assert executions() == [name]
    assert case.tally.calls > 0


def _pulled(stream: Any) -> Any:
    while True:
        try:
            batch = stream.next()
        except StopIteration:
            return
        if batch is None:
            return
        yield batch


def test_select_exprs_hides_no_execution(case: Any, executions: Any) -> None:
    """What `select_exprs` returns is traced, whatever class it is of."""
    if not hasattr(case.frame, "select_exprs"):
        pytest.skip("not in this release")
    executions()
    case.frame.select_exprs("a + 1 as c").collect()
    assert executions() == ["collect"]


_IN_IPYTHON = """
import sys, types
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=object)  # so that the engine takes itself to be in IPython
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
trace.set_tracer_provider(TracerProvider())
line = lambda span: span.attributes["datafusion.method"] + chr(10) if span.name == "datafusion.execute" else ""
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=line)))
from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor
DataFusionInstrumentor().instrument()
import datafusion, pyarrow
def tally(values):
    print("executed", flush=True)
    return values
context = datafusion.SessionContext()
context.register_record_batches("t", [[pyarrow.record_batch({"n": [1, 2, 3]})]])
context.register_udf(datafusion.udf(tally, [pyarrow.int64()], pyarrow.int64(), "volatile", name="tally"))
frame = context.sql("select tally(n) from t")
for _ in range(2):
    frame._repr_html_()
    repr(frame)
"""


def test_showing_in_ipython_is_one_span_an_execution() -> None:
    """IPython asks a DataFrame for HTML and text: the engine executes for the first alone, which is the one span."""
    done = subprocess.run([sys.executable, "-c", _IN_IPYTHON], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    lines = [line for line in done.stdout.splitlines() if line]
    keeps = int(datafusion.__version__.split(".")[0]) >= 48
    methods = ["_repr_html_"] * 2 if keeps else ["_repr_html_", "__repr__"] * 2
    assert lines == [line for method in methods for line in ("executed", method)]


def test_create_table_as_executes_inside_sql(case: Any, executions: Any, telemetry: Any) -> None:
    """CREATE TABLE AS runs its query inside `sql`: one span, within the compile span; collecting runs nothing more."""
    executions()
    frame = case.context.sql("create table copied as select a from numbers where tally(a)")
    before = case.tally.calls
    compiled, executed = telemetry.span("datafusion.plan.compile"), telemetry.span("datafusion.execute")
    assert executed.parent.span_id == compiled.context.span_id
    frame.collect()
    assert case.tally.calls == before > 0


@pytest.mark.parametrize(
    "text",
    [
        "select a into copied from numbers where tally(a)",
        "create or replace table copied as (select tally(a) as a from numbers)",
    ],
)
def test_other_words_for_create_table_as(text: str, case: Any, executions: Any, telemetry: Any) -> None:
    """SELECT INTO and a query in parentheses run inside `sql` as CREATE TABLE AS does, and tell the table."""
    executions()
    case.context.sql(text)
    assert telemetry.span("datafusion.execute").attributes["db.collection.name"] == "copied"
    assert executions() == ["sql"]
    assert case.tally.calls > 0


def test_a_statement_runs_where_its_plan_is_executed(case: Any, executions: Any) -> None:
    """The plan of a CREATE TABLE AS executes in `execute_logical_plan`, and not where it is made into a DataFrame."""
    explained = case.context.sql("explain create table copied as select a from numbers where tally(a)")
    plan = explained.logical_plan().inputs()[0]
    executions()
    case.context.create_dataframe_from_logical_plan(plan)
    assert (executions(), case.tally.calls) == ([], 0)
    if hasattr(case.context, "execute_logical_plan"):
        case.context.execute_logical_plan(plan)
        assert executions() == ["execute_logical_plan"]
        assert case.tally.calls > 0


def test_a_prepared_statement_is_told_as_what_it_runs(case: Any, executions: Any, telemetry: Any) -> None:
    """EXECUTE of a prepared INSERT is a write to its table, EXECUTE of a SELECT an execution over its own."""
    case.context.register_record_batches("target", [[pa.record_batch([pa.array([], pa.int64())], names=["a"])]])
    case.context.sql("prepare ins as insert into target select a from numbers where tally(a)")
    case.context.sql("prepare sel(bigint) as select a from numbers where a > $1 and tally(a)")
    inserting, selecting = case.context.sql("execute ins"), case.context.sql("execute sel(7)")
    if "Execute" in selecting.logical_plan().display_indent():
        pytest.skip("runs no prepared statement in this release")
    executions()
    inserting.collect()
    selecting.collect()
    told = [(span.name, span.attributes) for span in telemetry.spans()]
    assert [name for name, _ in told] == ["datafusion.write", "datafusion.execute"]
    assert [each["db.collection.name"] for _, each in told] == ["target", "numbers"]
    assert [each["db.query.text"] for _, each in told] == ["execute ins", "execute sel(?)"]
    assert [each["datafusion.plan_kind"] for _, each in told] == ["sql", "sql"]


def test_explain_analyze_executes(case: Any, executions: Any) -> None:
    """`explain` is an execution when it analyses, and none when it doesn't."""
    executions()
    case.frame.explain(analyze=True)
    assert executions() == ["explain"]
    assert case.tally.calls > 0


def test_each_partition_executed_by_hand_is_one_span(case: Any, executions: Any) -> None:
    """`ctx.execute(plan, partition)` is one span a call."""
    plan = case.frame.execution_plan()
    executions()
    for partition in range(plan.partition_count):
        list(case.context.execute(plan, partition))
    assert executions() == ["execute"] * plan.partition_count
    assert case.tally.calls > 0


def test_a_frame_given_to_another_context_executes_once(case: Any, executions: Any) -> None:
    """`from_arrow(df)` reads the DataFrame as a stream: one span."""
    if not hasattr(case.context, "from_arrow"):
        pytest.skip("not in this release")
    executions()
    try:
        case.context.from_arrow(case.frame)
    except Exception as error:
        if "Expected either" not in str(error):
            raise
        pytest.skip("a stream of this release can't be read by others")
    assert executions() == ["__arrow_c_stream__"]
    assert case.tally.calls > 0


def test_a_frame_given_to_sql_executes_once(case: Any, executions: Any) -> None:
    """A DataFrame in a query's parameters is a view, and executes with the query alone."""
    executions()
    try:
        frame = case.context.sql("select * from $source", source=case.frame)
    except TypeError:
        pytest.skip("not in this release")
    assert executions() == []
    frame.collect()
    assert executions() == ["collect"]


def test_duckdb_and_polars_read_a_frame_once(case: Any, executions: Any) -> None:
    """Other engines that take Arrow streams make one span a query, however many streams they ask for."""
    executions()
    polars = pytest.importorskip("polars")
    try:
        polars.DataFrame(case.frame)
    except TypeError:
        pytest.skip("a stream of this release can't be read by others")
    assert executions() == ["__arrow_c_stream__"]
    duckdb = pytest.importorskip("duckdb")
    source = case.frame
    assert duckdb.sql("select count(*) from source").fetchall() == [(100,)]
    del source
    assert executions() == ["__arrow_c_stream__"]
