"""Hamilton, watched from outside: every driver's executions, graphs and nodes as spans.

Importing this package imports no Hamilton; `OtelPlanHook` and `OtelNodeHook` are loaded when they are asked for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from codeanatomy_distro.instrumentation.hamilton.driver import Automatic, remove_everywhere
from codeanatomy_distro.instrumentation.hamilton.patches import HAMILTON_PATCHES
from codeanatomy_distro.instrumentation.hamilton.tracking import TRACKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from codeanatomy_distro.instrumentation.hamilton.hooks import OtelNodeHook, OtelPlanHook

__all__ = ["HamiltonInstrumentor", "OtelNodeHook", "OtelPlanHook"]

_OWNER = "instrumentor"


class HamiltonInstrumentor(BaseInstrumentor):
    """Traces every Hamilton driver of the process (specification, *Trace Topology*), and undoes it.

    Hamilton is patched when the program imports it, or at once if it has done so. Without Hamilton nothing happens.
    """

    _waiting = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: there are two distributions of Hamilton, either will do, and its absence is no conflict."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ANN401
        del kwargs
        HAMILTON_PATCHES.acquire(_OWNER)
        if not self._waiting:
            type(self)._waiting = True  # noqa: SLF001 - there is no public way
            wrapt.register_post_import_hook(lambda _: self._add_hooks(), "hamilton.driver")
        elif "hamilton.driver" in sys.modules:
            self._add_hooks()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ANN401
        del kwargs
        ours, Automatic.adapters = Automatic.adapters, ()
        remove_everywhere(ours)
        HAMILTON_PATCHES.release(_OWNER)
        TRACKING.stop()

    def _add_hooks(self) -> None:
        # Imported here for start-up cost: it imports Hamilton, which the program has just done itself.
        from codeanatomy_distro.instrumentation.hamilton import hooks

        if HAMILTON_PATCHES.is_held_by(_OWNER):
            TRACKING.start()
            Automatic.adapters = hooks.OtelPlanHook(by_hand=False), hooks.OtelNodeHook(by_hand=False)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in {"OtelNodeHook", "OtelPlanHook"}:
        # Imported here for start-up cost: it imports Hamilton.
        from codeanatomy_distro.instrumentation.hamilton import hooks

        return getattr(hooks, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
