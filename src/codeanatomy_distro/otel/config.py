"""The configuration: every setting with its value, its origin, and what was wrong with what the user gave."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, TypeVar

from codeanatomy_distro import settings
from codeanatomy_distro.otel.profiles import PROFILES
from codeanatomy_distro.setting import Origin, Problem, Resolved, Setting, environment, resolve

__all__ = ["SIGNALS", "OtelConfig", "report_problems", "resolve_otel_config"]

T = TypeVar("T")

SIGNALS: Final = ("traces", "metrics", "logs")
RATIO_SAMPLERS: Final = ("traceidratio", "parentbased_traceidratio", "codeanatomy")
DEFAULT_RATIO: Final = 0.1

_logger = logging.getLogger("codeanatomy_distro")
_said: Final[set[str]] = set()


@dataclass(frozen=True)
class OtelConfig:
    """What the environment, the profile and the defaults come to.

    ``config[settings.SERVICE_NAME]`` is a setting's value, typed as its row is; `resolved` gives it with its origin.
    `problems` holds what could not be used as given; nothing in it stops the program.
    """

    values: Mapping[str, Resolved[Any]]
    problems: tuple[Problem, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

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

    @property
    def sampler_ratio(self) -> float:
        """Return the ratio of a ratio sampler, from 0 to 1."""
        return float(self[settings.TRACES_SAMPLER_ARG] or DEFAULT_RATIO)


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
    _repair(values, problems)
    return OtelConfig(MappingProxyType(values), tuple(problems), MappingProxyType(source))


def report_problems(config: OtelConfig) -> None:
    """Warn of each problem, once a process."""
    for problem in config.problems:
        line = str(problem)
        if line not in _said:
            _said.add(line)
            _logger.warning("%s", line)


def _repair(values: dict[str, Resolved[Any]], problems: list[Problem]) -> None:
    """Bring values that contradict each other to the nearest that do not."""
    for batch, queue in (
        (settings.BSP_MAX_EXPORT_BATCH_SIZE, settings.BSP_MAX_QUEUE_SIZE),
        (settings.BLRP_MAX_EXPORT_BATCH_SIZE, settings.BLRP_MAX_QUEUE_SIZE),
    ):
        size, room = values[batch.name], values[queue.name]
        if size.value > room.value:
            values[batch.name] = Resolved(room.value, size.origin, size.variable)
            if size.origin != Origin.DEFAULT:  # a smaller queue alone is no mistake: the batch follows it
                reason = f"a batch can't be larger than the queue ({queue.name}={room.value})"
                problems.append(Problem(batch.name, str(size.value), reason, str(room.value)))
    _repair_sampler_argument(values, problems)


def _repair_sampler_argument(values: dict[str, Resolved[Any]], problems: list[Problem]) -> None:
    sampler, argument = values[settings.TRACES_SAMPLER.name], values[settings.TRACES_SAMPLER_ARG.name]
    if sampler.value not in RATIO_SAMPLERS or argument.value is None:
        return
    try:
        ratio = settings.RATIO.parse(argument.value)
    except ValueError as bad:
        problems.append(
            Problem(settings.TRACES_SAMPLER_ARG.name, argument.value, f"as a ratio it {bad}", f"{DEFAULT_RATIO}")
        )
        ratio = DEFAULT_RATIO
    values[settings.TRACES_SAMPLER_ARG.name] = Resolved(str(ratio), argument.origin, argument.variable)
