"""`datafusion.write_view`: CREATE VIEW, register_view and into_view."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeanatomy_distro.instrumentation.datafusion.calls import call_under_way, take_call
from codeanatomy_distro.instrumentation.datafusion.namespaces import namespace_of
from codeanatomy_distro.instrumentation.datafusion.operation import Operation
from codeanatomy_distro.instrumentation.datafusion.outputs import record_frame
from codeanatomy_distro.instrumentation.datafusion.query import Query
from codeanatomy_distro.obs.constants import SpanName

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Viewer", "WriteView"]


class WriteView(Operation):
    """One view being made."""

    __slots__ = ("frame", "name")

    def __init__(self, options: Options, query: Query, method: str, current: Context, owner: Raw = None) -> None:
        super().__init__(SpanName.DATAFUSION_WRITE_VIEW, options, query.attributes_of(method), owner, current)
        self.name: str | None = None
        self.frame: Raw = None

    def told_result(self, result: Raw, seconds: float) -> Raw:
        """Record the columns of a DataFrame that was registered by name."""
        del seconds
        if self.name is not None:
            record_frame(self.options, self.name, self.frame)
        return result


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
        return WriteView(self.options, Query("dataframe", "CREATE VIEW"), "into_view", current, owner)

    def register_view(self, owner: Raw, args: tuple[Any, ...], kwargs: dict[str, Any], current: Context) -> WriteView:
        """Begin ``register_view(name, df)``."""
        name = str(args[0] if args else kwargs["name"])
        query = Query("dataframe", "CREATE VIEW", target=name, namespace=namespace_of(owner))
        view = WriteView(self.options, query, "register_view", current, owner)
        view.name, view.frame = name, args[1] if len(args) > 1 else kwargs["df"]
        return view
