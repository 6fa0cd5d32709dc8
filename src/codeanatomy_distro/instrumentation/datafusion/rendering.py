"""`repr` and HTML of a DataFrame: each executes it, save the second of a pair in IPython, which shows what was kept."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.datafusion.calls import call_under_way
from codeanatomy_distro.instrumentation.datafusion.execute import Execute

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.operation import Begin
    from codeanatomy_distro.instrumentation.datafusion.options import Options

__all__ = ["Rendering", "rendering"]

_RENDERED: Final = "_codeanatomy_rendered"
"""Where a DataFrame of the user's remembers that the engine keeps its rows for the next rendering."""


class Rendering(Execute):
    """One execution for a text; where the engine keeps the rows of it, `frame` remembers that."""

    __slots__ = ("frame",)

    def finish(self, result: Raw) -> Raw:
        """Remember that the engine keeps the rows."""
        if self.frame is not None:
            self.frame.__dict__[_RENDERED] = True
        return Execute.finish(self, result)


def rendering(options: Options, name: str, *, keeps_rows: bool) -> Begin:
    """Return what begins `name`, ``__repr__`` or ``_repr_html_``; `keeps_rows` in releases that keep them (since 48).

    IPython asks for both to show one DataFrame once. The engine executes for the first, keeps the rows, and drops them
    with the second.
    """
    return partial(_begin, options, name, keeps_rows)


def _begin(  # noqa: PLR0913, PLR0917 - the patch's own, after what is known before
    options: Options,
    name: str,
    keeps_rows: bool,  # noqa: FBT001
    owner: Raw,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    current: Context,
) -> Rendering | None:
    call = call_under_way.get()
    frame = call[1] if keeps_rows and call is not None and _is_ipython() else None
    if frame is not None and frame.__dict__.pop(_RENDERED, False):
        return None
    operation = Rendering(options, name, False, owner, args, kwargs, current)  # noqa: FBT003 - keeps no plan
    operation.frame = frame
    return operation


def _is_ipython() -> bool:
    get = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get is not None and get() is not None
