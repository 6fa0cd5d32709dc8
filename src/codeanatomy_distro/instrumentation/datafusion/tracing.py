"""The tracer of DataFusion's spans, and whether a span would be sampled out anyway."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from codeanatomy_distro.obs.constants import ScopeName
from codeanatomy_distro.obs.scopes import distro_version

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer, TracerProvider

__all__ = ["SpanSource"]

_RULE: Final = r"(?:SamplingRule\{[^{},]*,)?"
_NEVER: Final = re.compile(rf"{_RULE}AlwaysOffSampler\}}?")
_BY_PARENT: Final = re.compile(rf"{_RULE}ParentBased\{{.*,localParentNotSampled:AlwaysOffSampler\}}+", re.DOTALL)


class SpanSource:
    """The tracer of the provider that was given, else of the one that is global now.

    A span that is not sampled still costs the SDK a fourth of one that is. A query under a root that was sampled out,
    or under a sampler that is off, is spared that: `tracer_in` tells it by one look at the parent, from what the
    sampler's description says. A sampler that it doesn't know is always asked.
    """

    __slots__ = ("_asks", "_given", "_never", "_provider", "tracer")

    def __init__(self, provider: TracerProvider | None) -> None:
        self._given = provider is not None
        self._use(provider if provider is not None else trace.get_tracer_provider())

    def refresh(self) -> Tracer:
        """Return the tracer to use now."""
        if not self._given:
            provider = trace.get_tracer_provider()
            if provider is not self._provider:
                self._use(provider)
        return self.tracer

    def tracer_in(self, current: Context) -> Tracer | None:
        """Return the tracer for a span that is started in `current`; None if that is sampled out for certain."""
        if not self._given:
            provider = trace.get_tracer_provider()
            if provider is not self._provider:
                self._use(provider)
        if self._asks:
            return self.tracer
        parent = trace.get_current_span(current) if current else trace.INVALID_SPAN
        return None if self._is_unsampled(parent) else self.tracer

    def _use(self, provider: TracerProvider) -> None:
        self.tracer = provider.get_tracer(ScopeName.DATAFUSION, distro_version())
        sampler: Any = getattr(self.tracer, "sampler", None)
        describe = getattr(sampler, "get_description", None)
        description = str(describe()) if callable(describe) else ""
        self._never = _NEVER.fullmatch(description) is not None
        self._asks = not self._never and _BY_PARENT.fullmatch(description) is None
        self._provider = provider  # last: another thread that looks meanwhile does the same

    def _is_unsampled(self, parent: Span) -> bool:
        if parent.is_recording():
            return False
        if self._never:
            return True
        above = parent.get_span_context()
        return above.is_valid and not above.is_remote and not above.trace_flags.sampled
