"""The names of variables: those that other packages declare, the flags made of them, and those that nobody knows."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

from codeanatomy_distro import settings
from codeanatomy_distro.plugins import entry_points

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["PREFIX", "flag", "names_of_others", "undeclared_names", "unknown_names"]

PREFIX: Final = "OTEL_"
"""What stands before a name of ours to make a flag of it."""

_GROUP: Final = "opentelemetry_environment_variables"
_OURS: Final = "codeanatomy_distro.environment_variables"
# Read by OpenTelemetry packages that declare no names, or set for them by an operator: one a library, most of them.
_PATTERNS: Final = (
    r"OTEL_(INSTRUMENTATION|INJECTOR|OPERATOR|GO|JAVA|NODE|DOTNET)_.+"
    r"|OTEL_PYTHON_.+_EXCLUDED_URLS|OTEL_PYTHON_(INSTRUMENTATION|DJANGO|FLASK|LOG|LOGGING|AUTO_INSTRUMENTATION)_.+"
    r"|OTEL_EXPORTER_(PROMETHEUS|ZIPKIN|JAEGER)_.+|OTEL_RESOURCE_ATTRIBUTES_.+|OTEL_(NODE|POD)_(NAME|IP)"
)
_logger = logging.getLogger("codeanatomy_distro")


def flag(name: str) -> str:
    """Return the flag that `opentelemetry-instrument` makes of a variable's name, without its dashes."""
    return re.sub("OTEL_(PYTHON_)?", "", name).lower()


def names_of_others() -> set[str]:
    """Return the variables that the installed OpenTelemetry packages declare for the command."""
    found: set[str] = set()
    for entry in entry_points(group=_GROUP):
        if entry.value == _OURS:
            continue
        try:
            found.update(name for name in dir(entry.load()) if name.startswith(PREFIX))
        except Exception as error:  # noqa: BLE001 - somebody else's module; the command will tell of it
            _logger.debug("the names of %s can't be read: %s", entry.name, error)
    return found


def undeclared_names() -> list[str]:
    """Return the names of our table, made fit for flags, that no other package makes a flag of."""
    taken = {flag(name) for name in names_of_others()}
    names: list[str] = []
    for setting in settings.TABLE:
        for variable in setting.variables:
            name = variable if variable.startswith(PREFIX) else f"{PREFIX}{variable}"
            if flag(name) not in taken:
                taken.add(flag(name))
                names.append(name)
    return names


def unknown_names(environ: Iterable[str]) -> dict[str, str | None]:
    """Return the ``OTEL_`` and ``CODEANATOMY_`` names of `environ` that nobody reads, each with the nearest one."""
    from difflib import get_close_matches  # start-up cost: the command needs the names alone

    known = {*settings.by_name(), *names_of_others()}
    flags = {f"{PREFIX}{name}" for name in settings.by_name()}
    return {
        name: next(iter(get_close_matches(name, sorted(known), n=1, cutoff=0.75)), None)
        for name in sorted(environ)
        if name.startswith((PREFIX, "CODEANATOMY_"))
        and name not in known
        and name not in flags
        and not re.fullmatch(_PATTERNS, name)
    }
