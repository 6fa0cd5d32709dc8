"""Bad input and faults: the user sees the engine's own exception, and the span tells its variant."""

from __future__ import annotations

import _thread
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.trace import StatusCode

from codeanatomy_distro.instrumentation.datafusion.errors import engine_error_type

if TYPE_CHECKING:
    from collections.abc import Callable

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")
udf: Any = datafusion.udf


MAJOR = int(datafusion.__version__.split(".")[0])


def _raising(values: Any) -> Any:
    message = "no such key"
    raise KeyError(message)


DIVISION = "select 1 / (a - a) from (values (1)) as t(a)"
FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "parse": (lambda c: c.sql("selec 1"), "datafusion.SQL"),
    "plan": (lambda c: c.sql("select * from missing"), "datafusion.Plan"),
    "schema": (lambda c: c.sql("select missing from (select 1 as a)"), "datafusion.SchemaError"),
    "run": (lambda c: c.sql(DIVISION).collect(), "datafusion.ArrowError"),
    "function": (lambda c: c.sql("select raising(a) from (values (1), (2)) as t(a)").collect(), "KeyError"),
    "missing table": (lambda c: c.table("missing"), "KeyError"),
    "not implemented": (lambda c: c.sql("alter table t add column x int"), "datafusion.NotImplemented"),
    "full disk": (lambda c: c.sql("copy (select 1) to '/dev/full' stored as csv").collect(), "datafusion."),
    "create table": (lambda c: c.sql(f"create table t as {DIVISION}"), "datafusion.ArrowError"),
    "stream": (lambda c: list(c.sql("select raising(a) from (values (1)) as t(a)").execute_stream()), "KeyError"),
    "object store": (lambda c: c.read_parquet("s3://nowhere/x.parquet"), "datafusion."),
}  # fmt: skip


def _told(fault: Callable[[Any], object]) -> str:
    context = datafusion.SessionContext()
    context.register_udf(udf(_raising, [pa.int64()], pa.int64(), "volatile", name="raising"))
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is, it is compared
        fault(context)
    return f"{type(caught.value).__module__}.{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_the_users_as_without_us(name: str, instrument: Any, telemetry: Any, capfd: Any) -> None:
    """Type and text of the exception are the engine's, the span has status and error.type, nothing leaks or prints."""
    fault, kind = FAULTS[name]
    bare = _told(fault)
    instrument("full")
    telemetry.reset()
    capfd.readouterr()
    assert _told(fault) == bare or "object at 0x" in bare
    assert capfd.readouterr() == ("", "")
    assert not trace.get_current_span().get_span_context().is_valid
    failed = [span for span in telemetry.spans() if span.status.status_code is StatusCode.ERROR]
    assert failed
    assert all(str(span.attributes["error.type"]).startswith(kind) for span in failed)
    assert sum(point.data.value for point in telemetry.metrics("codeanatomy.error.count")) == 1


def _in_pandas(frame: Any) -> object:
    return pytest.importorskip("pandas", "3").DataFrame.from_arrow(frame)


# An Arrow stream's consumers, and what fails in the midst of one: at the second of its batches at the earliest.
CONSUMERS: dict[str, Callable[[Any], object]] = {
    "pyarrow": pa.table,
    "a reader": lambda frame: list(pa.RecordBatchReader.from_stream(frame)),
    "polars": lambda frame: pytest.importorskip("polars").DataFrame(frame),
    "duckdb": lambda frame: pytest.importorskip("duckdb").sql("select * from frame").fetchall(),
    "pandas": _in_pandas,
}
LATE: dict[str, tuple[str, str]] = {
    "division": ("select 1 / (a - 50) from parts", "datafusion.ArrowError"),
    "cast": ("select cast(arrow_cast(a, 'Utf8') || case when a > 50 then 'x' else '' end as int) from parts",
             "datafusion.ArrowError"),
    "function": ("select raising(a) from parts", "KeyError"),
    "on the engine's threads": ("select b, sum(raising(a)) from parts group by b", "KeyError"),
}  # fmt: skip


def _late(query: str, partitions: int) -> Any:
    context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(partitions))
    context.register_udf(udf(_raising_late, [pa.int64()], pa.int64(), "volatile", name="raising"))
    parts = [pa.record_batch({"a": list(range(begin, begin + 10)), "b": ["x"] * 10}) for begin in range(0, 80, 10)]
    context.register_record_batches("parts", [parts])
    return context.sql(query)


def _raising_late(values: Any) -> Any:
    return _raising(values) if values[0].as_py() >= 50 else values


@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize("fault", LATE)
def test_a_late_error_of_an_arrow_stream_is_the_engines(
    fault: str, consumer: str, instrument: Any, telemetry: Any, capfd: Any
) -> None:
    """The consumer's exception has its type and the engine's whole text, after pyarrow's word for it and no more."""
    if MAJOR < 51:
        pytest.skip("executes when it is asked for")
    query, kind = LATE[fault]
    partitions, read = 2 if "threads" in fault else 1, CONSUMERS[consumer]
    told: list[BaseException] = []
    for _ in range(2):
        frame = _late(query, partitions)
        telemetry.reset()
        with pytest.raises(Exception, match="External error: ") as caught:
            read(frame)
        told.append(caught.value)
        if len(told) == 1:
            instrument("full")
    assert type(told[1]) is type(told[0])
    assert str(told[1]) == str(told[0]).replace("External error: ", "Invalid: External error: ", 1)
    span = telemetry.span("datafusion.execute")
    assert span.attributes["error.type"] == kind
    assert span.attributes["datafusion.stream.end"] == "error"
    assert span.attributes["datafusion.stream.rows"] == (0 if "threads" in fault else 50)
    assert span.status.description == f"ArrowInvalid: External error: {str(told[0]).partition('External error: ')[2]}"
    assert sum(point.data.value for point in telemetry.metrics("codeanatomy.error.count")) == 1
    assert capfd.readouterr() == ("", "")


def test_an_interrupted_query_is_told(case: Any, telemetry: Any) -> None:
    """A KeyboardInterrupt that passes a query passes unchanged, and its span is an error."""
    telemetry.reset()

    class Interrupting:
        def __str__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case.frame.write_csv(Interrupting())
    case.frame.collect()
    assert [span.status.status_code for span in telemetry.spans("datafusion.execute")] == [StatusCode.UNSET]


def test_an_interrupt_while_the_engine_works_is_told(case: Any, telemetry: Any) -> None:
    """Ctrl-C during an execution ends it with KeyboardInterrupt: so its span tells, and nothing stays current."""
    if MAJOR < 48:
        pytest.skip("the engine looks for no signals in this release")
    go_on = threading.Event()

    def waiting(values: Any) -> Any:  # on a thread of the engine's
        _thread.interrupt_main()
        go_on.wait(10)
        return values

    case.context.register_udf(udf(waiting, [pa.int64()], pa.int64(), "volatile", name="waiting"))
    frame = case.context.sql("select b, sum(waiting(a)) from numbers group by b")
    telemetry.reset()
    with pytest.raises(KeyboardInterrupt):
        frame.collect()
    go_on.set()
    span = telemetry.span("datafusion.execute")
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes["error.type"] == "KeyboardInterrupt"
    assert not trace.get_current_span().get_span_context().is_valid
    case.frame.collect()
    assert [each.status.status_code for each in telemetry.spans("datafusion.execute")][1:] == [StatusCode.UNSET]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("DataFusion error: Join Error\ncaused by\nExternal error: task 7 panicked", "datafusion.External"),
        ("Optimizer rule 'x' failed\ncaused by\nInvalid regex\ncaused by\nExternal error: y", "datafusion.External"),
        ('DataFusion error: Context("Of a \\"file\\"", ArrowError(CsvError("x"), None))', "datafusion.ArrowError"),
        ("DataFusion error: anything else", "Exception"),
    ],
)
def test_the_variant_is_read_from_the_text(text: str, kind: str) -> None:
    """`error.type` is the variant of the innermost error, also of one that the engine has from elsewhere."""
    assert engine_error_type(Exception(text)) == kind


@given(st.text())
def test_any_text_is_an_error_type_of_a_known_kind(text: str) -> None:
    """Whatever an exception says, its type is one of the engine's variants, a class name, or that of its class."""
    for error in (Exception(text), ValueError(text), KeyError(text)):
        kind = engine_error_type(error)
        assert kind == type(error).__name__ or kind.startswith("datafusion.") or kind in text
