"""Sampling: the sampler that the settings name, wrapped so that what it samples carries the rule's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from codeanatomy_distro import settings
from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.setting import Problem

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["SamplingRuleSampler", "configured_sampler", "create_sampler", "wrap_sampler"]

_GROUP: Final = "opentelemetry_traces_sampler"
_RATIO = sampling.TraceIdRatioBased
_BUILT_IN: Final[dict[str, Callable[[float], Sampler]]] = {
    "always_on": lambda _: sampling.ALWAYS_ON,
    "always_off": lambda _: sampling.ALWAYS_OFF,
    "traceidratio": _RATIO,
    "parentbased_always_on": lambda _: sampling.ParentBased(sampling.ALWAYS_ON),
    "parentbased_always_off": lambda _: sampling.ParentBased(sampling.ALWAYS_OFF),
    "parentbased_traceidratio": lambda ratio: sampling.ParentBased(_RATIO(ratio)),
}


class SamplingRuleSampler(Sampler):
    """Decides as `sampler` does, and puts the name of the rule on each span that is sampled (``otel.sampling.rule``)."""

    def __init__(self, sampler: Sampler, rule: str) -> None:
        self._sampler = sampler
        self._rule = rule

    def should_sample(  # noqa: PLR0913, PLR0917 - the base class's own
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the wrapped sampler's decision; a span that is dropped costs nothing more."""
        result = self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP and AttributeName.SAMPLING_RULE not in result.attributes:
            # A new mapping, not a new result: a result holds nothing else that differs, and building one costs more.
            result.attributes = {**result.attributes, AttributeName.SAMPLING_RULE: self._rule}
        return result

    def get_description(self) -> str:
        """Return the wrapped sampler's description with the rule's name."""
        return f"SamplingRule{{{self._rule},{self._sampler.get_description()}}}"


def wrap_sampler(sampler: Sampler, rule: str) -> Sampler:
    """Return `sampler` stamping `rule`; one that stamps already is returned as it is."""
    return sampler if isinstance(sampler, SamplingRuleSampler) else SamplingRuleSampler(sampler, rule)


def configured_sampler(config: OtelConfig, problems: list[Problem]) -> Sampler:
    """Return the sampler that `config` asks for; one that can't be had is told in `problems` and replaced."""
    wanted = config[settings.TRACES_SAMPLER]
    name = wanted.strip().lower()
    if name in _BUILT_IN:
        return wrap_sampler(_BUILT_IN[name](config.sampler_ratio), config[settings.SAMPLING_RULE])
    reason = "no sampler of that name is installed"
    for entry in entry_points(group=_GROUP, name=wanted):
        try:
            return wrap_sampler(entry.load()(config[settings.TRACES_SAMPLER_ARG]), config[settings.SAMPLING_RULE])
        except Exception as error:  # noqa: BLE001 - somebody else's sampler; the program must start
            reason = f"it failed: {type(error).__name__}: {error}"
    default = settings.TRACES_SAMPLER.default
    problems.append(Problem(settings.TRACES_SAMPLER.name, wanted, reason, default))
    sampler = _BUILT_IN[default](config.sampler_ratio)
    return wrap_sampler(sampler, config[settings.SAMPLING_RULE])


def create_sampler(argument: Any = None) -> Sampler:  # noqa: ANN401 - what OTEL_TRACES_SAMPLER_ARG holds, or nothing
    """Return the ``codeanatomy`` sampler: parent-based, a ratio of root spans, the rule's name stamped.

    It is the plug-in of ``OTEL_TRACES_SAMPLER=codeanatomy`` (called with the argument) and of declarative files (called
    with none).
    """
    options = {settings.TRACES_SAMPLER_ARG.name: str(argument)} if argument is not None else None
    config = resolve_otel_config(options=options)
    ratio = config.sampler_ratio
    return SamplingRuleSampler(sampling.ParentBased(_RATIO(ratio)), config[settings.SAMPLING_RULE])
