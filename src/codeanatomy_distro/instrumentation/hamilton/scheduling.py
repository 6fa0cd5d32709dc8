"""Adapters under which executing a node means scheduling it: the body runs later, elsewhere, after the node's hooks."""

from __future__ import annotations

from typing import Any

__all__ = ["only_schedules"]


def only_schedules(adapters: Any) -> bool:  # noqa: ANN401
    """Whether one of `adapters` only schedules the nodes that it is told to execute."""
    for adapter in adapters.sync_methods.get("do_node_execute", ()):
        names = {kind.__name__ for kind in type(adapter).__mro__}  # by name: neither module must be imported for this
        if "AsyncGraphAdapter" in names or ("DaskGraphAdapter" in names and adapter.use_delayed):
            return True
    return False
