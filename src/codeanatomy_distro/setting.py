"""One setting: a variable, what it takes, and how its value is found in an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

from codeanatomy_distro.setting_kinds import BadValue, Kind, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "Origin",
    "Problem",
    "Renamed",
    "Resolved",
    "Setting",
    "UsedInPart",
    "resolve",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_LONGEST_SHOWN: Final = 80


class Origin:
    """Where a value came from, from the weakest to the strongest.

    A declarative file stands above the variables, for what it says (OpenTelemetry specification, *Declarative
    configuration*).
    """

    DEFAULT: Final = "default"
    PROFILE: Final = "profile"
    VARIABLE: Final = "variable"
    FILE: Final = "file"
    OPTION: Final = "option"


class Problem(NamedTuple):
    """A value that could not be used as it stands: what was given, why not, and what is used in its place."""

    variable: str
    value: str
    reason: str
    used: str

    def __str__(self) -> str:
        """Return the one line a user reads."""
        shown = self.value
        if len(shown) > _LONGEST_SHOWN:
            kept = (_LONGEST_SHOWN - 3) // 2
            shown = f"{shown[:kept]}...{shown[-kept:]}"  # of a path the end tells the most
        return f"{self.variable}={shown!r} is ignored: {self.reason}; using {self.used}"


class Renamed(Problem):
    """A variable whose name is an old one; its value is used."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the one line a user reads."""
        return f"{self.variable} is an old name of {self.used}: set {self.used} instead; its value is used"


class UsedInPart(Problem):
    """A file of which a part can't be used."""

    __slots__ = ()

    def __str__(self) -> str:
        """Return the one line a user reads."""
        return super().__str__().replace(" is ignored: ", " is used in part: ", 1)


class Setting(Generic[T_co]):
    """One row of the table of settings.

    ``name`` is the variable; ``aliases`` are other variables read when it is unset, in order, of which those in
    ``deprecated`` are said aloud when used. ``place`` is where a declarative file says the same: keys with dots
    between, ``[]`` for the first of a list, ``[name]`` for the one of that name, ``*`` for the only key; where there
    are several, the first that the file has counts. ``variables`` are all that set it, the strongest first.
    """

    # No dataclass, for start-up cost: see `Kind`.
    def __init__(  # noqa: PLR0913, PLR0917 - the columns of the table
        self,
        name: str,
        section: str,
        kind: Kind[T_co],
        default: T_co,
        help: str,  # noqa: A002 - the word a reader of the table looks for
        aliases: tuple[str, ...] = (),
        deprecated: tuple[str, ...] = (),
        secret: bool = False,  # noqa: FBT001, FBT002 - a column of the table
        default_text: str | None = None,
        place: str | None = None,
    ) -> None:
        self.name: Final = name
        self.section: Final = section
        self.kind: Final = kind
        self.default: Final = default
        self.help: Final = help
        self.aliases: Final = aliases
        self.deprecated: Final = deprecated
        self.secret: Final = secret
        self.default_text: Final = default_text
        self.place: Final = place
        self.variables: Final = (name, *aliases)

    @property
    def shown_default(self) -> str:
        """Return the default as a person would write it."""
        return self.default_text or self.show(self.default)

    def show(self, value: object) -> str:
        """Return `value` as a person would write it in the environment; secrets are masked."""
        if value is None or value in ("", ()):
            return self.default_text or "(none)"
        return self.mask(self.kind.write(value))

    def mask(self, text: str) -> str:
        """Return `text`, which is given as this setting's value, without what must not be shown."""
        return "****" if self.secret else without_credentials(text)


class Resolved(Generic[T_co]):
    """A setting's value with its origin; `variable` is the one it was read from, if any."""

    # No dataclass, for start-up cost: see `Kind`.
    def __init__(self, value: T_co, origin: str = Origin.DEFAULT, variable: str | None = None) -> None:
        self.value: Final = value
        self.origin: Final = origin
        self.variable: Final = variable


def resolve(
    setting: Setting[T], environ: Mapping[str, str], profile: Mapping[str, str] | None = None
) -> tuple[Resolved[T], list[Problem]]:
    """Find `setting` in `environ`, else in `profile`, else take its default.

    An empty or blank variable counts as unset (OpenTelemetry specification, environment variables). A bad value is
    returned as a problem and never raised: it is as if the setting were not set at all. A weaker variable of the same
    setting is not asked then, since the user did mean this one.
    """
    stated = (profile or {}).get(setting.name)
    unset = Resolved(setting.default) if stated is None else Resolved(setting.kind.parse(stated), Origin.PROFILE)
    for variable in setting.variables:
        raw = environ.get(variable, "").strip()
        if not raw:
            continue
        try:
            found, problem = Resolved(setting.kind.parse(raw), Origin.VARIABLE, variable), None
        except BadValue as bad:
            value: T = bad.used if bad.names_its_own_value else unset.value  # pyright: ignore[reportAssignmentType]
            found = Resolved(value, Origin.VARIABLE if bad.names_its_own_value else unset.origin, variable)
            problem = Problem(variable, setting.mask(raw), str(bad), setting.show(value))
        if problem is None and variable in setting.deprecated:
            problem = Renamed(variable, setting.mask(raw), "it is an old name", setting.name)
        return found, [problem] if problem else []
    return unset, []
