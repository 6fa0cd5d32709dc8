"""Attribute limits: own before general before default, and always a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import SpanLimits

from codeanatomy_distro import settings
from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config
from codeanatomy_distro.otel.limits import count_limit, create_span_limits, length_limit

if TYPE_CHECKING:
    from collections.abc import Callable


def test_defaults(config: Callable[..., OtelConfig]) -> None:
    """Without variables the limits are OpenTelemetry's: 128 of everything, of any length."""
    limits = create_span_limits(config())
    assert limits.max_span_attributes == limits.max_event_attributes == limits.max_link_attributes == 128
    assert limits.max_events == limits.max_links == limits.max_attributes == 128
    assert limits.max_attribute_length is limits.max_span_attribute_length is None


@pytest.mark.parametrize(
    ("general", "own", "expected"), [("", "", 128), ("5", "", 5), ("", "7", 7), ("5", "7", 7), ("5", "0", 0)]
)
def test_own_limit_wins(config: Callable[..., OtelConfig], general: str, own: str, expected: int) -> None:
    """A limit of its own wins over the one for anything; empty is as good as unset, and 0 is a limit."""
    found = config(OTEL_ATTRIBUTE_COUNT_LIMIT=general, OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT=own)
    assert count_limit(found, settings.LOGRECORD_ATTRIBUTE_COUNT_LIMIT) == expected


def test_length(config: Callable[..., OtelConfig]) -> None:
    """A length of its own wins over the general one; without either there is no limit."""
    assert length_limit(config()) == SpanLimits.UNSET
    both = config(OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="5", OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT="9")
    assert (length_limit(both), length_limit(both, settings.SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT)) == (5, 9)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_environment_is_not_asked_again(text: str) -> None:
    """Whatever a variable holds, the SDK's own reading of it is never reached, and no limit is negative."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"):
            patch.setenv(name, text)
        limits = create_span_limits(resolve_otel_config())
    assert limits.max_attributes is not None
    assert limits.max_attributes >= 0
