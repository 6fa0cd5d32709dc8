"""Sampling: the sampler that the settings name, wrapped so that what it samples carries the rule's name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, Tracer, sampling
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from codeanatomy_distro import settings
from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.run_context import get_run_id
from codeanatomy_distro.otel.config import report_problems, resolve_otel_config
from codeanatomy_distro.otel.rule_sampler import RuleSampler
from codeanatomy_distro.plugins import entry_points
from codeanatomy_distro.setting import Problem, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = [
    "RootRuleSampler",
    "SamplingRuleSampler",
    "bind_scopes",
    "configured_sampler",
    "create_sampler",
    "wrap_sampler",
]

_GROUP: Final = "opentelemetry_traces_sampler"
_DROP: Final = Decision.DROP
_RULE_KEY: Final = AttributeName.SAMPLING_RULE
_RUN_ID_KEY: Final = AttributeName.RUN_ID
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
    """Decides as `sampler` does, and puts the name of the rule and the run id on each span that is recorded."""

    def __init__(self, sampler: Sampler, rule: str) -> None:
        self._sampler = sampler
        self._decide = sampler.should_sample
        self._rule = rule
        self._below: Callable[[Context | None], str] | None = None
        self._last: tuple[str | None, str | None, Mapping[str, Any]] = (None, None, {})

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
        result = self._decide(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is _DROP:
            return result
        # A new mapping, not a new result: a result holds nothing else that differs, and building one costs more. The
        # run id goes with the rule, for the SDK takes both in at once at half of what the processor's own call costs.
        given: Any = result.attributes  # pyright: ignore[reportUnknownVariableType] - untyped in the SDK
        rule = self._rule if self._below is None else self._below(parent_context)
        run_id = get_run_id()
        if given:
            stamped = _stamps(given, rule, run_id)
        else:
            of_rule, of_run, stamped = self._last  # the same for span after span; the SDK copies it
            if of_rule != rule or of_run != run_id:
                stamped = _stamps({}, rule, run_id)
                self._last = rule, run_id, stamped
        result.attributes = stamped  # pyright: ignore[reportAttributeAccessIssue] - declared as the proxy it is made with
        return result

    def get_description(self) -> str:
        """Return the wrapped sampler's description with the rule's name."""
        return f"SamplingRule{{{self._rule},{self._sampler.get_description()}}}"


def _stamps(given: Mapping[str, Any], rule: str, run_id: str | None) -> dict[str, Any]:
    stamped = {_RULE_KEY: rule, **given}
    if run_id is not None:
        stamped[_RUN_ID_KEY] = run_id
    return stamped


class RootRuleSampler(SamplingRuleSampler):
    """The ``codeanatomy`` sampler: root spans as `root` decides, all others as their parents.

    A span below one of this process carries that one's rule, for it was decided there; `rule` is the name where no rule
    matched.
    """

    def __init__(self, root: RuleSampler, rule: str) -> None:
        super().__init__(sampling.ParentBased(root), rule)
        self._below = self._rule_below
        self._root = root

    def for_scope(self, scope: str) -> RootRuleSampler:
        """Return the sampler of the spans of one instrumentation scope: itself, unless a rule asks for a scope."""
        root = self._root.for_scope(scope)
        return self if root is self._root else RootRuleSampler(root, self._rule)

    def _rule_below(self, _parent: Context | None) -> str:
        span = trace.get_current_span(_parent)
        attributes = span.attributes if isinstance(span, ReadableSpan) else None
        rule = attributes.get(AttributeName.SAMPLING_RULE) if attributes else None
        return rule if isinstance(rule, str) else self._rule


def wrap_sampler(sampler: Sampler, rule: str) -> Sampler:
    """Return `sampler` stamping `rule`; one that stamps already is returned as it is."""
    return sampler if isinstance(sampler, SamplingRuleSampler) else SamplingRuleSampler(sampler, rule)


def configured_sampler(config: OtelConfig, problems: list[Problem]) -> Sampler:
    """Return the sampler that `config` asks for; one that can't be had is told in `problems` and replaced."""
    name = config[settings.TRACES_SAMPLER]
    rule = config[settings.SAMPLING_RULE]
    if name == settings.DISTRO_NAME:
        return RootRuleSampler(RuleSampler(config.sampling_rules, config.sampler_ratio), rule)
    if name in _BUILT_IN:
        return wrap_sampler(_BUILT_IN[name](config.sampler_ratio), rule)
    reason = "no sampler of that name is installed"
    entry = next(iter(entry_points(group=_GROUP, name=name)), None)
    try:
        if entry is not None:
            return wrap_sampler(_checked(entry.load()(config[settings.TRACES_SAMPLER_ARG])), rule)
    except Exception as error:  # noqa: BLE001 - somebody else's sampler; the program must start
        reason = f"it failed: {type(error).__name__}: {error}"
    default = settings.TRACES_SAMPLER.default
    problems.append(Problem(settings.TRACES_SAMPLER.name, name, reason, default))
    return wrap_sampler(_BUILT_IN[default](config.sampler_ratio), rule)


def _checked(made: object) -> Sampler:
    if isinstance(made, Sampler):
        return made
    message = f"it made {type(made).__name__}, which is no sampler"
    raise TypeError(message)


def create_sampler(argument: Any = None, *, options: Mapping[str, Any] | None = None) -> Sampler:  # noqa: ANN401 - a text or number
    """Return the ``codeanatomy`` sampler with the rules of the settings (``CODEANATOMY_OTEL_SAMPLING_RULES``).

    It is the plug-in for other configurators: of ``OTEL_TRACES_SAMPLER=codeanatomy``, called with the argument, and of
    declarative files, called with none. There the scope of a span is unknown, so that rules which ask for one never
    match; our own providers tell it (`bind_scopes`).

    `options` is what a declarative file says below the sampler's name: ``rules`` (a list), ``ratio``, and ``rule``, the
    name where no rule matches.
    """
    given = dict(options or {})
    stated = {
        settings.TRACES_SAMPLER.name: settings.DISTRO_NAME,
        settings.TRACES_SAMPLER_ARG.name: given.get("ratio", argument),
        settings.SAMPLING_RULE.name: given.get("rule"),
        settings.SAMPLING_RULES.name: json.dumps(given["rules"]) if "rules" in given else None,
    }
    # The file itself has been read where there is one.
    environ = {name: value for name, value in environment().items() if name not in settings.CONFIG_FILE.variables}
    options = {name: str(value) for name, value in stated.items() if value is not None}
    config = resolve_otel_config(environ, options=options)
    report_problems(config)
    return RootRuleSampler(RuleSampler(config.sampling_rules, config.sampler_ratio), config[settings.SAMPLING_RULE])


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
