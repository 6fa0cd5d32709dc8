"""Which instrumentors load, and loading them where no `opentelemetry-instrument` does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar

from opentelemetry.instrumentation.dependencies import DependencyConflictError

from codeanatomy_distro import settings
from codeanatomy_distro.environment import environment
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.plugins import entry_points

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Setting

__all__ = ["is_loaded", "load_instrumentors", "load_ours", "wanted"]

T = TypeVar("T")
_logger = logging.getLogger("codeanatomy_distro")
_GROUP: Final = "opentelemetry_instrumentor"
_OURS: Final = frozenset({"concurrency", "datafusion", "hamilton"})
_LOGGING: Final = "logging"
_SYSTEM_METRICS: Final = "system_metrics"
_loaded: Final[set[str]] = set()


def wanted(name: str, config: OtelConfig | None = None) -> bool:
    """Return whether the instrumentor `name` is to be loaded by the settings, those of `config` or of the environment.

    ``logging`` is not: log correlation is set up with the providers, in a way that leaves the program's own logging
    alone.
    """
    disabled = _value(settings.DISABLED_INSTRUMENTATIONS, config)
    if name == _LOGGING or name in disabled or "*" in disabled or _value(settings.SDK_DISABLED, config):
        return False
    return name != _SYSTEM_METRICS or _value(settings.SYSTEM_METRICS, config)


def load_instrumentors(config: OtelConfig | None = None) -> None:
    """Load our instrumentors, and the others with ``CODEANATOMY_OTEL_AUTO_INSTRUMENTATION``; one that fails is told."""
    every = _value(settings.AUTO_INSTRUMENTATION, config)
    for entry in entry_points(group=_GROUP):
        if wanted(entry.name, config) and (every or entry.name in _OURS or entry.name == _SYSTEM_METRICS):
            _load(entry)


def load_ours() -> tuple[str, ...]:
    """Load our instrumentors by the environment; return the names that the command need not look at any more."""
    _loaded.update(_OURS)
    for entry in entry_points(group=_GROUP):
        if entry.name in _OURS and wanted(entry.name):
            _load(entry)
    return (*sorted(_OURS), *(name for name in (_LOGGING, _SYSTEM_METRICS) if not wanted(name)))


def is_loaded(name: str) -> bool:
    """Return whether `load_ours` has seen to the instrumentor `name`."""
    return name in _loaded


def _value(setting: Setting[T], config: OtelConfig | None) -> T:
    return settings.current(setting, environment()) if config is None else config[setting]


def _load(entry: EntryPoint) -> None:
    try:
        instrumentor = entry.load()()
        if not getattr(instrumentor, "is_instrumented_by_opentelemetry", False):  # the program may have done it itself
            # Without the argument, the instrumentor of a library that is not there would say so on stderr.
            instrumentor.instrument(raise_exception_on_conflict=True)
    except (DependencyConflictError, ModuleNotFoundError) as missing:
        _logger.debug("instrumentor %r is left out: %s", entry.name, missing)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - any instrumentor; the others must load
        text = to_text(error)
        _logger.warning("instrumentor %r failed and is left out: %s: %s", entry.name, type(error).__name__, text)
