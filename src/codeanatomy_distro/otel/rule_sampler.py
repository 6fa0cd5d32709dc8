"""Samplers that name the rule by which they sample: one around any other, and that of the rules of the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased

from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.run_context import get_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

    from codeanatomy_distro.otel.sampling_rules import SamplingRule

__all__ = ["RatioRuleSampler", "RootRuleSampler", "SamplingRuleSampler"]

_DROP: Final = Decision.DROP
_DROPPED: Final = SamplingResult(Decision.DROP)
_LIMIT: Final = TraceIdRatioBased.TRACE_ID_LIMIT
_RULE_KEY: Final = AttributeName.SAMPLING_RULE
_RUN_ID_KEY: Final = AttributeName.RUN_ID


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


class RatioRuleSampler(SamplingRuleSampler):
    """The default: decides as the SDK's ``parentbased_traceidratio`` does, with one result for span after span.

    Making a result costs more than deciding; a span that is dropped, as nine of ten are by default, costs less than in
    the plain SDK.
    """

    def __init__(self, ratio: float, rule: str) -> None:
        of_roots = TraceIdRatioBased(ratio)
        super().__init__(ParentBased(of_roots), rule)
        self._bound = of_roots.bound
        # A pair that is replaced as one, for other threads read it too.
        self._sampled: tuple[str | None, SamplingResult] = (
            None,
            SamplingResult(Decision.RECORD_AND_SAMPLE, _stamps({}, rule, None)),
        )

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
        """Return the decision: the parent's, or that of the trace id for a root span."""
        parent = trace.get_current_span(parent_context).get_span_context()
        if attributes or parent.trace_state:  # these are part of the result
            return super().should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if not (parent.trace_flags.sampled if parent.is_valid else trace_id & _LIMIT < self._bound):
            return _DROPPED
        run_id = get_run_id()
        of_run, result = self._sampled
        if of_run != run_id:
            result = SamplingResult(Decision.RECORD_AND_SAMPLE, _stamps({}, self._rule, run_id))
            self._sampled = run_id, result
        return result


class RootRuleSampler(SamplingRuleSampler):
    """The ``codeanatomy`` sampler: root spans by the first of `rules` that matches, all others as their parents.

    A rule matches on a span's name, scope and attributes at its creation; `scope` is that of all spans the sampler is
    asked about, None where it is not known. Where no rule matches, `ratio` decides under the name `rule`. A span below
    one of this process carries that one's rule, for it was decided there.
    """

    def __init__(self, rules: Sequence[SamplingRule], ratio: float, rule: str, scope: str | None = None) -> None:
        super().__init__(ParentBased(TraceIdRatioBased(ratio)), rule)
        self._decide = self._decide_by_rules
        self._below = self._rule_below
        self._rules = [(one, TraceIdRatioBased(one.ratio)) for one in rules]
        self._ratio = ratio
        self._scope = scope

    def for_scope(self, scope: str) -> RootRuleSampler:
        """Return the sampler of the spans of one instrumentation scope: itself, unless a rule asks for a scope."""
        if not any(rule.scope for rule, _ in self._rules):
            return self
        return RootRuleSampler([rule for rule, _ in self._rules], self._ratio, self._rule, scope)

    def get_description(self) -> str:
        """Return the rules' names and ratios."""
        rules = ",".join(f"{rule.rule}:{rule.ratio:g}" for rule, _ in self._rules)
        return f"RootRule{{{rules},{self._rule}:{self._ratio:g}}}"

    def _decide_by_rules(self, *arguments: Any) -> SamplingResult:  # noqa: ANN401 - those of `should_sample`
        parent, _, name, _, attributes, *_ = arguments
        if not trace.get_current_span(parent).get_span_context().is_valid:
            for rule, sampler in self._rules:
                if rule.matches(name, self._scope, attributes):
                    result = sampler.should_sample(*arguments)
                    result.attributes = {_RULE_KEY: rule.rule}  # pyright: ignore[reportAttributeAccessIssue] - as above
                    return result
        return self._sampler.should_sample(*arguments)

    def _rule_below(self, parent: Context | None) -> str:
        span = trace.get_current_span(parent)
        attributes = span.attributes if isinstance(span, ReadableSpan) else None
        rule = attributes.get(_RULE_KEY) if attributes else None
        return rule if isinstance(rule, str) else self._rule
