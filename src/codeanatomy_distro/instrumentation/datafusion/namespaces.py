"""The namespace of a session (`db.namespace`): its default catalog and schema, by which it resolves bare names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.datafusion.engine import Raw

__all__ = ["NAMESPACE", "forget_namespace", "namespace_of"]

NAMESPACE: Final = "_codeanatomy_namespace"
"""Where a SessionContext of the user's keeps its namespace: the engine tells it only with all its settings."""

_DEFAULT: Final = re.compile(r"datafusion\.catalog\.default_(?:catalog|schema) = (.*?),?\n")


def namespace_of(owner: Raw) -> str | None:
    """Return the namespace of a SessionContext as the conventions write it (``datafusion|public``), and keep it.

    None for anything else, and where the release doesn't tell it.
    """
    kept: dict[str, Any] | None = getattr(owner, "__dict__", None)
    if kept is None or "ctx" not in kept:
        return None
    if NAMESPACE not in kept:
        names = _DEFAULT.findall(repr(kept["ctx"]))
        kept[NAMESPACE] = "|".join(names) or None
    return kept[NAMESPACE]


def forget_namespace(owner: Raw) -> None:
    """Forget what is kept: a statement may have set another."""
    getattr(owner, "__dict__", {}).pop(NAMESPACE, None)
