"""The environment as the SDK can bear it, while the SDK is imported and set up."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro import settings

if TYPE_CHECKING:
    from collections.abc import Generator

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Resolved, Setting

__all__ = ["sdk_environment", "usable_environment"]

_OURS: Final = ("OTEL_", "CODEANATOMY_", "HAMILTON_")


def usable_environment(config: OtelConfig) -> dict[str, str | None]:
    """Return the variables that others would stumble over, each with the text that says what is used; None: unset it.

    OpenTelemetry packages read many variables themselves: the SDK while it is imported, exporters and instrumentors as
    they are made. Where `config` found a value bad, blank or spelt as only we read it, this is what they should find
    instead; processes that this one starts then find it too, and repeat no message.
    """
    bad = {problem.variable for problem in config.problems}
    changes: dict[str, str | None] = {}
    for setting in settings.TABLE:
        resolved = config.values[setting.name]
        for variable in setting.variables:
            raw = config.environ.get(variable)
            if raw is None:
                continue
            usable = _usable(setting, resolved, variable, raw, bad)
            if usable == raw:
                continue
            if not variable.startswith(_OURS) or (variable in setting.deprecated and usable):
                # What others read as well stays theirs, and an old name is not written: the setting's own says it.
                changes[setting.name] = usable
            if variable.startswith(_OURS):
                changes[variable] = None if variable in setting.deprecated else usable
    return changes


def _usable(setting: Setting[Any], resolved: Resolved[Any], variable: str, raw: str, bad: set[str]) -> str | None:
    """Return the text that `variable` should hold in place of `raw`."""
    if not raw.strip():
        return None if variable.startswith("OTEL_") else raw
    if resolved.value is None and resolved.variable in bad:
        # The user meant the bad variable, not a weaker one of the same setting: it must not come to light instead.
        return None if variable.startswith(_OURS) else raw
    if variable != resolved.variable or not (variable in bad or variable.startswith("OTEL_")):
        return raw
    return None if resolved.value is None else setting.kind.write(resolved.value) or None


@contextmanager
def sdk_environment(config: OtelConfig) -> Generator[None]:
    """Show the SDK only values that it can read, until the block ends; then every variable is as it was.

    A bad ``OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT`` makes importing the SDK fail, and importing its logs runs the resource
    detectors, which we run ourselves, once and with a bound. Under `opentelemetry-instrument` the distro has made the
    environment usable for good, and only the detectors are left to hide.
    """
    environ = os.environ
    shown = {**usable_environment(config), settings.RESOURCE_DETECTORS.name: None}
    before = {name: environ.get(name) for name in shown}
    _apply(shown)
    try:
        yield
    finally:
        _apply(before)


def _apply(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
