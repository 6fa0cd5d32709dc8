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
    or under a sampler that is off, is spared that: `is_unsampled` tells it by one look at the parent, from what the
    sampler's description says. A sampler that it doesn't know is always asked.
    """

    __slots__ = ("_by_parent", "_given", "_never", "_provider", "tracer")

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

    def starts_unsampled(self, current: Context) -> bool:
        """Return whether a span that is started in `current` is sampled out for certain."""
        if not (self._never or self._by_parent) and self._given:
            return False
        self.refresh()
        if not current:  # no parent
            return self._never
        return self.is_unsampled(trace.get_current_span(current))

    def _use(self, provider: TracerProvider) -> None:
        self._provider = provider
        self.tracer = provider.get_tracer(ScopeName.DATAFUSION, distro_version())
        sampler: Any = getattr(self.tracer, "sampler", None)
        describe = getattr(sampler, "get_description", None)
        description = str(describe()) if callable(describe) else ""
        self._never = _NEVER.fullmatch(description) is not None
        self._by_parent = _BY_PARENT.fullmatch(description) is not None

    def is_unsampled(self, parent: Span) -> bool:
        """Return whether a child of `parent` is sampled out for certain."""
        if parent.is_recording():
            return False
        if self._never:
            return True
        if not self._by_parent:
            return False
        above = parent.get_span_context()
        return above.is_valid and not above.is_remote and not above.trace_flags.sampled
