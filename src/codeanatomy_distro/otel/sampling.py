"""The sampler that the settings name, wrapped so that what it samples carries the rule's name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import Tracer, sampling
from opentelemetry.sdk.trace.sampling import Sampler

from codeanatomy_distro import settings
from codeanatomy_distro.environment import environment
from codeanatomy_distro.otel.config import report_problems, resolve_otel_config
from codeanatomy_distro.otel.rule_sampler import RatioRuleSampler, RootRuleSampler, SamplingRuleSampler
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = [
    "bind_scopes",
    "configured_sampler",
    "create_sampler",
    "wrap_sampler",
]

_GROUP: Final = "opentelemetry_traces_sampler"
_RATIO = sampling.TraceIdRatioBased
_BUILT_IN: Final[dict[str, Callable[[float], Sampler]]] = {
    "always_on": lambda _: sampling.ALWAYS_ON,
    "always_off": lambda _: sampling.ALWAYS_OFF,
    "traceidratio": _RATIO,
    "parentbased_always_on": lambda _: sampling.ParentBased(sampling.ALWAYS_ON),
    "parentbased_always_off": lambda _: sampling.ParentBased(sampling.ALWAYS_OFF),
}


def wrap_sampler(sampler: Sampler, rule: str) -> Sampler:
    """Return `sampler` stamping `rule`; one that stamps already is returned as it is."""
    return sampler if isinstance(sampler, SamplingRuleSampler) else SamplingRuleSampler(sampler, rule)


def configured_sampler(config: OtelConfig, problems: list[Problem]) -> Sampler:
    """Return the sampler that `config` asks for; one that can't be had is told in `problems` and replaced."""
    name = config[settings.TRACES_SAMPLER]
    rule = config[settings.SAMPLING_RULE]
    if name == settings.DISTRO_NAME:
        return RootRuleSampler(config.sampling_rules, config.sampler_ratio, rule)
    if name == settings.TRACES_SAMPLER.default:
        return RatioRuleSampler(config.sampler_ratio, rule)
    if name in _BUILT_IN:
        return wrap_sampler(_BUILT_IN[name](config.sampler_ratio), rule)
    reason = "no sampler of that name is installed"
    entry = next(iter(entry_points(group=_GROUP, name=name)), None)
    try:
        if entry is not None:
            return wrap_sampler(_checked(entry.load()(config[settings.TRACES_SAMPLER_ARG])), rule)
    except Exception as error:  # noqa: BLE001 - somebody else's sampler; the program must start
        reason = f"it failed: {type(error).__name__}: {error}"
    problems.append(Problem(settings.TRACES_SAMPLER.name, name, reason, settings.TRACES_SAMPLER.default))
    return RatioRuleSampler(config.sampler_ratio, rule)


def _checked(made: object) -> Sampler:
    if isinstance(made, Sampler):
        return made
    message = f"it made {type(made).__name__}, which is no sampler"
    raise TypeError(message)


def create_sampler(
    argument: Any = None,  # noqa: ANN401 - a text or number
    *,
    ratio: float | None = None,
    rules: Sequence[Mapping[str, Any]] | None = None,
    rule: str | None = None,
) -> Sampler:
    """Return the ``codeanatomy`` sampler with the rules of the settings (``CODEANATOMY_OTEL_SAMPLING_RULES``).

    It is the plug-in for other configurators: of ``OTEL_TRACES_SAMPLER=codeanatomy``, called with the argument, and of
    declarative files, called with what stands below its name: `rules`, `ratio`, and `rule`, the name where no rule
    matches. There the scope of a span is unknown, so that rules which ask for one never match; our own providers tell
    it (`bind_scopes`).
    """
    stated = {
        settings.TRACES_SAMPLER.name: settings.DISTRO_NAME,
        settings.TRACES_SAMPLER_ARG.name: argument if ratio is None else ratio,
        settings.SAMPLING_RULE.name: rule,
        settings.SAMPLING_RULES.name: None if rules is None else json.dumps(rules),
    }
    # The file itself has been read where there is one.
    environ = {name: value for name, value in environment().items() if name not in settings.CONFIG_FILE.variables}
    options = {name: str(value) for name, value in stated.items() if value is not None}
    config = resolve_otel_config(environ, options=options)
    report_problems(config)
    return RootRuleSampler(config.sampling_rules, config.sampler_ratio, config[settings.SAMPLING_RULE])


def bind_scopes(provider: TracerProvider) -> TracerProvider:
    """Have each tracer of `provider` sample by its own scope, which a sampler is not told; return `provider`.

    It does nothing for a sampler that has no rules about scopes.
    """
    sampler = provider.sampler
    if not isinstance(sampler, RootRuleSampler) or sampler.for_scope("") is sampler:
        return provider
    original = provider.get_tracer

    def get_tracer(instrumenting_module_name: str, *arguments: Any, **more: Any) -> trace.Tracer:  # noqa: ANN401 - its own
        tracer = original(instrumenting_module_name, *arguments, **more)
        if isinstance(tracer, Tracer):
            tracer.sampler = sampler.for_scope(instrumenting_module_name)
        return tracer

    provider.get_tracer = get_tracer
    return provider
