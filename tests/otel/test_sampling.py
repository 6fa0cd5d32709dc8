"""Samplers: by name, by entry point, by rules; and the name of the rule on what they sample."""

from __future__ import annotations

import json
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

from codeanatomy_distro.obs.run_context import run_context
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.rule_sampler import RatioRuleSampler
from codeanatomy_distro.otel.sampling import bind_scopes, configured_sampler, create_sampler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy_distro.setting import Problem

RULE = "otel.sampling.rule"
RULES = [
    {"match": {"scope": "codeanatomy.datafusion"}, "ratio": 1, "rule": "queries"},
    {"match": {"name": "noise*"}, "ratio": 0, "rule": "noise"},
    {"match": {"attributes": {"tenant": "vip-*"}}, "ratio": 1, "rule": "vip"},
]


class _Traces:
    """A provider with the sampler that an environment asks for, and what it exports."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.problems: list[Problem] = []
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(
            sampler=configured_sampler(resolve_otel_config(environ), self.problems), shutdown_on_exit=False
        )
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        bind_scopes(self.provider)

    def start(self, name: str, scope: str = "app", **attributes: Any) -> trace.Span:
        return self.provider.get_tracer(scope).start_span(name, attributes=attributes)

    def rules(self) -> list[tuple[str, object]]:
        return [(span.name, (span.attributes or {}).get(RULE)) for span in self.spans()]

    def spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()


def _with_rules(**more: str) -> _Traces:
    environ = {"OTEL_TRACES_SAMPLER": "codeanatomy", "CODEANATOMY_OTEL_SAMPLING_RULES": json.dumps(RULES)}
    return _Traces({**environ, "OTEL_TRACES_SAMPLER_ARG": "0", **more})


@pytest.mark.parametrize(
    ("sampler", "argument", "share"),
    [
        ("always_on", "", 1.0),
        ("ALWAYS_OFF", "", 0.0),
        ("traceidratio", "0.5", 0.5),
        ("parentbased_traceidratio", "1", 1.0),
        ("", "", 0.1),
    ],
)
def test_each_sampler_takes_its_share(sampler: str, argument: str, share: float) -> None:
    """A sampler records the share of root spans that its name and argument say."""
    traces = _Traces({"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": argument})
    for _ in range(1000):
        traces.start("x").end()
    assert len(traces.spans()) / 1000 == pytest.approx(share, abs=0.06)


@given(
    ratio=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    trace_id=st.integers(1, 2**128 - 1),
    parent=st.none() | st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, TraceState([("a", "b")])])),
    attributes=st.sampled_from([None, {}, {"a": 1}]),
    run_id=st.sampled_from([None, "r1", "r2"]),
)
def test_the_default_decides_as_the_sdk_does(
    ratio: float,
    trace_id: int,
    parent: tuple[bool, bool, TraceState | None] | None,
    attributes: dict[str, int] | None,
    run_id: str | None,
) -> None:
    """Whatever the trace, the parent and the attributes: the SDK's decision and trace state, with rule and run id."""
    below = Context()
    if parent is not None:
        sampled, remote, state = parent
        span = SpanContext(trace_id, 1, remote, TraceFlags(TraceFlags.SAMPLED if sampled else 0), state)
        below = trace.set_span_in_context(NonRecordingSpan(span), below)
    theirs = sampling.ParentBased(sampling.TraceIdRatioBased(ratio))
    ours = RatioRuleSampler(ratio, "rule")
    expected = theirs.should_sample(below, trace_id, "x", None, attributes)
    for _ in range(2):
        with run_context(run_id) if run_id else nullcontext():
            found: Any = ours.should_sample(below, trace_id, "x", None, attributes)
        assert found.decision is expected.decision
        assert (found.trace_state or None) == (expected.trace_state or None)
        stamps = {"otel.sampling.rule": "rule"} | ({"codeanatomy.run_id": run_id} if run_id else {})
        dropped = found.decision is sampling.Decision.DROP
        assert dict(found.attributes) == ({} if dropped else {**(attributes or {}), **stamps})


def test_what_is_sampled_carries_the_rule() -> None:
    """Each sampled span carries the name of the sampling rule."""
    traces = _Traces({"OTEL_TRACES_SAMPLER": "always_on", "CODEANATOMY_OTEL_SAMPLING_RULE": "mine"})
    traces.start("x").end()
    assert traces.rules() == [("x", "mine")]


def test_the_first_rule_that_matches_decides() -> None:
    """Root spans are decided by the first rule on scope, name or attributes; without one by the default ratio."""
    traces = _with_rules()
    traces.start("noise", scope="codeanatomy.datafusion").end()
    traces.start("noise", tenant="vip-1").end()
    traces.start("work", tenant="vip-1").end()
    traces.start("work", tenant="other").end()
    assert traces.rules() == [("noise", "queries"), ("work", "vip")]


def test_what_no_rule_matches_goes_by_the_default_ratio_under_the_default_name() -> None:
    """A span that no rule matches is sampled by the ratio, and carries the rule name of the settings."""
    traces = _with_rules(OTEL_TRACES_SAMPLER_ARG="1")
    traces.start("work").end()
    assert traces.rules() == [("work", "codeanatomy.default")]


def test_spans_below_follow_their_parent_and_carry_its_rule() -> None:
    """A child follows its parent whatever the rules say of it, and carries the rule that decided."""
    traces = _with_rules()
    root = traces.start("work", tenant="vip-1")
    with trace.use_span(root, end_on_exit=True):
        traces.start("noise.child").end()
    dropped = traces.start("noise")
    with trace.use_span(dropped):
        traces.start("child", tenant="vip-1").end()
    assert traces.rules() == [("noise.child", "vip"), ("work", "vip")]


def test_a_remote_parent_decides() -> None:
    """A span whose parent is in another process follows that one's flag."""
    traces = _with_rules()
    for flags, expected in ((TraceFlags(1), 1), (TraceFlags(0), 1)):
        remote = SpanContext(0x1234, 0x5678, is_remote=True, trace_flags=flags)
        token = context.attach(trace.set_span_in_context(NonRecordingSpan(remote)))
        traces.start("noise").end()
        context.detach(token)
        assert len(traces.spans()) == expected
    assert traces.rules() == [("noise", "codeanatomy.default")]


def test_without_rules_about_scopes_the_provider_is_left_alone() -> None:
    """A provider whose sampler asks for no scope keeps its own method."""
    provider = TracerProvider(sampler=sampling.ALWAYS_ON, shutdown_on_exit=False)
    assert "get_tracer" not in vars(bind_scopes(provider))


def test_the_plug_in_reads_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another configurator gets the same sampler by the entry point, with the argument or, from a file, options."""
    monkeypatch.setenv("CODEANATOMY_OTEL_SAMPLING_RULES", json.dumps(RULES[1:]))
    for sampler in (create_sampler("0"), create_sampler(0.0), create_sampler(ratio=0)):
        drop = sampler.should_sample(None, 1, "noise", attributes={"tenant": "vip-1"})
        keep = sampler.should_sample(None, 1, "work", attributes={"tenant": "vip-1"})
        assert (drop.decision, keep.decision) == (sampling.Decision.DROP, sampling.Decision.RECORD_AND_SAMPLE)
        assert keep.attributes[RULE] == "vip"
    assert "noise:0,vip:1" in sampler.get_description()
