"""The namespace of a session (`db.namespace`): its default catalog and schema, by which it resolves bare names."""

from __future__ import annotations

import functools
import re
import sys
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.datafusion.calls import QUERY
from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw

__all__ = [
    "DOUBLE_QUOTES",
    "NAMESPACE",
    "forget_namespace",
    "inheriting_namespace",
    "namespace_of",
    "namespace_of_frame",
]

NAMESPACE: Final = "_codeanatomy_namespace"
"""Where a SessionContext of the user's keeps its namespace, which the engine tells only with all its settings; and
where a DataFrame keeps that of its session, which it was made in and goes on in whatever becomes of the session.
"""

DOUBLE_QUOTES: Final = "_codeanatomy_double_quotes"
"""What a SessionContext of the user's has if its SQL dialect puts double quotes around strings."""

_DEFAULT: Final = re.compile(r"datafusion\.catalog\.default_(?:catalog|schema) = (.*?),?\n")
_DIALECT: Final = re.compile(r"datafusion\.sql_parser\.dialect = \W*(?:mysql|bigquery|databricks|spark)", re.IGNORECASE)


def namespace_of(owner: Raw) -> str | None:
    """Return the namespace of a SessionContext as the conventions write it (``datafusion|public``), and keep it.

    None for anything else, and where the release doesn't tell it.
    """
    kept: dict[str, Any] | None = getattr(owner, "__dict__", None)
    if kept is None or "ctx" not in kept:
        return None
    if NAMESPACE not in kept:
        told = repr(kept["ctx"])
        kept[NAMESPACE] = "|".join(_DEFAULT.findall(told)) or None
        if _DIALECT.search(told):
            kept[DOUBLE_QUOTES] = True
    return kept[NAMESPACE]


def forget_namespace(owner: Raw) -> None:
    """Forget what is kept: a statement may have set another."""
    kept: dict[str, Any] = getattr(owner, "__dict__", {})
    kept.pop(NAMESPACE, None)
    kept.pop(DOUBLE_QUOTES, None)


def inheriting_namespace(contexts: type, frames: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the patch of the constructor of `frames`, the class of DataFrames: each keeps the namespace of its maker.

    Its maker is the session or the DataFrame whose method calls the constructor, and is not among its arguments. It is
    looked up in the caller's frame, for a wrapper of each such method would stand between the user and the warnings
    that the engine addresses to the caller. What `sql` makes has its namespace in its query.
    """
    of_sql = getattr(getattr(contexts, "sql", None), "__code__", None)

    def patch(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def init(self: Raw, *args: Raw, **kwargs: Raw) -> None:
            original(self, *args, **kwargs)
            try:
                caller = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented, for all its name
                if caller.f_code is of_sql:
                    return
                maker: Any = caller.f_locals.get("self")
                if isinstance(maker, contexts):
                    self.__dict__[NAMESPACE] = namespace_of(maker)
                elif isinstance(maker, frames):
                    self.__dict__[NAMESPACE] = namespace_of_frame(maker)
            except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
                report_failure("the namespace of a DataFrame", ours)

        return init

    return patch


def namespace_of_frame(frame: Raw) -> str | None:
    """Return the namespace of the session that a DataFrame of the user's was made in; None where it is not known."""
    kept: dict[str, Any] = frame.__dict__
    if NAMESPACE in kept:
        return kept[NAMESPACE]
    query = kept.get(QUERY)
    return None if query is None else query.attributes.get("db.namespace")
