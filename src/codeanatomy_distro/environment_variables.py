"""Names for `opentelemetry-instrument`, which imports this module before it starts the program.

It makes a flag of each ``OTEL_`` name of such modules, ``--traces_sampler`` of ``OTEL_TRACES_SAMPLER``. Here stand
those of our table that no other module declares, for the command refuses a flag that two declare. Our own variables
bear an ``OTEL_`` in front here, ``--codeanatomy_profile``, which the distro takes off.

Importing it also chooses our distro. The command takes whichever its directory listing shows first; when
`opentelemetry-distro` sits beside us that is a matter of luck. A distro that the user names, by variable or by flag,
still wins: this sets a default before the command reads either, and our configurator is chosen by our distro once that
is loaded.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.version import DISTRO_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.metadata import EntryPoint

__all__ = ["choose_distro", "is_without_flags"]

_COMMAND: Final = "opentelemetry-instrument"
_DISTRO: Final = "OTEL_PYTHON_DISTRO"
_CONFIGURATOR: Final = "OTEL_PYTHON_CONFIGURATOR"
_DISTRO_GROUP: Final = "opentelemetry_distro"
_CONFIGURATOR_GROUP: Final = "opentelemetry_configurator"
_logger = logging.getLogger("codeanatomy_distro")


def choose_distro() -> None:
    """Choose our distro unless the user chose; choose the rest of what the user chose half of."""
    environ = os.environ
    if not (environ.get(_DISTRO, "").strip() or environ.get(_CONFIGURATOR, "").strip()):
        environ[_DISTRO] = DISTRO_NAME
        return
    # Start-up cost: the table is not needed where nobody chose.
    from codeanatomy_distro import settings
    from codeanatomy_distro.setting import resolve

    distro, problems = resolve(settings.PYTHON_DISTRO, environ)
    configurator = resolve(settings.PYTHON_CONFIGURATOR, environ)[0].value
    for problem in problems:
        _logger.warning("%s", problem)
    if problems or not (distro.value or configurator):
        environ[_DISTRO] = DISTRO_NAME
    elif distro.value and not environ.get(_CONFIGURATOR, "").strip():
        _set(_CONFIGURATOR, _companion(_DISTRO_GROUP, distro.value, _CONFIGURATOR_GROUP))
    elif configurator and not distro.value:
        _set(_DISTRO, _companion(_CONFIGURATOR_GROUP, configurator, _DISTRO_GROUP))


def is_without_flags(arguments: Sequence[str]) -> bool:
    """Return whether a process with that command line is the command, told no more than what to start."""
    named = bool(arguments) and PurePath(arguments[0]).stem == _COMMAND
    return named and len(arguments) > 1 and not arguments[1].startswith("-")


def _companion(group: str, name: str, wanted: str) -> str | None:
    """Return the name in the group `wanted` of what comes from the package that `name` in `group` comes from."""
    packages = {_package(entry) for entry in entry_points(group=group, name=name)}
    return next((entry.name for entry in entry_points(group=wanted) if _package(entry) in packages), None)


def _package(entry: EntryPoint) -> str | None:
    return entry.dist.name if entry.dist is not None else None


def _set(name: str, value: str | None) -> None:
    if value is not None:
        os.environ[name] = value


choose_distro()
if not is_without_flags(sys.argv):
    # Start-up cost: who gives no flag needs no names of any, and the command takes its time to make each a flag.
    from codeanatomy_distro import variable_names

    # Which names are missing depends on what is installed: one that another package declares in its next version must
    # not become a flag twice, for then the command starts no program at all.
    globals().update({name: name for name in variable_names.undeclared_names()})
    if not {"-h", "--help"}.isdisjoint(sys.argv):
        from codeanatomy_distro import flag_help  # as above: only for who asks

        if flag_help.is_help_wanted(sys.argv):
            flag_help.add_flag_help()
