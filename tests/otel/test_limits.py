"""Attribute limits: own before general before default, and always a value."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes

from codeanatomy_distro.otel import limits as otel_limits
from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config
from codeanatomy_distro.otel.limits import create_span_limits, tell_limits_once

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
    found = create_span_limits(config(OTEL_ATTRIBUTE_COUNT_LIMIT=general, OTEL_LINK_ATTRIBUTE_COUNT_LIMIT=own))
    assert found.max_link_attributes == expected


def test_length(config: Callable[..., OtelConfig]) -> None:
    """A length of its own wins over the general one; without either there is no limit."""
    environ = {"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "9"}
    both = create_span_limits(config(**environ))
    assert (both.max_attribute_length, both.max_span_attribute_length) == (5, 9)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_environment_is_not_asked_again(text: str) -> None:
    """Whatever a variable holds, the SDK's own reading of it is never reached, and no limit is negative."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"):
            patch.setenv(name, text)
        limits = create_span_limits(resolve_otel_config())
    assert limits.max_attributes is not None
    assert limits.max_attributes >= 0


def test_what_is_cut_or_dropped_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many attributes a limit cuts or drops, there is one line a limit, which names what sets it."""
    monkeypatch.setattr(otel_limits, "_told", set[str]())
    with warnings.catch_warnings():
        tell_limits_once()
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            BoundedAttributes(2, {"a": "x" * 9, "b": "y" * 9, "c": 1, "d": 2}, max_value_len=3)
        BoundedAttributes(2, {"": 1})
    told = [record.getMessage() for record in caplog.records]
    assert "invalid" in told.pop()  # what is wrong with an attribute itself is told as ever
    if not told:
        pytest.skip("this version of the API tells of no limit")
    assert [line.split("(")[-1] for line in told] == [
        "told once; OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT and its like set the limit)",
        "told once; OTEL_ATTRIBUTE_COUNT_LIMIT and its like set the limit)",
    ]
