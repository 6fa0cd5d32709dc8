"""The distro: makes the environment fit for every OpenTelemetry package, and decides which instrumentors load."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.instrumentation.dependencies import DependencyConflictError
from opentelemetry.instrumentation.distro import BaseDistro
from opentelemetry.instrumentation.environment_variables import (
    OTEL_PYTHON_CONFIGURATOR,
    OTEL_PYTHON_DISABLED_INSTRUMENTATIONS,
    OTEL_PYTHON_DISTRO,
)

from codeanatomy_distro.environment import is_switched_off
from codeanatomy_distro.version import DISTRO_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from importlib.metadata import EntryPoint


__all__ = ["CodeAnatomyDistro", "hide_instrumentors", "show_instrumentors", "take_flags"]

_logger = logging.getLogger("codeanatomy_distro")
_LOADER: Final = "opentelemetry.instrumentation.auto_instrumentation._load"


class CodeAnatomyDistro(BaseDistro):
    """Entry point ``opentelemetry_distro`` = ``codeanatomy``."""

    _instance = None  # BaseDistro keeps one instance for all subclasses unless each has its own

    def _configure(self, **_: Any) -> None:  # noqa: ANN401 - the base class's own
        environ = os.environ
        if not is_switched_off(environ):
            _make_usable(environ)
        environ.setdefault(OTEL_PYTHON_DISTRO, DISTRO_NAME)
        environ.setdefault(OTEL_PYTHON_CONFIGURATOR, DISTRO_NAME)
        logging.getLogger(_LOADER).addFilter(_is_no_other_configurator)
        if not is_switched_off(environ):
            # Start-up cost, here and below: a process whose telemetry is off needs none of it.
            from codeanatomy_distro import settings
            from codeanatomy_distro.obs.run_context import new_run_id

            # Every process that this one starts belongs to the same run.
            environ.setdefault(settings.RUN_ID.name, new_run_id())

    def load_instrumentor(self, entry_point: EntryPoint, **kwargs: Any) -> None:  # noqa: ANN401 - the base class's own
        """Load one instrumentor, unless the settings leave it out; one that fails is told and stops no other."""
        from codeanatomy_distro.otel.instrumentors import is_loaded, wanted  # start-up cost, as above

        if not wanted(entry_point.name) or is_loaded(entry_point.name):
            return
        try:
            super().load_instrumentor(entry_point, **kwargs)
        except (DependencyConflictError, ModuleNotFoundError):
            raise  # the library it is for is not there; the caller knows both and skips it without a word
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any instrumentor; upstream would drop all that come after it
            _logger.warning(
                "instrumentor %r failed and is left out: %s: %s", entry_point.name, type(error).__name__, error
            )


class _Hidden:
    """What the variable held that names instrumentors to leave out, while it hides some."""

    value: str | None = None
    under_way = False


def hide_instrumentors(names: Iterable[str]) -> None:
    """Have `opentelemetry-instrument` pass over `names` at once, until `show_instrumentors`.

    It asks no distro before it has read the metadata of an instrumentor's package, twice, which for ours alone is 3 %
    of its start (opentelemetry-python-contrib, `auto_instrumentation/_load.py`). The variable that spares it that is
    read once, before the hooks that are called ahead of the instrumentors; ours, which puts the variable back, is one.
    """
    variable, environ = OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, os.environ
    given = environ.get(variable)
    if not _Hidden.under_way:
        _Hidden.value, _Hidden.under_way = given, True
    environ[variable] = ",".join([*([given] if given else []), *names])


def show_instrumentors() -> None:
    """Put the variable back to what it was before `hide_instrumentors`."""
    if _Hidden.under_way:
        _Hidden.under_way = False
        variable = OTEL_PYTHON_DISABLED_INSTRUMENTATIONS
        if _Hidden.value is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = _Hidden.value


def _make_usable(environ: MutableMapping[str, str]) -> None:
    """Read the settings, tell what is wrong with them, and leave none that an OpenTelemetry package stumbles over."""
    # Start-up cost, as above.
    from codeanatomy_distro import settings
    from codeanatomy_distro.otel.config import report_problems, resolve_otel_config
    from codeanatomy_distro.otel.sdk_environment import usable_environment

    take_flags(environ)
    config = resolve_otel_config()
    report_problems(config)
    for name, usable in usable_environment(config).items():
        if usable is None:
            environ.pop(name, None)
        else:
            environ[name] = usable
    if config[settings.SDK_DISABLED]:  # by the declarative file
        environ[settings.SDK_DISABLED.name] = "true"


def take_flags(environ: MutableMapping[str, str]) -> None:
    """Give each variable of ours the value of its flag, which the command names with ``OTEL_`` in front."""
    from codeanatomy_distro import settings  # start-up cost, as above

    for setting in settings.TABLE:
        for variable in setting.variables:
            given = None if variable.startswith("OTEL_") else environ.pop(f"OTEL_{variable}", None)
            if given is not None:
                environ[variable] = given


def _is_no_other_configurator(record: logging.LogRecord) -> bool:
    """Drop the warning that upstream prints, at each start, for each configurator that was not chosen."""
    return not str(record.msg).startswith("Configuration of %s not loaded")
