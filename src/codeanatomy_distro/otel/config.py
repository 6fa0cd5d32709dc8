"""The configuration: every setting with its value, its origin, and what was wrong with what the user gave."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from codeanatomy_distro import settings
from codeanatomy_distro.environment import environment
from codeanatomy_distro.otel.related_settings import DEFAULT_RATIO, repair_related, repair_sampler
from codeanatomy_distro.otel.sdk_environment import sdk_environment
from codeanatomy_distro.profiles import PROFILES
from codeanatomy_distro.setting import Origin, Problem, Resolved, Setting, UsedInPart, resolve
from codeanatomy_distro.setting_kinds import BadValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.otel.declarative import ConfigFile
    from codeanatomy_distro.otel.sampling_rules import SamplingRule

__all__ = ["SIGNALS", "OtelConfig", "report_problems", "resolve_otel_config"]

T = TypeVar("T")

SIGNALS: Final = ("traces", "metrics", "logs")

_logger = logging.getLogger("codeanatomy_distro")
_said: Final[set[str]] = set()


class OtelConfig:
    """What the environment, the profile, the declarative file and the defaults come to.

    ``config[settings.SERVICE_NAME]`` is a setting's value, typed as its row is; `resolved` gives it with its origin.
    `problems` holds what could not be used as given; nothing in it stops the program. `file` is the declarative file
    that was read, `beneath` what holds where it says nothing; `sampling_rules` are the ``codeanatomy`` sampler's.
    """

    values: Mapping[str, Resolved[Any]]
    problems: tuple[Problem, ...]
    environ: Mapping[str, str]
    file: ConfigFile | None
    sampling_rules: tuple[SamplingRule, ...]
    beneath: Mapping[str, Resolved[Any]]

    # No dataclass, for start-up cost: making a frozen one is 0.8 ms.
    def __init__(  # noqa: PLR0913 - its parts
        self,
        values: Mapping[str, Resolved[Any]],
        problems: tuple[Problem, ...] = (),
        *,
        environ: Mapping[str, str] | None = None,
        file: ConfigFile | None = None,
        sampling_rules: tuple[SamplingRule, ...] = (),
        beneath: Mapping[str, Resolved[Any]] | None = None,
    ) -> None:
        vars(self).update(
            values=values,
            problems=problems,
            environ=environ or {},
            file=file,
            sampling_rules=sampling_rules,
            beneath=beneath or {},
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a configuration that is in use does not change."""
        refusal = f"a configuration is frozen: {name!r} can't be set"
        raise AttributeError(refusal)

    def __getitem__(self, setting: Setting[T]) -> T:
        """Return the value of `setting`."""
        return self.values[setting.name].value

    def resolved(self, setting: Setting[T]) -> Resolved[T]:
        """Return the value of `setting` with its origin and the variable it was read from."""
        return self.values[setting.name]

    def for_signal(self, signal: str, rows: Mapping[str, Setting[T | None]], general: Setting[T]) -> T:
        """Return what holds for one signal: its own setting, else the one for all signals."""
        own = self[rows[signal]]
        return self[general] if own is None else own

    def with_values(self, values: Mapping[Setting[Any], object], origin: str) -> OtelConfig:
        """Return the same with `values` in place of its own, but for those that are None; they come from `origin`."""
        stated = {row.name: Resolved(value, origin) for row, value in values.items() if value is not None}
        return self.changed(values={**self.values, **stated})

    def changed(self, **parts: Any) -> OtelConfig:  # noqa: ANN401 - as `__init__` takes them
        """Return the same with `parts` in place of its own."""
        return OtelConfig(**{**vars(self), **parts})

    def in_part(self, reason: str, used: str) -> UsedInPart:
        """Return the problem of a part of the declarative file that can't be used."""
        file = self.resolved(settings.CONFIG_FILE)
        return UsedInPart(file.variable or settings.CONFIG_FILE.name, str(file.value), reason.rstrip("."), used)

    @property
    def sampler_ratio(self) -> float:
        """Return the ratio of a ratio sampler, from 0 to 1."""
        argument = self[settings.TRACES_SAMPLER_ARG]
        try:
            return settings.RATIO.parse(argument) if argument else DEFAULT_RATIO
        except BadValue:  # the argument of a sampler that takes something else
            return DEFAULT_RATIO


def resolve_otel_config(
    environ: Mapping[str, str] | None = None, *, options: Mapping[str, str] | None = None
) -> OtelConfig:
    """Read every setting from `environ` (the process's own unless given) and check those that belong together.

    `options` are values that the program itself gave, by variable name; they win over the environment. It never raises
    for what a user set: a bad value keeps its default and becomes one of the `problems`.
    """
    source = dict(environment() if environ is None else environ)
    asked, problems = resolve(settings.PROFILE, {**source, **(options or {})})
    profile = PROFILES.get(asked.value or "", {})
    values: dict[str, Resolved[Any]] = {settings.PROFILE.name: asked}
    for setting in settings.TABLE:
        if setting is settings.PROFILE:
            continue
        given = {name: options[name] for name in setting.variables if name in options} if options else {}
        found, wrong = resolve(setting, given or source, profile)
        if given and found.origin == Origin.VARIABLE:
            found = Resolved(found.value, Origin.OPTION, found.variable)
        values[setting.name] = found
        problems += wrong
    repair_related(values, problems, source)
    config = OtelConfig(MappingProxyType(values), tuple(problems), environ=MappingProxyType(source))
    if config[settings.CONFIG_FILE]:
        config = _with_file(config)
        values, problems = dict(config.values), list(config.problems)
    rules = repair_sampler(values, problems)  # which may be the file's
    # One message a variable, and a part of a file: what is told last of it is what was done in the end.
    told = {(one.variable, one.reason if isinstance(one, UsedInPart) else ""): one for one in problems}
    return config.changed(values=MappingProxyType(values), problems=tuple(told.values()), sampling_rules=rules)


def _with_file(config: OtelConfig) -> OtelConfig:
    """Return `config` with what its declarative file says, or with the problem that the file could not be read."""
    from codeanatomy_distro.otel.declarative import read_config_file  # start-up cost: a schema library, for a few users

    named = config.resolved(settings.CONFIG_FILE)
    variable, path = named.variable or settings.CONFIG_FILE.name, str(named.value)
    values, problems = dict(config.values), list(config.problems)
    try:
        with sdk_environment(config):  # the library that reads the file imports the SDK
            file = read_config_file(path)
    except BadValue as bad:
        problem = Problem(variable, path, str(bad), "the variables and the defaults")
        values[settings.CONFIG_FILE.name] = Resolved(None, Origin.DEFAULT, named.variable)
        others = (told for told in config.problems if told.variable != variable)
        return config.changed(values=MappingProxyType(values), problems=(*others, problem))
    for setting in settings.TABLE:
        try:
            value = file.find(setting)
        except BadValue as bad:
            value = bad.used if bad.names_its_own_value else None
            if not _is_told_when_made(setting):
                used = values[setting.name].value if value is None else value
                problems.append(UsedInPart(variable, path, str(bad), setting.show(used)))
        if value is not None and values[setting.name].origin != Origin.OPTION:
            values[setting.name] = Resolved(value, Origin.FILE, settings.CONFIG_FILE.name)
    problems += [UsedInPart(variable, path, reason, "all else that it says") for reason in file.unused]
    return config.changed(values=MappingProxyType(values), problems=tuple(problems), file=file, beneath=config.values)


def _is_told_when_made(setting: Setting[Any]) -> bool:
    """Return whether a bad value of the file is told by what makes something of it: the file can say more than we."""
    made = (settings.TRACES_SAMPLER, settings.ID_GENERATOR, settings.PROPAGATORS, settings.RESOURCE_ATTRIBUTES)
    return setting in made or "[]." in (setting.place or "")


def report_problems(config: OtelConfig) -> None:
    """Warn of each problem, once a process."""
    for problem in config.problems:
        line = str(problem)
        if line not in _said:
            _said.add(line)
            _logger.warning("%s", line)
