"""Our adapters in every driver: put there when it is built and again when it is used, and taken out again.

So a driver is covered that was built before us, unpickled, deep-copied or given another graph; and what a program
pickles is what it would have pickled without us.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

from codeanatomy_distro.instrumentation.hamilton.worker import CARRIED_RUNS
from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Automatic", "adapter_sets", "ensure", "remove_everywhere", "state_without_ours"]


class Automatic:
    """The adapters that every driver gets; none while the instrumentor is off."""

    adapters: tuple[Any, ...] = ()


_lock: Final = threading.Lock()
_ensured: Final[WeakSet[Any]] = WeakSet()


def adapter_sets(driver: Any) -> Iterator[Any]:  # noqa: ANN401
    """Yield the distinct adapter sets of `driver`: its own, its graph's and its executor's, which may be one."""
    seen: set[int] = set()
    for owner in (driver, getattr(driver, "graph", None), getattr(driver, "graph_executor", None)):
        found = getattr(owner, "adapter", None)
        if found is not None and id(found) not in seen and hasattr(found, "sync_hooks"):
            seen.add(id(found))
            yield found


def ensure(driver: Any) -> None:  # noqa: ANN401
    """Put our adapters into the sets of `driver`, before the others, where they have none of the kind; never raises."""
    ours = Automatic.adapters
    if not ours:
        return
    try:
        for adapters in adapter_sets(driver):
            present = adapters.adapters
            if not present or present[0] is not ours[0]:
                _add(adapters, ours)
    except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
        report_failure("a Hamilton driver's adapters", failure)


def _add(adapters: Any, ours: tuple[Any, ...]) -> None:  # noqa: ANN401
    with _lock:
        missing = [hook for hook in ours if not any(isinstance(other, type(hook)) for other in adapters.adapters)]
        if missing:
            # In place, since driver, graph, executor and tasks share the set; by its constructor, since that makes new
            # lists and leaves alone those that another thread may be walking.
            type(adapters).__init__(adapters, *missing, *adapters.adapters)
            _ensured.add(adapters)


def remove_everywhere(ours: tuple[Any, ...]) -> None:
    """Take our adapters out of every set that has them."""
    mine = set(map(id, ours))
    with _lock:
        for adapters in list(_ensured):
            type(adapters).__init__(adapters, *(adapter for adapter in adapters.adapters if id(adapter) not in mine))
        _ensured.clear()


def state_without_ours(adapters: Any, state: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    """Return the state of the set `adapters` as it is without what we added: `state` itself if there is none."""
    mine = set(map(id, Automatic.adapters))
    if not any(id(adapter) in mine for adapter in adapters.adapters):
        return state
    return {name: value if name == CARRIED_RUNS else _without(value, mine) for name, value in state.items()}


def _without(value: Any, mine: set[int]) -> Any:  # noqa: ANN401
    match value:
        case list():
            adapters = cast("list[Any]", value)
            return [adapter for adapter in adapters if id(adapter) not in mine]
        case dict():
            named = cast("dict[str, Any]", value)
            cleaned = {name: _without(adapters, mine) for name, adapters in named.items()}
            return {name: adapters for name, adapters in cleaned.items() if adapters or not named[name]}
        case _:
            return value
