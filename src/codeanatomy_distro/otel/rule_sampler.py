"""The sampler of root spans by rules: the first that matches decides, else a ratio does."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult, TraceIdRatioBased

from codeanatomy_distro.obs.constants import AttributeName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

    from codeanatomy_distro.otel.sampling_rules import SamplingRule

__all__ = ["RuleSampler"]


class RuleSampler(Sampler):
    """Samples by the first of `rules` that matches a span's name, scope and attributes at its creation, else by ratio.

    What a rule samples carries the rule's name (``otel.sampling.rule``). `scope` is that of all spans it is asked
    about, None where it is not known.
    """

    def __init__(self, rules: Sequence[SamplingRule], ratio: float, scope: str | None = None) -> None:
        self._rules = [(rule, TraceIdRatioBased(rule.ratio)) for rule in rules]
        self._otherwise = TraceIdRatioBased(ratio)
        self._scope = scope

    def for_scope(self, scope: str) -> RuleSampler:
        """Return the same for spans of `scope`; itself when no rule asks for a scope."""
        if not any(rule.scope for rule, _ in self._rules):
            return self
        return RuleSampler([rule for rule, _ in self._rules], self._otherwise.rate, scope)

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
        """Return the decision of the first rule that matches."""
        for rule, sampler in self._rules:
            if rule.matches(name, self._scope, attributes):
                result = sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
                if result.decision is not Decision.DROP:
                    result.attributes = MappingProxyType({**result.attributes, AttributeName.SAMPLING_RULE: rule.rule})
                return result
        return self._otherwise.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """Return the rules' names and ratios."""
        rules = ",".join(f"{rule.rule}:{rule.ratio:g}" for rule, _ in self._rules)
        return f"RuleSampler{{{rules},otherwise:{self._otherwise.rate:g}}}"
