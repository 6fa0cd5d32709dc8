"""Hamilton, watched from outside: every driver's executions, graphs and nodes as spans.

Importing this package imports no Hamilton; `OtelPlanHook` and `OtelNodeHook` are loaded when they are asked for.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Collection

    from codeanatomy_distro.instrumentation.hamilton.hooks import OtelNodeHook, OtelPlanHook

__all__ = ["HamiltonInstrumentor", "OtelNodeHook", "OtelPlanHook"]

_OWNER = "instrumentor"


class HamiltonInstrumentor(BaseInstrumentor):
    """Traces every Hamilton driver of the process (specification, *Trace Topology*), and undoes it.

    Hamilton is patched when the program imports it, or at once if it has done so. Without Hamilton nothing happens.
    """

    _active = False
    _waiting = False

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: there are two distributions of Hamilton, either will do, and its absence is no conflict."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:  # noqa: ANN401
        del kwargs
        self._active = True
        if not self._waiting:
            self._waiting = True
            wrapt.register_post_import_hook(lambda _: self._patch(), "hamilton")  # at once if it is imported
            wrapt.register_post_import_hook(lambda _: self._add_hooks(), "hamilton.driver")
            return
        for name, on_import in (("hamilton", self._patch), ("hamilton.driver", self._add_hooks)):
            if name in sys.modules:
                on_import()

    def _uninstrument(self, **kwargs: Any) -> None:  # noqa: ANN401
        del kwargs
        self._active = False
        if "hamilton" not in sys.modules:
            return
        # Imported here for start-up cost: with Hamilton there, they are loaded already.
        from codeanatomy_distro.instrumentation.hamilton import driver, patches, tracking

        ours, driver.Automatic.adapters = driver.Automatic.adapters, ()
        driver.remove_everywhere(ours)
        patches.HAMILTON_PATCHES.release(_OWNER)
        tracking.TRACKING.stop()

    def _patch(self) -> None:
        if not self._active:
            return
        try:
            # Imported here for start-up cost: a program without Hamilton does not pay for its patches.
            from codeanatomy_distro.instrumentation.hamilton import patches

            patches.HAMILTON_PATCHES.acquire(_OWNER)
        except Exception as failure:  # noqa: BLE001 - the program's import of Hamilton must not fail for us
            report_failure("the instrumentation of Hamilton", failure)

    def _add_hooks(self) -> None:
        if not self._active:
            return
        try:
            # Imported here for start-up cost: the hooks import Hamilton, which the program has just done itself.
            from codeanatomy_distro.instrumentation.hamilton import driver, hooks, tracking

            tracking.TRACKING.start()
            driver.Automatic.adapters = hooks.OtelPlanHook(by_hand=False), hooks.OtelNodeHook(by_hand=False)
        except Exception as failure:  # noqa: BLE001 - as above
            report_failure("the instrumentation of Hamilton's drivers", failure)


def __getattr__(name: str) -> Any:  # noqa: ANN401
    if name in {"OtelNodeHook", "OtelPlanHook"}:
        # Imported here for start-up cost: it imports Hamilton.
        from codeanatomy_distro.instrumentation.hamilton import hooks

        return getattr(hooks, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
