"""Who was chosen: tells when another distro or configurator won by chance, or when a chosen name does not exist.

It is a hook that `opentelemetry-instrument`, ``PYTHONPATH`` injection and `initialize()` all call before the
instrumentors, whichever distro was loaded. Ours is done then with what it hid from the command.
"""

from __future__ import annotations

import logging

from codeanatomy_distro.distro import show_instrumentors
from codeanatomy_distro.environment import environment, is_switched_off

__all__ = ["report_selection"]

_logger = logging.getLogger("codeanatomy_distro")
_CURE = (
    "codeanatomy-distro is installed, but another OpenTelemetry distribution was found first and configured this "
    "process. Set OTEL_PYTHON_DISTRO=codeanatomy and OTEL_PYTHON_CONFIGURATOR=codeanatomy to use it, or start the "
    "program with opentelemetry-instrument; name the other in both variables to be rid of this line"
)


def report_selection() -> None:
    """Warn, at most once a process, of a selection that the user can't have meant."""
    show_instrumentors()
    if is_switched_off(environment()):
        return
    # Start-up cost: see the configurator.
    from codeanatomy_distro import settings
    from codeanatomy_distro.otel.bootstrap import is_configured
    from codeanatomy_distro.setting import Problem, resolve

    if is_configured():
        return  # our own start has told already what it found wrong
    chosen, problems = resolve(settings.PYTHON_CONFIGURATOR, environment())
    unknown = [*resolve(settings.PYTHON_DISTRO, environment())[1], *problems]
    for problem in unknown:
        _logger.warning("%s", Problem(problem.variable, problem.value, problem.reason, "whatever was found first"))
    if not unknown and chosen.value in {None, settings.DISTRO_NAME}:
        _logger.warning("%s", _CURE)
