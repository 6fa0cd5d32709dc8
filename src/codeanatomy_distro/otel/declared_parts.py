"""The functions of `opentelemetry-configuration` that it keeps to itself: they make what a file alone can describe.

What it offers openly sets up the whole process in one call, with processors of its own. A version whose functions are
others is refused before anything is made with them (`check`), for half of a file's wishes would be worse than none.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.configuration import _logger_provider, _meter_provider, _propagator, _resource, _tracer_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

__all__ = [
    "CONFIGURATORS",
    "EXPORTERS",
    "check",
    "create_id_generator",
    "create_propagator",
    "create_reader",
    "create_resource",
    "create_sampler",
    "create_view",
    "filter_attributes",
    "parse_headers",
]

EXPORTERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "traces": _tracer_provider._create_span_exporter,
    "metrics": _meter_provider._create_push_metric_exporter,
    "logs": _logger_provider._create_log_record_exporter,
}
"""What makes the exporter of a signal from its part of the model."""

CONFIGURATORS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "traces": _tracer_provider._create_tracer_configurator,
    "metrics": _meter_provider._create_meter_configurator,
    "logs": _logger_provider._create_logger_configurator,
}
"""What makes a provider's switch for single scopes, such as ``tracer_configurator/development``."""

create_id_generator = _tracer_provider._create_id_generator
create_propagator = _propagator.create_propagator
create_reader = _meter_provider._create_metric_reader
create_resource = _resource.create_resource
create_sampler = _tracer_provider._create_sampler
create_view = _meter_provider._create_view
filter_attributes = _resource._filter_attributes
parse_headers: Callable[[Any, str | None], dict[str, str] | None] = cast("Any", _tracer_provider)._parse_headers

_ALONE: Final[Sequence[Callable[..., Any]]] = (  # those that are given one argument
    *EXPORTERS.values(), *CONFIGURATORS.values(), create_id_generator, create_propagator, create_reader,
    create_resource, create_sampler, create_view,
)  # fmt: skip


def check() -> None:
    """Raise `TypeError` where a function takes other arguments than those that it will be given."""
    for function in _ALONE:
        inspect.signature(function).bind(None)
    inspect.signature(filter_attributes).bind(None, None)
    inspect.signature(parse_headers).bind(None, None)
