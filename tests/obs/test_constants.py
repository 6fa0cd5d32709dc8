"""Canonical names: each is written once, and well formed."""

from __future__ import annotations

import re

import pytest

from codeanatomy_distro.obs.constants import AttributeName, MetricName, ScopeName, SpanName


@pytest.mark.parametrize("names", [AttributeName, MetricName, ScopeName, SpanName])
def test_names_are_unique_and_well_formed(names: type) -> None:
    """No two constants of a class have one name, and each is lower case with dots and underscores."""
    values = [value for name, value in vars(names).items() if name.isupper()]
    assert len(values) == len(set(values)) > 0
    assert all(re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", value) for value in values)


def test_scopes_are_the_specifications() -> None:
    """The scopes are the root and the twelve below it."""
    below = "pipeline extract normalize planning scheduling datafusion execution storage cpg obs diagnostics semantics"
    expected = {"codeanatomy", *(f"codeanatomy.{name}" for name in below.split())}
    assert {value for name, value in vars(ScopeName).items() if name.isupper()} == expected
