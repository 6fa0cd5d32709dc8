"""Names for `opentelemetry-instrument`, which imports this module before it starts the program.

It makes a flag of each ``OTEL_`` name of such modules, ``--traces_sampler`` of ``OTEL_TRACES_SAMPLER``. Here stand
those of our table that no other module declares, for the command refuses a flag that two declare. Our own variables
bear an ``OTEL_`` in front here, ``--codeanatomy_otel_profile``, which the distro takes off.

Importing it also chooses our distro. The command takes whichever its directory listing shows first; when
`opentelemetry-distro` sits beside us that is a matter of luck. A distro that the user names, by variable or by flag,
still wins: this sets a default before the command reads either, and our configurator is chosen by our distro once that
is loaded.
"""

from __future__ import annotations

import logging
import os
from typing import Final

from opentelemetry.util import _importlib_metadata as metadata

from codeanatomy_distro import settings
from codeanatomy_distro.setting import environment, resolve
from codeanatomy_distro.variable_names import undeclared_names

__all__ = ["choose_distro"]

_DISTRO_GROUP: Final = "opentelemetry_distro"
_CONFIGURATOR_GROUP: Final = "opentelemetry_configurator"
_logger = logging.getLogger("codeanatomy_distro")


def choose_distro() -> None:
    """Choose our distro unless the user chose; choose the rest of what the user chose half of."""
    environ = environment()
    distro, problems = resolve(settings.PYTHON_DISTRO, environ)
    configurator = resolve(settings.PYTHON_CONFIGURATOR, environ)[0].value
    for problem in problems:
        _logger.warning("%s", problem)
    if problems or not (distro.value or configurator):
        os.environ[settings.PYTHON_DISTRO.name] = settings.DISTRO_NAME
    elif distro.value and not environ.get(settings.PYTHON_CONFIGURATOR.name, "").strip():
        _set(settings.PYTHON_CONFIGURATOR.name, _companion(_DISTRO_GROUP, distro.value, _CONFIGURATOR_GROUP))
    elif configurator and not distro.value:
        _set(settings.PYTHON_DISTRO.name, _companion(_CONFIGURATOR_GROUP, configurator, _DISTRO_GROUP))


def _companion(group: str, name: str, wanted: str) -> str | None:
    """Return the name in the group `wanted` of what comes from the package that `name` in `group` comes from."""
    packages = {_package(entry) for entry in metadata.entry_points(group=group, name=name)}
    return next((entry.name for entry in metadata.entry_points(group=wanted) if _package(entry) in packages), None)


def _package(entry: metadata.EntryPoint) -> str | None:
    return entry.dist.name if entry.dist is not None else None


def _set(name: str, value: str | None) -> None:
    if value is not None:
        os.environ[name] = value


# Which names are missing depends on what is installed: one that another package declares in its next version must not
# become a flag twice, for then the command starts no program at all.
globals().update({name: name for name in undeclared_names()})
choose_distro()
