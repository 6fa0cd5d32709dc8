"""Attribute limits, as the settings give them, each with a value.

Where the SDK is given none it reads the variable itself, and a value that it can't read ends the program's start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.trace import SpanLimits

from codeanatomy_distro import settings

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Setting

__all__ = ["count_limit", "create_span_limits", "length_limit"]

_DEFAULT_COUNT: Final = 128  # the OpenTelemetry specification's, for attributes of anything
_UNLIMITED: Final = SpanLimits.UNSET  # what the SDK takes for "no limit"; for log records it is the same


def create_span_limits(config: OtelConfig) -> SpanLimits:
    """Return the limits of spans, their events and their links."""
    return SpanLimits(
        max_attributes=count_limit(config),
        max_attribute_length=length_limit(config),
        max_span_attributes=count_limit(config, settings.SPAN_ATTRIBUTE_COUNT_LIMIT),
        max_span_attribute_length=length_limit(config, settings.SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT),
        max_events=config[settings.SPAN_EVENT_COUNT_LIMIT],
        max_links=config[settings.SPAN_LINK_COUNT_LIMIT],
        max_event_attributes=count_limit(config, settings.EVENT_ATTRIBUTE_COUNT_LIMIT),
        max_link_attributes=count_limit(config, settings.LINK_ATTRIBUTE_COUNT_LIMIT),
    )


def count_limit(config: OtelConfig, own: Setting[int | None] | None = None) -> int:
    """Return how many attributes `own` allows, else the limit for anything, else 128."""
    return _first(config, own, settings.ATTRIBUTE_COUNT_LIMIT, _DEFAULT_COUNT)


def length_limit(config: OtelConfig, own: Setting[int | None] | None = None) -> int:
    """Return how many characters `own` allows, else the limit for anything, else the SDK's value for no limit."""
    return _first(config, own, settings.ATTRIBUTE_VALUE_LENGTH_LIMIT, _UNLIMITED)


def _first(config: OtelConfig, own: Setting[int | None] | None, general: Setting[int | None], default: int) -> int:
    for setting in (own, general):
        if setting is not None and (limit := config[setting]) is not None:
            return limit
    return default
