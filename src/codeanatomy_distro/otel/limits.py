"""Attribute limits, as the settings give them, each with a value.

Where the SDK is given none it reads the variable itself, and a value that it can't read ends the program's start.
"""

from __future__ import annotations

import inspect
import logging
import warnings
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk._logs import LoggerProvider, LogRecordDroppedAttributesWarning
from opentelemetry.sdk.trace import SpanLimits

from codeanatomy_distro import settings

if TYPE_CHECKING:
    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Setting

__all__ = ["create_span_limits", "log_limits", "tell_limits_once"]

_DEFAULT_COUNT: Final = 128  # the OpenTelemetry specification's, for attributes of anything
_UNLIMITED: Final = SpanLimits.UNSET  # what the SDK takes for "no limit"; for log records it is the same
# How OpenTelemetry's API begins what it says of each attribute that it cuts or drops, and what sets the limit.
_MESSAGES: Final = {
    "String attribute value exceeds": settings.ATTRIBUTE_VALUE_LENGTH_LIMIT.name,
    "Attributes dict is full": settings.ATTRIBUTE_COUNT_LIMIT.name,
}
_told: Final[set[str]] = set()


def create_span_limits(config: OtelConfig) -> SpanLimits:
    """Return the limits of spans, their events and their links."""
    return SpanLimits(
        max_attributes=_count_limit(config),
        max_attribute_length=_length_limit(config),
        max_span_attributes=_count_limit(config, settings.SPAN_ATTRIBUTE_COUNT_LIMIT),
        max_span_attribute_length=_length_limit(config, settings.SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT),
        max_events=config[settings.SPAN_EVENT_COUNT_LIMIT],
        max_links=config[settings.SPAN_LINK_COUNT_LIMIT],
        max_event_attributes=_count_limit(config, settings.EVENT_ATTRIBUTE_COUNT_LIMIT),
        max_link_attributes=_count_limit(config, settings.LINK_ATTRIBUTE_COUNT_LIMIT),
    )


def log_limits(config: OtelConfig) -> dict[str, Any]:
    """Return the limits of log records as a logger provider takes them."""
    if "log_record_limits" not in inspect.signature(LoggerProvider.__init__).parameters:
        return {}  # an SDK that reads the limits from its variables alone
    from opentelemetry.sdk._logs import LogRecordLimits  # absent from older SDKs

    return {
        "log_record_limits": LogRecordLimits(
            max_attributes=_count_limit(config),
            max_attribute_length=_length_limit(config),
            max_log_record_attributes=_count_limit(config, settings.LOGRECORD_ATTRIBUTE_COUNT_LIMIT),
            max_log_record_attribute_length=_length_limit(config, settings.LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT),
        )
    }


def _count_limit(config: OtelConfig, own: Setting[int | None] | None = None) -> int:
    """Return how many attributes `own` allows, else the limit for anything, else 128."""
    return _first(config, own, settings.ATTRIBUTE_COUNT_LIMIT, _DEFAULT_COUNT)


def _length_limit(config: OtelConfig, own: Setting[int | None] | None = None) -> int:
    """Return how many characters `own` allows, else the limit for anything, else the SDK's value for no limit."""
    return _first(config, own, settings.ATTRIBUTE_VALUE_LENGTH_LIMIT, _UNLIMITED)


def _first(config: OtelConfig, own: Setting[int | None] | None, general: Setting[int | None], default: int) -> int:
    for setting in (own, general):
        if setting is not None and (limit := config[setting]) is not None:
            return limit
    return default


def tell_limits_once() -> None:
    """Have what is cut or dropped for a limit told once a process; the API and the SDK tell of each attribute."""
    logging.getLogger("opentelemetry.attributes").addFilter(_is_first_of_its_limit)
    warnings.simplefilter("ignore", LogRecordDroppedAttributesWarning)  # the same, said of log records once more


def _is_first_of_its_limit(record: logging.LogRecord) -> bool:
    message = str(record.msg)
    limit = next((limit for start, limit in _MESSAGES.items() if message.startswith(start)), None)
    if limit is None:
        return True
    if limit in _told:
        return False
    _told.add(limit)
    record.msg = f"{message} (told once; {limit} and its like set the limit)"
    return True
