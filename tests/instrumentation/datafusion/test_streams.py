"""Streams: their span ends once, whatever ends them, and nothing stays current."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor

datafusion: Any = pytest.importorskip("datafusion")
pa: Any = pytest.importorskip("pyarrow")

BATCHES = 8


@pytest.fixture
def numbers(case: Any) -> Any:
    """Give a DataFrame of 8 batches of 10 rows in two partitions."""
    batch = pa.record_batch({"n": list(range(10))})
    case.context.register_record_batches("batches", [[batch] * 4, [batch] * 4])
    return case.context.sql("select n from batches")


def _ended(telemetry: Any) -> dict[str, Any]:
    span = telemetry.span("datafusion.execute")
    assert not trace.get_current_span().get_span_context().is_valid
    return {key.removeprefix("datafusion.stream."): value for key, value in span.attributes.items()}


def _stream(frame: Any) -> Any:
    return frame.execute_stream()


def test_an_exhausted_stream_tells_all_rows(numbers: Any, telemetry: Any) -> None:
    """A stream read to its end ends its span there, with the rows and batches that were pulled."""
    stream = _stream(numbers)
    rows = sum(batch.to_pyarrow().num_rows for batch in stream)
    told = _ended(telemetry)
    assert (told["end"], told["rows"], told["batches"]) == ("exhausted", rows, BATCHES)
    with pytest.raises(StopIteration):
        next(stream)
    del stream
    assert len(telemetry.spans("datafusion.execute")) == 1


def test_an_abandoned_stream_ends_with_its_last_reference(numbers: Any, telemetry: Any) -> None:
    """A stream that is dropped half-read ends its span then, with what was pulled."""
    stream = _stream(numbers)
    next(stream)
    assert telemetry.spans("datafusion.execute") == []
    del stream
    told = _ended(telemetry)
    assert (told["end"], told["rows"], told["batches"]) == ("abandoned", 10, 1)


def test_a_closed_generator_ends_its_stream(numbers: Any, telemetry: Any) -> None:
    """A generator over a stream ends the span when it is closed."""
    generator = (batch for batch in _stream(numbers))
    next(generator)
    generator.close()
    assert _ended(telemetry)["end"] == "abandoned"


def test_a_stream_in_a_cycle_ends_when_it_is_collected(numbers: Any, telemetry: Any) -> None:
    """A stream that only the garbage collector finds ends its span too, on a thread that holds no lock."""
    holder: list[Any] = [_stream(numbers)]
    holder.append(holder)
    del holder
    gc.collect()
    deadline = time.monotonic() + 5
    while not telemetry.spans("datafusion.execute") and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _ended(telemetry)["end"] == "abandoned"


def test_a_failing_stream_ends_with_its_error(case: Any, telemetry: Any) -> None:
    """An error in a stream ends the span with it, once, though the stream raises again when it is pulled again."""

    def broken(values: Any) -> Any:
        message = "broken on purpose"
        raise ArithmeticError(message)

    case.context.register_udf(datafusion.udf(broken, [pa.int64()], pa.int64(), "volatile", name="broken"))
    stream = _stream(case.context.sql("select broken(a) from numbers"))
    with pytest.raises(Exception, match="broken on purpose"):
        next(stream)
    del stream
    told = _ended(telemetry)
    assert (told["end"], told["error.type"]) == ("error", "ArithmeticError")


def test_partitions_share_one_span(numbers: Any, telemetry: Any) -> None:
    """The streams of all partitions, read by several threads, are one span that ends with the last of them."""
    streams = numbers.execute_stream_partitioned()
    threads = [threading.Thread(target=list, args=(stream,)) for stream in streams]
    for thread in threads:
        assert telemetry.spans("datafusion.execute") == []
        thread.start()
        thread.join()
    told = _ended(telemetry)
    assert (told["end"], told["rows"], told["batches"]) == ("exhausted", 80, BATCHES)


def test_async_iteration_is_one_span(numbers: Any, telemetry: Any) -> None:
    """A stream read asynchronously tells the same; leaving it half-read ends it."""
    if not hasattr(numbers.execute_stream(), "__anext__"):
        pytest.skip("not in this release")

    async def read(most: int) -> int:
        seen = 0
        async for batch in numbers.execute_stream():
            seen += batch.to_pyarrow().num_rows
            if seen >= most:
                break
        return seen

    gc.collect()
    telemetry.reset()
    assert asyncio.run(read(1000)) == 80
    told = _ended(telemetry)
    assert (told["end"], told["rows"]) == ("exhausted", 80)
    telemetry.reset()
    assert asyncio.run(read(10)) == 10
    assert _ended(telemetry)["end"] == "abandoned"


@pytest.mark.parametrize("how", ["all", "close", "drop"])
def test_an_arrow_stream_ends_with_its_reader(how: str, numbers: Any, telemetry: Any) -> None:
    """A pyarrow reader of a DataFrame ends the span when it is read out, closed, or dropped."""
    if int(datafusion.__version__.split(".")[0]) < 51:
        pytest.skip("executes when it is asked for")
    try:
        reader = pa.RecordBatchReader.from_stream(numbers)
    except TypeError:
        pytest.skip("not in this release")
    assert telemetry.spans("datafusion.execute") == []
    reader.read_next_batch()
    if how == "all":
        reader.read_all()
    elif how == "close":
        reader.close()
    del reader
    told = _ended(telemetry)
    assert told["end"] == ("exhausted" if how == "all" else "abandoned")
    assert told["rows"] == (80 if how == "all" else 10)


def test_an_arrow_stream_that_nobody_reads_is_no_execution(numbers: Any, telemetry: Any) -> None:
    """A stream that is asked for and never pulled from executes nothing and has no span."""
    if int(datafusion.__version__.split(".")[0]) < 51:
        pytest.skip("executes when it is asked for")
    capsule = numbers.df.__arrow_c_stream__(None)
    del capsule
    gc.collect()
    assert telemetry.spans("datafusion.execute") == []


def test_requested_schema_is_honoured(numbers: Any) -> None:
    """A consumer that asks for another schema gets it, as without us."""
    try:
        reader = pa.RecordBatchReader.from_stream(numbers, schema=pa.schema([("n", pa.int64())]))
    except TypeError:
        pytest.skip("not in this release")
    assert reader.read_all().num_rows == 80


def test_a_type_that_pyarrow_cannot_read_still_reaches_its_consumer(instrument: Any, caplog: Any) -> None:
    """A consumer that knows a type which this pyarrow doesn't gets the engine's own stream, and we say so."""
    if int(datafusion.__version__.split(".")[0]) < 51:
        pytest.skip("executes when it is asked for")
    duckdb = pytest.importorskip("duckdb")
    unreadable: list[bool] = []

    class Odd(pa.ExtensionType):
        def __init__(self) -> None:
            super().__init__(pa.int64(), "codeanatomy.odd")

        def __arrow_ext_serialize__(self) -> bytes:
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage: Any, serialized: Any) -> Any:
            if unreadable:
                message = "as of an unknown type"
                raise ValueError(message)
            return cls()

    pa.register_extension_type(Odd())
    try:
        odd = pa.ExtensionArray.from_storage(Odd(), pa.array([1, 2]))
        context = datafusion.SessionContext()
        context.register_record_batches("odds", [[pa.record_batch({"a": odd})]])
        frame = context.sql("select a from odds")
        unreadable.append(True)
        try:
            bare = duckdb.sql("select a from frame").fetchall()
        except duckdb.Error:
            pytest.skip("this duckdb reads by way of pyarrow itself")
        instrument("summary")
        assert duckdb.sql("select a from frame").fetchall() == bare == [(1,), (2,)]
        del frame
    finally:
        pa.unregister_extension_type("codeanatomy.odd")
    assert {record.levelname for record in caplog.records} <= {"WARNING"}


def test_a_stream_passes_for_the_engines_own(numbers: Any) -> None:
    """What `execute_stream` gives is still an instance of the engine's classes, outside and inside."""
    stream = _stream(numbers)
    assert isinstance(stream, datafusion.record_batch.RecordBatchStream)
    assert isinstance(stream.rbs, datafusion._internal.RecordBatchStream)
    assert isinstance(next(stream.rbs), datafusion._internal.RecordBatch)


@pytest.mark.parametrize("do", [pickle.dumps, copy.copy, copy.deepcopy])
def test_streams_and_batches_refuse_what_the_engines_own_refuse(do: Any, case: Any) -> None:
    """Pickling or copying the engine's part of a stream or of a batch fails with the error that it has bare."""

    def told() -> list[str]:
        texts: list[str] = []
        stream = case.frame.execute_stream().rbs
        for each in (stream, stream.next()):
            with pytest.raises(TypeError) as caught:
                do(each)
            texts.append(str(caught.value))
        return texts

    ours = told()
    DataFusionInstrumentor().uninstrument()
    assert ours == told()


_READ_BY_ENGINE = """
from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor
DataFusionInstrumentor().instrument()
import pyarrow
from datafusion import SessionContext
context = SessionContext()
context.register_record_batches("t", [[pyarrow.record_batch({"a": [1, 2, 3]})] * 5])
reader = pyarrow.RecordBatchReader.from_stream(context.sql("select a from t"))
print(SessionContext().from_arrow(reader).count())
try:
    SessionContext().from_arrow(pyarrow.RecordBatchReader.from_stream(context.sql("select 1 / (a - a) from t")))
except Exception as error:
    print("Divide by zero error" in str(error))
"""


def test_the_engine_reads_a_reader_of_its_own_stream() -> None:
    """A pyarrow reader of a DataFrame can be given to the engine, which holds the interpreter's lock while it reads."""
    if int(datafusion.__version__.split(".")[0]) < 51:
        pytest.skip("executes when it is asked for")
    done = subprocess.run(
        [sys.executable, "-c", _READ_BY_ENGINE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "15\nTrue\n", "")


_AT_EXIT = """
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
def line(span):
    return f"{span.name} {span.attributes.get('datafusion.stream.end')}\\n"
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=line)))
trace.set_tracer_provider(provider)
from codeanatomy_distro.instrumentation.datafusion import DataFusionInstrumentor
DataFusionInstrumentor().instrument()
from datafusion import SessionContext
live = SessionContext().from_pydict({"a": [1, 2]}).execute_stream()
next(live)
"""


def test_a_stream_that_lives_at_exit_is_told() -> None:
    """A stream that is still open when the interpreter exits ends its span in time for the last export."""
    done = subprocess.run([sys.executable, "-c", _AT_EXIT], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["datafusion.execute interpreter_exit"]


class _Locked(SpanProcessor):
    """A processor with a lock that ending a span takes, as exporters have."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ended = threading.Event()

    def on_end(self, span: ReadableSpan) -> None:
        with self.lock:
            self.ended.set()


def test_a_stream_that_outlives_us_ends_wherever_it_is_dropped() -> None:
    """After `uninstrument` the collector may find a stream inside a lock of the SDK: its end waits for no one."""
    processor = _Locked()
    provider = TracerProvider()
    provider.add_span_processor(processor)
    instrumentor = DataFusionInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        context = datafusion.SessionContext()
        context.register_record_batches("t", [[pa.record_batch({"a": [1]})] * 2])
        stream = context.table("t").execute_stream()
        next(stream)
    finally:
        instrumentor.uninstrument()
    processor.ended.clear()
    with processor.lock:
        del stream
    assert processor.ended.wait(60)
