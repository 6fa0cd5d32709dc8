"""Who was chosen: tells when another distro or configurator won by chance, or when a chosen name does not exist.

It is a hook that `opentelemetry-instrument`, ``PYTHONPATH`` injection and `initialize()` all call before the
instrumentors, whichever distro was loaded.
"""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from codeanatomy_distro import settings
from codeanatomy_distro.otel.bootstrap import is_configured

__all__ = ["report_selection"]

_logger = logging.getLogger("codeanatomy_distro")


def report_selection() -> None:
    """Warn, at most once a process, of a selection that the user can't have meant."""
    if settings.current(settings.SDK_DISABLED):
        return
    unknown = [
        f"{setting.name}={name!r} names no installed one (there is {', '.join(sorted(known)) or 'none'})"
        for setting, group in (
            (settings.PYTHON_DISTRO, "opentelemetry_distro"),
            (settings.PYTHON_CONFIGURATOR, "opentelemetry_configurator"),
        )
        if (name := settings.current(setting)) and name not in (known := {e.name for e in entry_points(group=group)})
    ]
    for line in unknown:
        _logger.warning("%s: no telemetry is set up for it", line)
    chosen = settings.current(settings.PYTHON_CONFIGURATOR)
    if is_configured() or unknown or (chosen and chosen != settings.DISTRO_NAME):
        return
    _logger.warning(
        "codeanatomy-distro is installed, but another OpenTelemetry distribution was found first and configured this "
        "process. Set OTEL_PYTHON_DISTRO=codeanatomy and OTEL_PYTHON_CONFIGURATOR=codeanatomy to use it, or start the "
        "program with opentelemetry-instrument; name the other in both variables to be rid of this line"
    )
