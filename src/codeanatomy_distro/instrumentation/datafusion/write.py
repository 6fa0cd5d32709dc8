"""`datafusion.write`: what a DataFrame writes by its own methods. COPY and INSERT write when they are executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeanatomy_distro.instrumentation.datafusion.execute import query_and_method
from codeanatomy_distro.instrumentation.datafusion.measurements import record_duration
from codeanatomy_distro.instrumentation.datafusion.operation import Operation
from codeanatomy_distro.instrumentation.datafusion.outputs import record_frame
from codeanatomy_distro.instrumentation.datafusion.running import Running, running
from codeanatomy_distro.instrumentation.datafusion.sql import read_name
from codeanatomy_distro.obs.constants import SpanName
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Write", "Writer"]


class Write(Operation):
    """One write of a DataFrame to files or to a table."""

    __slots__ = ("destination", "query", "table")

    def __init__(  # noqa: PLR0913, PLR0917 - what an operation is made of
        self, options: Options, frame: Raw, method: str, destination: str, place: Raw, current: Context
    ) -> None:
        self.query, method = query_and_method(frame, method)
        self.destination = destination
        self.table = read_name(str(place)) if destination == "table" else None
        attributes = {**self.query.attributes_of(method), "datafusion.write.destination": destination}
        if self.table is not None:
            attributes["db.collection.name"] = self.table
        elif destination != "table":
            attributes["datafusion.write.path"] = str(place)
        super().__init__(SpanName.DATAFUSION_WRITE, options, attributes, frame, current)
        running[id(self)] = Running(self.context, frame, get_run_id())

    def told_result(self, result: Raw, seconds: float) -> Raw:
        """Record the duration, and the columns of a table; the engine keeps no figures of these."""
        record_duration((self.query, seconds, self.destination, None, self.context, get_run_id(), self.options))
        if self.table is not None:
            record_frame(self.options, self.table, self.owner)
        return result

    def told_error(self, kind: str, seconds: float) -> None:
        """Record the duration of a failure."""
        record_duration((self.query, seconds, self.destination, kind, self.context, get_run_id(), self.options))

    def close(self) -> None:
        """Put the context back and end the span."""
        running.pop(id(self), None)
        super().close()


class Writer:
    """Opens the spans of writes."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def method(self, name: str, destination: str) -> Callable[..., Write]:
        """Return what begins the method `name`, whose first argument is the place written to."""

        def begin(frame: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> Write:
            place = args[0] if args else kwargs.get("table_name", kwargs.get("path", ""))
            return Write(self.options, frame, name, destination, place, current)

        return begin
