"""Python functions of the user's keep the context of the query that runs them, on whatever thread."""

from __future__ import annotations

import importlib
import pickle
import re
import threading
from typing import Any

import pytest
from opentelemetry import trace

from codeanatomy_distro.obs.run_context import get_run_id, run_context

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")
pc: Any = pytest.importorskip("pyarrow.compute")
Accumulator: Any = datafusion.Accumulator
col: Any = datafusion.col
udaf: Any = datafusion.udaf
udf: Any = datafusion.udf

MAJOR = int(datafusion.__version__.split(".")[0])
BY_KIND = "select kind, sum(traced(n)) as total from readings group by kind order by kind"


@pytest.fixture
def readings(case: Any) -> Any:
    """Give a context with a table of several batches and partitions, and functions that make spans."""
    tracer = trace.get_tracer("user")
    batch = pa.record_batch({"n": list(range(50)), "kind": [n % 5 for n in range(50)]})
    case.context.register_record_batches("readings", [[batch] * 4, [batch] * 4])

    def traced(values: Any) -> Any:
        with tracer.start_as_current_span("in traced"):
            return pc.multiply(values, 2)

    class Total(Accumulator):
        def __init__(self) -> None:
            self.total = 0

        def update(self, values: Any) -> None:
            with tracer.start_as_current_span("in update"):
                self.total += pc.sum(values).as_py() or 0

        def merge(self, states: Any) -> None:
            values = states if hasattr(states, "type") else states[0]
            self.total += pc.sum(values).as_py() or 0

        def state(self) -> list[Any]:
            return [pa.scalar(self.total)]

        def evaluate(self) -> Any:
            with tracer.start_as_current_span("in evaluate"):
                return pa.scalar(self.total)

    context = case.context
    context.register_udf(udf(traced, [pa.int64()], pa.int64(), "volatile", name="traced"))
    context.register_udaf(udaf(Total, pa.int64(), pa.int64(), [pa.int64()], "volatile", name="total"))
    return context


def _parents(telemetry: Any, name: str) -> set[str | None]:
    names = {span.context.span_id: span.name for span in telemetry.spans()}
    return {names.get(span.parent.span_id) if span.parent else None for span in telemetry.spans(name)}


def test_a_scalar_function_on_the_engines_threads_keeps_its_query(readings: Any, telemetry: Any) -> None:
    """Spans made in a scalar function of a query in several partitions are all children of its execution."""
    telemetry.reset()
    readings.sql(BY_KIND).collect()
    assert len(telemetry.spans("in traced")) >= 8
    assert _parents(telemetry, "in traced") == {"datafusion.execute"}


def test_an_aggregate_function_keeps_its_query(readings: Any, telemetry: Any) -> None:
    """The same holds for the methods of an aggregate function's accumulators, and the result is right."""
    telemetry.reset()
    got = readings.sql("select kind, total(n) as total from readings group by kind order by kind").to_pydict()
    assert got == readings.sql("select kind, sum(n) as total from readings group by kind order by kind").to_pydict()
    assert _parents(telemetry, "in update") == _parents(telemetry, "in evaluate") == {"datafusion.execute"}


def test_a_window_function_keeps_its_query(readings: Any, telemetry: Any) -> None:
    """The same holds for a window function's evaluators."""
    if not hasattr(datafusion, "udwf") or not hasattr(readings, "register_udwf"):
        pytest.skip("not in this release")
    evaluator: Any = importlib.import_module(datafusion.WindowUDF.__module__).WindowEvaluator

    tracer = trace.get_tracer("user")

    class Doubled(evaluator):
        def evaluate_all(self, values: list[Any], num_rows: int) -> Any:
            with tracer.start_as_current_span("in window"):
                return pc.multiply(values[0], 2)

    readings.register_udwf(datafusion.udwf(Doubled, pa.int64(), pa.int64(), "immutable", name="doubled"))
    telemetry.reset()
    readings.sql("select doubled(n) over (partition by kind) as d from readings").collect()
    assert _parents(telemetry, "in window") == {"datafusion.execute"}


def test_a_stream_keeps_its_functions_context(readings: Any, telemetry: Any) -> None:
    """A function that a stream calls while it is read belongs to the stream's execution."""
    telemetry.reset()
    for _ in readings.sql(BY_KIND).execute_stream():
        pass
    assert _parents(telemetry, "in traced") == {"datafusion.execute"}


def test_of_several_queries_the_plan_tells(readings: Any, telemetry: Any) -> None:
    """With another query under way that doesn't call the function, its spans belong to the one that does."""
    waiting = readings.sql("select n from readings").execute_stream()
    next(waiting)
    telemetry.reset()
    readings.sql(BY_KIND).collect()
    assert _parents(telemetry, "in traced") == {"datafusion.execute"}
    del waiting
    queries = {
        span.context.span_id: span.attributes["datafusion.method"] for span in telemetry.spans("datafusion.execute")
    }
    assert {queries[span.parent.span_id] for span in telemetry.spans("in traced")} == {"collect"}


def test_an_ambiguous_call_is_linked_and_not_guessed(readings: Any, telemetry: Any) -> None:
    """When two queries that call the function are under way, its spans get no parent of either, but links to both."""
    other = readings.sql(BY_KIND).execute_stream()
    telemetry.reset()
    # What the other stream computes ahead on its own threads is ambiguous just as well.
    readings.sql(BY_KIND).collect()
    del other
    linked = telemetry.spans("datafusion.udf")
    assert linked
    assert all(span.parent is None and len(span.links) == 2 for span in linked)
    assert _parents(telemetry, "in traced") <= {"datafusion.udf", "datafusion.execute"}


def test_a_function_behind_a_view_is_no_orphan(readings: Any, telemetry: Any) -> None:
    """With another query under way, a function in a view belongs to its query, or is linked to those under way."""
    readings.sql("create view doubled as select kind, traced(n) as n from readings")
    waiting = readings.sql("select n from readings").execute_stream()
    next(waiting)
    telemetry.reset()
    readings.sql("select kind, sum(n) from doubled group by kind").collect()
    del waiting
    wanted = {"datafusion.execute"} if MAJOR >= 50 else {"datafusion.execute", "datafusion.udf"}
    assert _parents(telemetry, "in traced") <= wanted


def test_the_run_id_goes_along(readings: Any) -> None:
    """A function sees the run id of the context that runs the query."""
    seen: set[str | None] = set()

    def noting(values: Any) -> Any:
        seen.add(get_run_id())
        return values

    readings.register_udf(udf(noting, [pa.int64()], pa.int64(), "volatile", name="noting"))
    with run_context() as run_id:
        readings.sql("select kind, sum(noting(n)) from readings group by kind").collect()
    assert seen == {run_id}


def test_a_functions_error_is_told_as_without_us(readings: Any, instrumented: Any) -> None:
    """The engine's text of a function's error, which holds its traceback, has no frame of ours in it."""

    def broken(values: Any) -> Any:
        message = "broken on purpose"
        raise LookupError(message)

    def texts() -> list[str]:
        context = datafusion.SessionContext()
        context.register_record_batches("t", [[pa.record_batch({"n": [1]})]])
        context.register_udf(udf(broken, [pa.int64()], pa.int64(), "volatile", name="broken"))
        found: list[str] = []
        for query in ("select broken(n) from t", "select sum(broken(n)) from t group by n"):
            with pytest.raises(Exception, match="broken on purpose") as caught:
                context.sql(query).collect()
            found.append(re.sub("0x[0-9a-f]+", "", f"{type(caught.value)} {caught.value}"))
        return found

    observed = texts()
    instrumented.uninstrument()
    assert observed == texts()


def test_a_wrapped_function_pickles_as_the_original(instrumented: Any) -> None:
    """A function that was wrapped pickles to itself, and reading it needs nothing of ours."""
    function = udf(pc.negate, [pa.int64()], pa.int64(), "immutable", name="negated")
    from codeanatomy_distro.instrumentation.datafusion.udf import FunctionContext, ScalarFunction

    wrapped = ScalarFunction(pc.negate, FunctionContext("negated", None))  # pyright: ignore[reportArgumentType]
    data = pickle.dumps(wrapped)
    assert b"codeanatomy" not in data
    assert pickle.loads(data) is pc.negate
    assert wrapped == pc.negate
    assert hash(wrapped) == hash(pc.negate)
    expression = function(col("n"))
    if hasattr(expression, "to_bytes"):
        assert b"codeanatomy" not in pickle.dumps(expression)


def test_several_queries_of_one_function_get_their_results(readings: Any) -> None:
    """Queries on several threads that call one function at once have the results that they have alone."""
    results: list[Any] = []

    def run(frame: Any) -> None:
        results.append(frame.to_pydict())

    frames = [readings.sql(BY_KIND) for _ in range(4)]
    threads = [threading.Thread(target=run, args=(frame,)) for frame in frames]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [results[0]] * 4
