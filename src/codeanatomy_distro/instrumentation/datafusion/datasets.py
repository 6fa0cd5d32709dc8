"""Which dataset a scan of files reads: the name under which its files were registered."""

from __future__ import annotations

import functools
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, cast

from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw
    from codeanatomy_distro.instrumentation.datafusion.figures import Scan

__all__ = ["dataset_of_scan", "noting_location", "remember_location"]

_MOST: Final = 4096
_name_of: Final[OrderedDict[str, str]] = OrderedDict()


def _key(location: str) -> str:
    # The engine's plans write a location without its scheme's slashes, and a local path without its root.
    scheme, found, rest = location.partition("://")
    if not found:
        rest = os.path.abspath(location)  # noqa: PTH100 - a text, not a path that must exist
    elif scheme != "file":
        rest = rest.partition("/")[2]
    return rest.strip("/")


def remember_location(name: str, location: Raw) -> None:
    """Remember that the dataset `name` is at `location`, a path or URL."""
    _name_of[_key(str(location))] = name
    while len(_name_of) > _MOST:
        _name_of.popitem(last=False)


def noting_location(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the patch of a method that registers files: ``register_x(name, path, …)``."""

    @functools.wraps(original)
    def registered(self: Raw, *args: Raw, **kwargs: Raw) -> Raw:
        result = original(self, *args, **kwargs)
        try:
            name = args[0] if args else kwargs["name"]
            location: Any = args[1] if len(args) > 1 else kwargs.get("path", kwargs.get("table_path"))
            for each in cast("list[Any]", location) if isinstance(location, (list, tuple)) else (location,):
                remember_location(str(name), each)
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the name of a dataset", ours)
        return result

    return registered


def dataset_of_scan(scan: Scan, datasets: tuple[str, ...], *, alone: bool) -> str | None:
    """Return which of the query's `datasets` the scan reads: the one registered at its files, else the only one.

    A scan that is `alone` in its query reads the only one without being asked; of several, a view may have made them.
    """
    if not datasets:
        return None
    only = datasets[0] if len(datasets) == 1 else None
    if only is not None and alone:
        return only
    _, found, rest = scan.node.display().partition("file_groups={")
    _, opened, rest = rest.partition("[[")
    if not found or not opened:
        return only
    path = rest.split(", ", 1)[0].split("]", 1)[0]
    while path:
        name = _name_of.get(path)
        if name is not None:
            return name
        shorter, _, last = path.rpartition("/")
        if not shorter and ":" in last:
            return only
        path = shorter or ""
    return only
