"""DataFusion, traced without a change to the program: what is compiled, executed, written, and by which operators.

Importing this package imports no DataFusion: its classes are patched when the program imports them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import wrapt
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # pyright: ignore[reportMissingTypeStubs]

from codeanatomy_distro.instrumentation.patching import Patches, report_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import ModuleType

    from codeanatomy_distro.instrumentation.datafusion.engine import Raw

__all__ = ["DataFusionInstrumentor"]

_MODULE = "datafusion"


class DataFusionInstrumentor(BaseInstrumentor):
    """Instruments Apache DataFusion 43 and later; does nothing at all in a program that never imports it.

    `instrument` takes a ``tracer_provider`` and a ``meter_provider`` in place of the global ones. `uninstrument` puts
    the very same objects back.
    """

    def __init__(self) -> None:
        super().__init__()
        if not hasattr(self, "_patches"):  # the class makes but one instance, and initialises it at each call
            self._patches = Patches()
            self._arguments: dict[str, Any] | None = None
            self._hooked = False
            self._stop: Callable[[], None] | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed: nothing, for without DataFusion there is nothing to patch, and no conflict."""
        return ()

    def _instrument(self, **kwargs: Raw) -> None:
        self._arguments = {name: kwargs.get(name) for name in ("tracer_provider", "meter_provider")}
        if not self._hooked:
            self._hooked = True  # a hook can't be taken back; it does nothing while we are not to instrument
            wrapt.register_post_import_hook(self._on_import, _MODULE)
        elif _MODULE in sys.modules:
            self._on_import(sys.modules[_MODULE])

    def _uninstrument(self, **kwargs: Raw) -> None:
        del kwargs
        self._arguments = None
        self._patches.undo()
        if self._stop is not None:
            self._stop()
            self._stop = None

    def _on_import(self, module: ModuleType) -> None:
        if self._arguments is None:
            return
        try:
            # Only now: they cost import time that a program without DataFusion need not pay.
            from codeanatomy_distro.instrumentation.datafusion.options import read_options
            from codeanatomy_distro.instrumentation.datafusion.targets import create_targets, stop

            self._stop = stop
            self._patches.apply(create_targets(module, read_options(**self._arguments)))
        except Exception as ours:  # noqa: BLE001 - our failure; the user goes on
            report_failure("the instrumentation of DataFusion", ours)
            self._patches.undo()
