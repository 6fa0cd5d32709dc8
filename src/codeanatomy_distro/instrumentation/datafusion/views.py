"""`datafusion.write_view`: CREATE VIEW, register_view and into_view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.datafusion.calls import call_under_way, take_call
from codeanatomy_distro.instrumentation.datafusion.measurements import record_duration
from codeanatomy_distro.instrumentation.datafusion.namespaces import namespace_of, namespace_of_frame
from codeanatomy_distro.instrumentation.datafusion.operation import Operation
from codeanatomy_distro.instrumentation.datafusion.outputs import record_frame
from codeanatomy_distro.instrumentation.datafusion.query import Query
from codeanatomy_distro.obs.constants import SpanName
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Viewer", "WriteView"]

_DESTINATION: Final = "view"


class WriteView(Operation):
    """One view being made; of `frame`, a DataFrame of the user's, where it is registered by name."""

    __slots__ = ("frame", "query")

    def __init__(  # noqa: PLR0913, PLR0917 - what an operation is made of
        self, options: Options, query: Query, method: str, current: Context, owner: Raw = None, frame: Raw = None
    ) -> None:
        attributes = {**query.attributes_of(method), "datafusion.write.destination": _DESTINATION}
        super().__init__(SpanName.DATAFUSION_WRITE_VIEW, options, attributes, owner, current)
        self.query = query
        self.frame = frame

    def told_result(self, result: Raw, seconds: float) -> Raw:
        """Record the duration, and the columns of a DataFrame that was registered by name."""
        record_duration((self.query, seconds, _DESTINATION, None, self.context, get_run_id(), self.options))
        if self.frame is not None and self.query.target is not None:
            record_frame(self.options, self.query.target, self.frame)
        return result

    def told_error(self, kind: str, seconds: float) -> None:
        """Record the duration of a failure."""
        record_duration((self.query, seconds, _DESTINATION, kind, self.context, get_run_id(), self.options))


class Viewer:
    """Opens the spans of views."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def into_view(
        self, owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context
    ) -> WriteView | None:
        """Begin ``into_view()``; none for the view that `sql` makes of a DataFrame that it was given."""
        del args, kwargs
        call = call_under_way.get()
        if call is not None and call[0] != "into_view":
            return None
        take_call()
        namespace = None if call is None else namespace_of_frame(call[1])
        query = Query("dataframe", "CREATE VIEW", namespace=namespace)
        return WriteView(self.options, query, "into_view", current, owner)

    def register_view(
        self, owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context
    ) -> WriteView | None:
        """Begin ``register_view(name, df)``; none for a call without them, which fails."""
        given = {**dict(zip(("name", "df"), args, strict=False)), **kwargs}
        if len(given) < 2:  # noqa: PLR2004 - name and df
            return None
        query = Query("dataframe", "CREATE VIEW", target=str(given["name"]), namespace=namespace_of(owner))
        return WriteView(self.options, query, "register_view", current, owner, given["df"])
