"""Streamed executions: the span outlives the call and ends with the stream."""

from __future__ import annotations

import copy
from functools import partial
from typing import TYPE_CHECKING, Any, SupportsIndex, cast

import wrapt
from opentelemetry import context

from codeanatomy_distro.instrumentation.datafusion.calls import take_call
from codeanatomy_distro.instrumentation.datafusion.execute import Execute
from codeanatomy_distro.instrumentation.datafusion.measurements import record_duration
from codeanatomy_distro.instrumentation.datafusion.operation import Operation
from codeanatomy_distro.instrumentation.datafusion.query import Query
from codeanatomy_distro.instrumentation.datafusion.stream_span import EXHAUSTED, FAILED, StreamSpan, part_dropped
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.errors import forget_error
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["ObservedBatch", "ObservedStream", "PartitionExecute", "StreamExecute", "Streamer"]

_CANCELLED = "datafusion.stream.pull_cancelled"


class _Observed(wrapt.ObjectProxy):  # pyright: ignore[reportMissingTypeArgument, reportUntypedBaseClass]
    """An object of the engine's that passes for itself, also where it refuses to be copied or pickled."""

    __wrapped__: Any

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:  # noqa: ANN401 - the engine's own
        return self.__wrapped__.__reduce_ex__(protocol)

    def __copy__(self) -> Raw:
        return copy.copy(self.__wrapped__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Raw:
        return copy.deepcopy(self.__wrapped__, memo)


class ObservedBatch(_Observed):
    """A batch of the engine that was converted to count its rows, and need not be converted again."""

    def __init__(self, batch: Raw, converted: Raw) -> None:
        super().__init__(batch)
        self._self_converted = converted

    def to_pyarrow(self) -> Raw:
        """Return the batch as pyarrow's."""
        return self._self_converted


class ObservedStream(_Observed):
    """A stream of the engine that tells its span what is pulled from it and how it ends; it passes for the stream."""

    def __init__(self, stream: Raw, span: StreamSpan) -> None:
        super().__init__(stream)
        self._self_part = _Part(span)
        self._self_pull: Any = stream

    def __iter__(self) -> ObservedStream:
        return self

    def __aiter__(self) -> ObservedStream:
        return self

    def __next__(self) -> Raw:
        return self._self_part.pulled(self._self_pull.__next__)

    def next(self) -> Raw:
        """Return the next batch; old releases return None at the end."""
        return self._self_part.pulled(self._self_pull.next)

    def __anext__(self) -> Raw:
        token = context.attach(self._self_part.span.operation.context)
        try:
            return _Pull(self._self_part, self._self_pull.__anext__())
        finally:
            context.detach(token)


class _Part:
    """One of the streams that a span outlives; it goes when the stream does."""

    __slots__ = ("ended", "span")

    def __init__(self, span: StreamSpan) -> None:
        self.span = span
        self.ended = False

    def pulled(self, pull: Callable[[], Raw]) -> Raw:
        """Return what `pull` gives, which belongs to the query; tell the span of it."""
        forget_error()
        token = context.attach(self.span.operation.context)
        try:
            batch = pull()
        except StopIteration:
            self.end(EXHAUSTED)
            raise
        except BaseException as error:
            self.end(FAILED, error)
            raise
        finally:
            context.detach(token)
        if batch is None:
            self.end(EXHAUSTED)
            return None
        return self.counted(batch)

    def counted(self, batch: Raw) -> Raw:
        """Count the rows of `batch` if the span is recorded, and return what the user gets."""
        if self.span.operation.attached is None:
            return batch
        try:
            converted = batch.to_pyarrow()
            self.span.pulled(converted.num_rows)
            return ObservedBatch(batch, converted)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("counting the rows of a batch", ours)
            return batch

    def end(self, how: str, error: BaseException | None = None) -> None:
        """Say how the stream ended, the first time."""
        if not self.ended:
            self.ended = True
            self.span.part_ended(how, error)

    def __del__(self) -> None:
        if not self.ended:
            self.ended = True
            part_dropped(self.span)


class _Pull:
    """What `__anext__` gives: the engine's own future, awaited through us. A pull that is cancelled ends no stream."""

    __slots__ = ("_part", "_pulled")

    def __init__(self, part: _Part, pulled: Raw) -> None:
        self._part = part
        self._pulled = pulled

    def __getattr__(self, name: str) -> Raw:
        return getattr(self._pulled, name)

    def __await__(self) -> Generator[Any, Any, Any]:
        part = self._part
        try:
            batch = cast("Any", (yield from self._pulled.__await__()))
        except StopAsyncIteration:
            part.end(EXHAUSTED)
            raise
        except Exception as error:
            part.end(FAILED, error)
            raise
        except BaseException:  # cancelled: the next pull goes on
            part.span.operation.span.add_event(_CANCELLED)
            raise
        return part.counted(batch)


class StreamExecute(Execute):
    """The call that starts a stream: it is over when the call is, and its span when the stream is."""

    __slots__ = ()

    def finish(self, result: Raw) -> Raw:
        """Return the streams, each observed; the span ends with the last of them."""
        try:
            if not isinstance(result, list):
                return ObservedStream(result, StreamSpan(self, self.query, self._plan(), 1))
            streams = cast("list[Any]", result)
            span = StreamSpan(self, self.query, self._plan(), max(len(streams), 1))
            if not streams:
                span.part_ended(EXHAUSTED)
            return [ObservedStream(stream, span) for stream in streams]
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the start of a stream", ours)
            return cast("Any", result)
        finally:
            self.leave()

    def _plan(self) -> Raw:
        if self.keeps_plan and self.attached is not None and self.span.is_recording():
            return self.owner.execution_plan()
        return None


class PartitionExecute(Operation):
    """The call of ``ctx.execute(plan, partition)``. The plan is the user's, who may run it more than once: its figures
    are not of this run alone, and are left out.
    """

    __slots__ = ("query",)

    def __init__(self, options: Options, query: Query, method: str, owner: Raw, current: Context) -> None:
        super().__init__(query.span_name, options, query.attributes_of(method), owner, current)
        self.query = query

    def finish(self, result: Raw) -> Raw:
        """Return the stream, observed; the span ends with it."""
        try:
            return ObservedStream(result, StreamSpan(self, self.query, None, 1))
        finally:
            self.leave()

    def told_error(self, kind: str, seconds: float) -> None:
        """Record the duration as one that failed by `kind`."""
        record_duration((self.query, seconds, None, kind, self.context, get_run_id(), self.options))


class Streamer:
    """Opens the spans of streams."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def method(self, name: str) -> Callable[..., StreamExecute]:
        """Return what begins the method `name` of DataFrame."""
        return partial(StreamExecute, self.options, name, self.options.reads_figures)

    def execute(self, owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> PartitionExecute:
        """Begin ``ctx.execute(plan, partition)``."""
        del args, kwargs
        take_call()
        return PartitionExecute(self.options, Query("physical_plan", None), "execute", owner, current)
