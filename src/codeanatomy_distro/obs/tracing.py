"""Spans of the domain: the root span of a run, its pipeline, its stages, and links back to the root.

Each is a context manager that makes its span current, tells it how the block ended and lets every exception through.
Attributes are set when the span starts, so that a sampler sees them (specification, *Auto-Instrumentation Boundaries*).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final

from opentelemetry import context, trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind

from codeanatomy_distro.obs.attributes import normalize_attributes
from codeanatomy_distro.obs.constants import AttributeName, ScopeName, SpanName
from codeanatomy_distro.obs.errors import forget_error, is_failure, record_error
from codeanatomy_distro.obs.metrics import record_stage_duration
from codeanatomy_distro.obs.run_context import get_run_id, stage_context
from codeanatomy_distro.obs.scopes import get_tracer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from opentelemetry.util.types import AttributeValue

__all__ = [
    "active_span",
    "get_root_span_context",
    "pipeline_span",
    "root_span",
    "root_span_link",
    "set_root_span_context",
    "stage_span",
]

_root: ContextVar[SpanContext | None] = ContextVar("codeanatomy_root_span", default=None)
_here: ContextVar[None] = ContextVar("codeanatomy_here", default=None)
_root_of_run: Final[OrderedDict[str | None, SpanContext]] = OrderedDict()
_MOST_RUNS: Final = 256  # runs whose root is remembered for workers that have no context; older ones are over


def set_root_span_context(span_context: SpanContext | None) -> None:
    """Make `span_context` the root span of the current context and of the current run; None forgets it.

    It is kept in a context variable and by run id (specification, *Concurrency and Fork Safety*), so that a thread or a
    forked worker without the context still finds it.
    """
    _root.set(span_context)
    _remember(get_run_id(), span_context)


def _remember(run_id: str | None, span_context: SpanContext | None) -> None:
    _root_of_run.pop(run_id, None)
    if span_context is not None:
        _root_of_run[run_id] = span_context
    while len(_root_of_run) > _MOST_RUNS:
        _root_of_run.popitem(last=False)


def get_root_span_context() -> SpanContext | None:
    """Return the root span of the current context, else of the current run, or None."""
    return _root.get() or _root_of_run.get(get_run_id())


def root_span_link() -> Link | None:
    """Return a link to the root span of the run, for a span whose execution is asynchronous; None without a root."""
    root = get_root_span_context()
    return Link(root) if root is not None and root.is_valid else None


@contextmanager
def active_span(  # noqa: PLR0913 - the parameters of a span
    name: str,
    *,
    scope: str,
    attributes: Mapping[str, AttributeValue] | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    links: Sequence[Link] | None = None,
    stage: str | None = None,
) -> Generator[Span]:
    """Start a span of `scope`, make it current for the block, and end it; an exception is told and passes unchanged."""
    forget_error()
    span = get_tracer(scope).start_span(name, kind=kind, attributes=attributes, links=links)
    token = context.attach(trace.set_span_in_context(span))
    here = _here.set(None)
    try:
        yield span
    except BaseException as error:
        record_error(span, error, stage=stage)
        raise
    finally:
        if _is_here(here):
            context.detach(token)
        span.end()


def _is_here(here: Token[None]) -> bool:
    """Return whether this is the context that the block began in.

    It is another where an asynchronous generator is closed by its event loop; what was made current for the block is
    not current there, and to take it back would be an error that is printed on the program's stderr.
    """
    try:
        _here.reset(here)
    except ValueError:
        return False
    return True


@contextmanager
def root_span(  # noqa: PLR0913 - what describes a run
    name: str = SpanName.ROOT,
    *,
    product: str | None = None,
    execution_mode: str | None = None,
    outputs: Sequence[str] | None = None,
    scope: str = ScopeName.PIPELINE,
    attributes: Mapping[str, object] | None = None,
) -> Generator[Span]:
    """Open the root span of a run and remember its context for `root_span_link` (specification, *Trace Topology*)."""
    described = _described(attributes, product=product, execution_mode=execution_mode, outputs=outputs)
    with active_span(name, scope=scope, attributes=described) as span, _as_root(span.get_span_context()):
        yield span


@contextmanager
def _as_root(span_context: SpanContext) -> Generator[None]:
    if not span_context.is_valid:  # telemetry is off
        yield
        return
    before, run_id = _root.get(), get_run_id()  # the block may enter a run of its own: this one's root goes with it
    token = _root.set(span_context)
    _remember(run_id, span_context)
    try:
        yield
    finally:
        if _root_of_run.get(run_id) is span_context:  # not that of a root span which began meanwhile in another thread
            _remember(run_id, before)
        with suppress(ValueError):  # another context; see _is_here
            _root.reset(token)


@contextmanager
def pipeline_span(
    *,
    execution_mode: str | None = None,
    outputs: Sequence[str] | None = None,
    repo_root: str | None = None,
    attributes: Mapping[str, object] | None = None,
) -> Generator[Span]:
    """Open the ``pipeline.execute`` span (specification, *Trace Topology*)."""
    described = _described(attributes, execution_mode=execution_mode, outputs=outputs, repo_root=repo_root)
    with active_span(SpanName.PIPELINE, scope=ScopeName.PIPELINE, attributes=described) as span:
        yield span


@contextmanager
def stage_span(
    name: str,
    *,
    stage: str | None = None,
    scope: str = ScopeName.PIPELINE,
    attributes: Mapping[str, object] | None = None,
) -> Generator[Span]:
    """Open a span `name` for a stage and record ``codeanatomy.stage.duration`` when it ends.

    `stage` is the stage's name on the metric, the span's name unless given. Both must come from a small fixed set.
    """
    stage = stage or name
    described = {AttributeName.STAGE: stage, **normalize_attributes(attributes)}
    status = "ok"
    started = time.perf_counter()
    with _in_stage(stage), active_span(name, scope=scope, attributes=described, stage=stage) as span:
        try:
            yield span
        except BaseException as error:
            status = "error" if is_failure(error) else "ok"
            raise
        finally:
            # Inside the span, so that the measurement's exemplar names it.
            record_stage_duration(time.perf_counter() - started, stage=stage, status=status)


@contextmanager
def _in_stage(stage: str) -> Generator[None]:
    entered = stage_context(stage)
    entered.__enter__()
    try:
        yield
    finally:
        with suppress(ValueError):  # another context; see _is_here
            entered.__exit__(None, None, None)


def _described(attributes: Mapping[str, object] | None, **named: object) -> dict[str, AttributeValue]:
    keys = {
        "product": AttributeName.PRODUCT,
        "execution_mode": AttributeName.EXECUTION_MODE,
        "outputs": AttributeName.OUTPUTS,
        "repo_root": AttributeName.REPO_ROOT,
    }
    return normalize_attributes({**{keys[name]: value for name, value in named.items()}, **(attributes or {})})
