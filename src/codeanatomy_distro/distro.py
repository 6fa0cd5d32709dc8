"""The distro: sets defaults where the user set nothing, and decides which instrumentors load and how."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.distro import BaseDistro

from codeanatomy_distro import settings
from codeanatomy_distro.obs.run_context import new_run_id
from codeanatomy_distro.otel.instrumentors import wanted
from codeanatomy_distro.setting import Setting, resolve

if TYPE_CHECKING:
    from opentelemetry.util._importlib_metadata import EntryPoint

__all__ = ["CodeAnatomyDistro"]

_logger = logging.getLogger("codeanatomy_distro")

# Variables that OpenTelemetry packages read by themselves, where a bad value would stop the import of the SDK or every
# later instrumentor, and where an accepted spelling of ours is not theirs.
_READ_BY_OTHERS: Final[tuple[Setting[Any], ...]] = (
    settings.SPAN_ATTRIBUTE_COUNT_LIMIT,
    settings.EXCLUDED_URLS,
)


class CodeAnatomyDistro(BaseDistro):
    """Entry point ``opentelemetry_distro`` = ``codeanatomy``."""

    _instance = None  # BaseDistro keeps one instance for all subclasses unless each has its own

    def _configure(self, **_: Any) -> None:  # noqa: ANN401 - the base class's own
        environ = os.environ
        environ.setdefault(settings.PYTHON_DISTRO.name, settings.DISTRO_NAME)
        environ.setdefault(settings.PYTHON_CONFIGURATOR.name, settings.DISTRO_NAME)
        if settings.current(settings.SDK_DISABLED):
            return
        # Every process that this one starts belongs to the same run.
        environ.setdefault(settings.RUN_ID.name, new_run_id())

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's own
        """Load one instrumentor, unless the settings leave it out; one that fails is told and stops no other."""
        if not wanted(entry_point.name):
            return
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except (DependencyConflictError, ModuleNotFoundError):
            raise  # the library it is for is not there; the caller knows both and skips it without a word
        except Exception as error:  # noqa: BLE001 - any instrumentor; upstream would drop all that come after it
            _logger.warning(
                "instrumentor %r failed and is left out: %s: %s", entry_point.name, type(error).__name__, error
            )
