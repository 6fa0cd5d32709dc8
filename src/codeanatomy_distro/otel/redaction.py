"""What never leaves the process: spans, log records and metrics redacted on the exporter's thread, before export.

The program's own objects, and what other processors and exporters see, stay as they are: what holds something private
is copied, what does not is passed on as it is. The patterns are those of the Collector (`redaction_patterns`).
"""

from __future__ import annotations

import copy
import dataclasses
import operator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status

from codeanatomy_distro.otel.redacted import RedactedEvent, RedactedLink, RedactedLogRecord, RedactedSpan
from codeanatomy_distro.otel.redaction_rules import RedactionRules, create_rules
from codeanatomy_distro.otel.redaction_values import ValueRedactor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import Metric, MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.trace import Event, ReadableSpan

__all__ = ["REDACTION_ATTRIBUTE", "Redactor", "create_redactor"]

# Tells the Collector that the SDK redacted: it cannot look into links itself and takes them off spans without this.
REDACTION_ATTRIBUTE: Final = "codeanatomy.redaction"

T = TypeVar("T")
_KEPT_RESOURCES: Final = 64


def create_redactor(
    mode: str, extra_keys: Sequence[str] = (), home: str | None = None, repo_roots: Sequence[str] = ()
) -> Redactor | None:
    """Return what redacts in that mode, or None when the mode is ``off``; raise `ValueError` on an unknown mode.

    `extra_keys` are names of attributes whose values are secret, with ``*`` for any part, beside the built-in ones.
    `home` and `repo_roots` are absolute paths: what lies in a repository becomes relative to it, the rest is masked.
    """
    if mode == "off":
        return None
    if mode not in {"standard", "strict"}:
        message = f"unknown mode of redaction {mode!r}: one of off, standard and strict"
        raise ValueError(message)
    return Redactor(
        mode, create_rules(strict=mode == "strict", extra_keys=extra_keys, home=home, repo_roots=repo_roots)
    )


class Redactor(ValueRedactor):
    """Redacts whole signals. Each method returns the very object it was given when there is nothing private in it."""

    def __init__(self, mode: str, rules: RedactionRules) -> None:
        super().__init__(rules)
        self.mode = mode
        # By identity: a process has a handful of resources and scopes, and every span refers to one of each.
        self._resources: dict[int, tuple[Resource, Resource]] = {}
        self._scopes: dict[int, tuple[InstrumentationScope, InstrumentationScope]] = {}

    def resource(self, resource: Resource) -> Resource:
        """Return the resource redacted and marked with `REDACTION_ATTRIBUTE`."""
        known = self._resources.get(id(resource))
        if known is not None:
            return known[1]
        attributes = self.attributes(resource.attributes)
        if attributes is resource.attributes and attributes.get(REDACTION_ATTRIBUTE) == self.mode:
            redacted = resource
        else:
            redacted = Resource({**attributes, REDACTION_ATTRIBUTE: self.mode}, self.text(resource.schema_url))
        _remember(self._resources, resource, redacted)
        return redacted

    def scope(self, scope: InstrumentationScope | None) -> InstrumentationScope | None:
        """Return an instrumentation scope redacted."""
        if scope is None:
            return None
        known = self._scopes.get(id(scope))
        if known is not None:
            return known[1]
        name, version, url = self.text(scope.name), self.optional(scope.version), self.optional(scope.schema_url)
        attributes = self.attributes(scope.attributes)
        same = attributes is scope.attributes and (name, version, url) == (scope.name, scope.version, scope.schema_url)
        redacted = scope if same else InstrumentationScope(name, version, url, attributes)
        _remember(self._scopes, scope, redacted)
        return redacted

    def span(self, span: ReadableSpan) -> ReadableSpan:
        """Return a span redacted: name, attributes, events, links, status, trace state, scope and resource."""
        before = (
            span.name,
            span.context,
            span.parent,
            span.resource,
            span.attributes,
            span.events,
            span.links,
            span.status,
        )
        name, context, parent, resource, attributes, events, links, status = before
        scope = self.scope(span.instrumentation_scope)
        after = (
            self.text(name),
            self.context(context),
            self.context(parent),
            self.resource(resource),
            self.attributes(attributes),
            _each(self.event, events),
            _each(self.link, links),
            self.status(status),
        )
        if scope is span.instrumentation_scope and all(map(operator.is_, before, after)):
            return span
        name, context, parent, resource, attributes, events, links, status = after
        return RedactedSpan(
            span,
            name=name,
            context=context,
            parent=parent,
            resource=resource,
            attributes=attributes,
            events=events,
            links=links,
            status=status,
            instrumentation_scope=scope,
        )

    def event(self, event: Event) -> Event:
        """Return a span's event redacted."""
        before = event.attributes
        name, attributes = self.text(event.name), self.attributes(before)
        if name == event.name and (attributes is before or not before):
            return event
        return RedactedEvent(event, name, attributes)

    def link(self, link: Link) -> Link:
        """Return a span's link redacted."""
        before = link.attributes
        context, attributes = self.context(link.context) or link.context, self.attributes(before)
        if context is link.context and (attributes is before or not before):
            return link
        return RedactedLink(link, context, attributes)

    def status(self, status: Status) -> Status:
        """Return a span's status with its description redacted; in strict mode the error's type is left of it."""
        if not status.description:
            return status
        description = self.message(status.description)
        return status if description == status.description else Status(status.status_code, description)

    def context(self, context: SpanContext | None) -> SpanContext | None:
        """Return a span context without its trace state where that holds something private."""
        if context is None or not context.trace_state:
            return context
        header = context.trace_state.to_header()
        if self.text(header) == header:
            return context
        return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)

    def log(self, log: ReadableLogRecord) -> ReadableLogRecord:
        """Return a log record redacted: body, attributes, event name, severity text, scope and resource."""
        record = log.log_record
        body, attributes = self.nested(record.body), self.attributes(record.attributes)
        event_name, severity = self.optional(record.event_name), self.optional(record.severity_text)
        resource, scope = self.resource(log.resource), self.scope(log.instrumentation_scope)
        same = (
            body is record.body
            and (attributes is record.attributes or not record.attributes)
            and event_name == record.event_name
            and severity == record.severity_text
        )
        if same and resource is log.resource and scope is log.instrumentation_scope:
            return log
        if not same:
            record = copy.copy(record)
            record.body, record.attributes = body, attributes
            record.event_name, record.severity_text = event_name, severity
        return RedactedLogRecord.of(log, record, resource, scope)

    def metrics(self, data: MetricsData) -> MetricsData:
        """Return metrics redacted: attributes of points and of exemplars, names, descriptions, scopes and resources."""
        resources = _each(self._resource_metrics, data.resource_metrics)
        return data if resources is data.resource_metrics else dataclasses.replace(data, resource_metrics=resources)

    def _resource_metrics(self, metrics: ResourceMetrics) -> ResourceMetrics:
        return _replaced(
            metrics,
            resource=self.resource(metrics.resource),
            scope_metrics=_each(self._scope_metrics, metrics.scope_metrics),
            schema_url=self.optional(metrics.schema_url),
        )

    def _scope_metrics(self, metrics: ScopeMetrics) -> ScopeMetrics:
        return _replaced(
            metrics,
            scope=self.scope(metrics.scope),
            metrics=_each(self._metric, metrics.metrics),
            schema_url=self.optional(metrics.schema_url),
        )

    def _metric(self, metric: Metric) -> Metric:
        return _replaced(
            metric,
            name=self.text(metric.name),
            description=self.optional(metric.description),
            unit=self.optional(metric.unit),
            data=_replaced(metric.data, data_points=_each(self._point, metric.data.data_points)),
        )

    def _point(self, point: Any) -> Any:  # noqa: ANN401 - a point of any kind of metric
        return _replaced(
            point,
            attributes=self._same_if_empty(point.attributes),
            exemplars=_each(self._exemplar, point.exemplars),
        )

    def _exemplar(self, exemplar: Any) -> Any:  # noqa: ANN401 - the SDK exports no name for it
        return _replaced(exemplar, filtered_attributes=self._same_if_empty(exemplar.filtered_attributes))

    def _same_if_empty(self, attributes: Any) -> Any:  # noqa: ANN401 - attributes or None
        return self.attributes(attributes) if attributes else attributes


def _each(redact: Callable[[T], T], items: Sequence[T]) -> Sequence[T]:
    """Return the items redacted, or the very same sequence when none of them changed."""
    if not items:
        return items
    redacted = [redact(item) for item in items]
    return items if all(map(operator.is_, items, redacted)) else redacted


def _replaced(original: T, **parts: object) -> T:
    """Return a frozen dataclass with these parts in place of its own; the very same object when none is another."""
    changed = {name: part for name, part in parts.items() if part is not getattr(original, name)}
    return dataclasses.replace(original, **changed) if changed else original  # pyright: ignore[reportArgumentType, reportUnknownVariableType] - the SDK's points are dataclasses


def _remember(known: dict[int, tuple[T, T]], original: T, redacted: T) -> None:
    # The original is held, so that its identity stays taken for as long as it is a key here.
    if len(known) >= _KEPT_RESOURCES:
        known.clear()
    known[id(original)] = (original, redacted)
    known[id(redacted)] = (redacted, redacted)
