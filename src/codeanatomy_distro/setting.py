"""One setting: a variable, what it takes, and how its value is found in an environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from codeanatomy_distro.setting_kinds import BadValue, Kind

__all__ = ["Origin", "Problem", "Resolved", "Setting", "environment", "resolve"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Origin:
    """Where a value came from, from the weakest to the strongest."""

    DEFAULT: Final = "default"
    PROFILE: Final = "profile"
    FILE: Final = "file"
    VARIABLE: Final = "variable"
    OPTION: Final = "option"


@dataclass(frozen=True)
class Problem:
    """A value that could not be used as it stands: what was given, why not, and what is used in its place."""

    variable: str
    value: str
    reason: str
    used: str

    def __str__(self) -> str:
        """Return the one line a user reads."""
        shown = self.value if len(self.value) <= 80 else f"{self.value[:77]}..."  # noqa: PLR2004
        return f"{self.variable}={shown!r} is ignored: {self.reason}; using {self.used}"


@dataclass(frozen=True, eq=False)
class Setting(Generic[T_co]):
    """One row of the table of settings.

    ``name`` is the variable; ``aliases`` are other variables read when it is unset, in order, of which those in
    ``deprecated`` are said aloud when used. ``reader`` tells who acts on the value: ``distro`` for us, ``otel`` for an
    OpenTelemetry package that reads the variable itself.
    """

    name: str
    section: str
    kind: Kind[T_co]
    default: T_co
    help: str
    aliases: tuple[str, ...] = ()
    deprecated: tuple[str, ...] = ()
    secret: bool = False
    default_text: str | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """Return every variable that sets it, the strongest first."""
        return (self.name, *self.aliases)

    def show(self, value: object) -> str:
        """Return `value` as a person would write it in the environment; a secret is masked."""
        if self.secret and value:
            return "****"
        match value:
            case None | "" | ():
                return "(none)"
            case bool():
                return str(value).lower()
            case tuple():
                items: tuple[Any, ...] = value
                return ",".join("=".join(item) if isinstance(item, tuple) else str(item) for item in items)
            case float():
                return f"{value:g}"
            case _:
                return str(value)


@dataclass(frozen=True)
class Resolved(Generic[T_co]):
    """A setting's value with its origin; `variable` is the one it was read from, if any."""

    value: T_co
    origin: str = Origin.DEFAULT
    variable: str | None = None


def environment() -> Mapping[str, str]:
    """Return the process's environment: the one place from which every setting is read."""
    return os.environ


def resolve(
    setting: Setting[T], environ: Mapping[str, str], profile: Mapping[str, str] | None = None
) -> tuple[Resolved[T], list[Problem]]:
    """Find `setting` in `environ`, else in `profile`, else take its default.

    An empty or blank variable counts as unset (OpenTelemetry specification, environment variables). A bad value is
    returned as a problem and never raised; the next source is then not asked, since the user did mean this one.
    """
    for origin, source in ((Origin.VARIABLE, environ), (Origin.PROFILE, profile or {})):
        for variable in setting.variables:
            raw = source.get(variable, "").strip()
            if not raw:
                continue
            problems: list[Problem] = []
            if variable in setting.deprecated:
                reason = f"it is an old name of {setting.name}"
                problems.append(Problem(variable, setting.show(raw), reason, f"its value as {setting.name}"))
            try:
                return Resolved(setting.kind.parse(raw), origin, variable), problems
            except BadValue as bad:
                value: T = bad.used if bad.names_its_own_value else setting.default  # pyright: ignore[reportAssignmentType]
                shown = "****" if setting.secret else raw
                problems.append(Problem(variable, shown, str(bad), setting.show(value)))
                kept = Origin.VARIABLE if bad.names_its_own_value else Origin.DEFAULT
                return Resolved(value, kept, variable), problems
    return Resolved(setting.default), []
