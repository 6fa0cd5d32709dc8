"""What is patched in Hamilton, and when: nothing before the program imports the module that it is in."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import wrapt

from codeanatomy_distro.instrumentation.hamilton.async_nodes import trace_async_nodes
from codeanatomy_distro.instrumentation.hamilton.delayed_nodes import trace_delayed_nodes
from codeanatomy_distro.instrumentation.hamilton.driver import state_without_ours
from codeanatomy_distro.instrumentation.hamilton.entries import trace_async_execute, trace_execute, with_ensure
from codeanatomy_distro.instrumentation.hamilton.node_spans import trace_nodes
from codeanatomy_distro.instrumentation.hamilton.runs import forget_place
from codeanatomy_distro.instrumentation.hamilton.worker import carry_runs, trace_tasks
from codeanatomy_distro.instrumentation.patching import Patches, Target, report_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["HAMILTON_PATCHES", "HamiltonPatches"]


def _driver_targets(module: Any) -> list[Target]:  # noqa: ANN401
    return [
        Target(module.Driver, "__init__", plain=with_ensure),
        Target(module.Driver, "execute", plain=trace_execute),
        Target(module.Driver, "materialize", plain=trace_execute),
        Target(module.Driver, "raw_execute", plain=trace_execute),
    ]


def _adapter_targets(module: Any) -> list[Target]:  # noqa: ANN401
    carry = partial(carry_runs, without=state_without_ours)
    return [Target(module.LifecycleAdapterSet, "__reduce_ex__", plain=carry)]


def _node_targets(module: Any) -> list[Target]:  # noqa: ANN401
    return [Target(module, "execute_lifecycle_for_node", plain=trace_nodes)]


def _task_targets(module: Any) -> list[Target]:  # noqa: ANN401
    return [Target(module, "base_execute_task", plain=trace_tasks)]


def _async_targets(module: Any) -> list[Target]:  # noqa: ANN401
    return [
        Target(module.AsyncDriver, "execute", plain=trace_async_execute),
        Target(module.AsyncDriver, "raw_execute", plain=trace_async_execute),
        Target(module.AsyncGraphAdapter, "do_node_execute", plain=trace_async_nodes),
    ]


def _dask_targets(module: Any) -> list[Target]:  # noqa: ANN401
    return [Target(module.DaskGraphAdapter, "execute_node", plain=trace_delayed_nodes)]


_TARGETS: Final[dict[str, Callable[[Any], list[Target]]]] = {
    "hamilton.lifecycle.base": _adapter_targets,
    "hamilton.execution.graph_functions": _node_targets,
    "hamilton.execution.executors": _task_targets,  # without a driver in a worker that only executes
    "hamilton.driver": _driver_targets,
    "hamilton.async_driver": _async_targets,
    "hamilton.plugins.h_dask": _dask_targets,
}


class HamiltonPatches:
    """The patches of Hamilton, there as long as somebody needs them: the instrumentor, or hooks made by hand."""

    def __init__(self) -> None:
        self._owners: set[str] = set()
        self._applied: dict[str, Patches] = {}
        self._waiting = False

    def acquire(self, owner: str) -> None:
        """Patch what is imported of Hamilton, and the rest when it is."""
        self._owners.add(owner)
        if not self._waiting:
            self._waiting = True
            os.register_at_fork(after_in_child=forget_place)
            for name in _TARGETS:
                wrapt.register_post_import_hook(self._patch, name)  # at once if it is imported
        for name in _TARGETS:
            if name in sys.modules:
                self._patch(sys.modules[name])

    def release(self, owner: str) -> None:
        """Put everything back when `owner` was the last to need it."""
        self._owners.discard(owner)
        if not self._owners:
            for name in reversed(list(self._applied)):
                self._applied.pop(name).undo()

    def _patch(self, module: ModuleType) -> None:
        name = module.__name__
        if not self._owners or name in self._applied:
            return
        try:
            patches = self._applied[name] = Patches()
            patches.apply(_TARGETS[name](module))
        except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
            report_failure(f"the instrumentation of {name}", failure)


HAMILTON_PATCHES: Final = HamiltonPatches()
"""The patches of this process."""
