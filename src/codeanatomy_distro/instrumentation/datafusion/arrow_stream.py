"""`__arrow_c_stream__`: a DataFrame read by pyarrow, polars, DuckDB or anything else that takes Arrow streams."""

from __future__ import annotations

import functools
from _thread import allocate_lock, start_new_thread
from contextvars import ContextVar, copy_context
from time import time_ns
from typing import TYPE_CHECKING, Any, cast

from opentelemetry import context

from codeanatomy_distro.instrumentation.datafusion.execute import query_and_method
from codeanatomy_distro.instrumentation.datafusion.operation import Operation, is_suppressed
from codeanatomy_distro.instrumentation.datafusion.stream_span import EXHAUSTED, FAILED, StreamSpan, part_dropped
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.errors import forget_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options
    from codeanatomy_distro.instrumentation.datafusion.query import Query

__all__ = ["ArrowExecute", "ObservedReader", "observing_arrow_stream", "observing_engine_read"]

_read_by_engine: ContextVar[list[StreamSpan] | None] = ContextVar("codeanatomy_datafusion_read", default=None)

_METHOD = "__arrow_c_stream__"
_END_OF_TEXT = "\0"
"""Ends an error's text: pyarrow puts a traceback of ours behind it, and hands all of it on as C does, up to here."""


class _Export:
    """A capsule in the shape that pyarrow takes one."""

    def __init__(self, capsule: object) -> None:
        self._capsule = capsule

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        del requested_schema  # the capsule was made for it
        return self._capsule


class _Request:
    """One request for a stream: what its span needs if it is pulled from.

    A consumer may ask for several and pull from one (DuckDB does); a stream that nobody pulls from executes nothing
    and has no span.
    """

    def __init__(self, options: Options, frame: Raw) -> None:
        self.options = options
        self.frame = frame
        self.started = time_ns()
        self.context = context.get_current()
        self.query, self.method = query_and_method(frame, _METHOD)

    def open(self) -> Operation:
        """Open the span, as of the request, and leave it: it is not current."""
        token = context.attach(self.context)
        try:
            operation = ArrowExecute(self.options, self.query, self.method, self.frame, self.started)
            operation.leave()
        finally:
            context.detach(token)
        return operation


class ArrowExecute(Operation):
    """The execution behind one Arrow stream."""

    __slots__ = ("query",)

    def __init__(self, options: Options, query: Query, method: str, owner: Raw, started: int) -> None:
        attributes = query.attributes_of(method)
        super().__init__(query.span_name, options, attributes, owner, context.get_current(), started)
        self.query = query


class ObservedReader:
    """Iterates over the engine's own stream; pyarrow exports it again and holds it as long as the consumer does."""

    def __init__(self, reader: Raw, request: _Request) -> None:
        self._reader = reader
        self._request = request
        self._span: StreamSpan | None = None

    def __iter__(self) -> ObservedReader:
        return self

    def __next__(self) -> Raw:
        span = self._begun()
        if span is None:
            return self._read()
        forget_error()
        token = context.attach(span.operation.context)
        try:
            batch = self._read(span)
        except StopIteration:
            span.part_ended(EXHAUSTED)
            raise
        finally:
            context.detach(token)
        span.pulled(batch.num_rows)
        return batch

    def _read(self, span: StreamSpan | None = None) -> Raw:
        pull = self._reader.read_next_batch
        try:
            return pull() if _read_by_engine.get() is None else _on_another_thread(pull)
        except StopIteration:
            raise
        except BaseException as error:
            if span is not None:
                span.part_ended(FAILED, error)
            error.args = (f"{error}{_END_OF_TEXT}",)
            raise

    def _begun(self) -> StreamSpan | None:
        if self._span is None:
            try:
                self._span = StreamSpan(self._request.open(), self._request.query, None, 1)
            except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
                report_failure("the start of an Arrow stream", ours)
        return self._span

    def __del__(self) -> None:
        if self._span is not None:
            part_dropped(self._span)


def _on_another_thread(pull: Callable[[], Raw]) -> Raw:
    """Return what `pull` gives, or raise what it raises.

    The engine, when it reads a stream itself, takes the interpreter's lock for its own all the while. pyarrow lets the
    lock go while it pulls, and the engine's stream beneath would run without it: the process would end. On a thread
    where the engine is not at work it takes the lock anew.
    """
    done = allocate_lock()
    done.acquire()
    outcome: list[tuple[Raw, BaseException | None]] = []

    def run() -> None:
        try:
            outcome.append((pull(), None))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            outcome.append((None, error))
        finally:
            done.release()

    start_new_thread(copy_context().run, (run,))
    done.acquire()
    batch, error = outcome[0]
    if error is not None:
        raise error
    return batch


def observing_arrow_stream(options: Options) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the patch of ``__arrow_c_stream__``.

    The engine's stream is imported by pyarrow and exported again, which copies no data. Hooks on the C structure itself
    are no way: a consumer may release a stream while a Python exception is pending, in which no Python code can run.
    """

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def observed(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
            opened = _read_by_engine.get()
            try:
                request = None if is_suppressed(context.get_current()) else _Request(options, self)
            except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
                report_failure(_METHOD, ours)
                request = None
            if request is None:
                return original(self, *args, **kwargs)
            try:
                capsule = original(self, *args, **kwargs)
            except BaseException as error:
                _failed(request, error)
                raise
            if opened is not None:
                _open_for_engine(opened, request)
                return capsule
            try:
                return _observed_capsule(capsule, request)
            except Exception as ours:  # noqa: BLE001 - a type that this pyarrow can't read, and the consumer may
                report_failure(_METHOD, ours)
                return original(self, *args, **kwargs)  # another stream: nobody has pulled from the first

        return observed

    return patch


def observing_engine_read(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the patch of a method by which the engine itself reads an Arrow stream: ``from_arrow``.

    The stream is read to its end inside the call. One that the engine asks for there is its own; one that was asked for
    before goes through pyarrow, and `_on_another_thread`.
    """

    @functools.wraps(original)
    def read(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
        opened: list[StreamSpan] = []
        token = _read_by_engine.set(opened)
        failure: BaseException | None = None
        try:
            return original(self, *args, **kwargs)
        except BaseException as error:
            failure = error
            raise
        finally:
            _read_by_engine.reset(token)
            for span in opened:
                span.part_ended(EXHAUSTED if failure is None else FAILED, failure)

    return read


def _open_for_engine(opened: list[StreamSpan], request: _Request) -> None:
    try:
        opened.append(StreamSpan(request.open(), request.query, None, 1, counts=False))
    except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
        report_failure(_METHOD, ours)


def _failed(request: _Request, error: BaseException) -> None:
    try:
        StreamSpan(request.open(), request.query, None, 1).part_ended(FAILED, error)
    except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
        report_failure(_METHOD, ours)


def _observed_capsule(capsule: object, request: _Request) -> object:
    # The engine has imported pyarrow by now: without it there is no DataFusion.
    import pyarrow as pa

    readers = cast("Any", pa).RecordBatchReader
    reader = readers.from_stream(_Export(capsule))
    return readers.from_batches(reader.schema, ObservedReader(reader, request)).__arrow_c_stream__()
