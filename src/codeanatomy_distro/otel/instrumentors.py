"""Which instrumentors load, and loading them where no `opentelemetry-instrument` does."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points
from typing import Final

from codeanatomy_distro import settings

__all__ = ["load_instrumentors", "wanted"]

_logger = logging.getLogger("codeanatomy_distro")
_OURS: Final = frozenset({"datafusion", "hamilton"})
_LOGGING: Final = "logging"
_SYSTEM_METRICS: Final = "system_metrics"


def wanted(name: str) -> bool:
    """Return whether the instrumentor `name` is to be loaded by the settings.

    ``logging`` is not: log correlation is set up with the providers, by arguments that leave the program's logging alone.
    """
    disabled = settings.current(settings.DISABLED_INSTRUMENTATIONS)
    if settings.current(settings.SDK_DISABLED) or name == _LOGGING or name in disabled or "*" in disabled:
        return False
    return name != _SYSTEM_METRICS or settings.current(settings.SYSTEM_METRICS)


def load_instrumentors() -> None:
    """Load our instrumentors, and every other with ``CODEANATOMY_OTEL_AUTO_INSTRUMENTATION``; one that fails is told."""
    every = settings.current(settings.AUTO_INSTRUMENTATION)
    for entry in entry_points(group="opentelemetry_instrumentor"):
        if not wanted(entry.name) or not (every or entry.name in _OURS or entry.name == _SYSTEM_METRICS):
            continue
        try:
            entry.load()().instrument()
        except ModuleNotFoundError as missing:
            _logger.debug("instrumentor %r is left out: %s", entry.name, missing)
        except Exception as error:  # noqa: BLE001 - any instrumentor; the others must load
            _logger.warning("instrumentor %r failed and is left out: %s: %s", entry.name, type(error).__name__, error)
