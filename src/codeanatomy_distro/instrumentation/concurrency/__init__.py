"""Context for work that goes elsewhere: threads, thread and process pools, and programs started with `subprocess`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from codeanatomy_distro.instrumentation.concurrency.hooks import install, uninstall

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["ConcurrencyInstrumentor"]


class ConcurrencyInstrumentor(BaseInstrumentor):
    """Entry point ``opentelemetry_instrumentor`` = ``concurrency``."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: what it wraps is Python's own."""
        return ()

    def _instrument(self, **_: Any) -> None:  # noqa: ANN401 - the base class's own
        install()

    def _uninstrument(self, **_: Any) -> None:  # noqa: ANN401 - the base class's own
        uninstall()
