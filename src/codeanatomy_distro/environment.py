"""The process's environment, and the one variable that is read without the table of settings: the switch of it all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["environment", "is_switched_off"]


def environment() -> Mapping[str, str]:
    """Return the process's environment: the one place from which every setting is read."""
    return os.environ


def is_switched_off(environ: Mapping[str, str]) -> bool:
    """Return whether ``OTEL_SDK_DISABLED`` is ``true``, in whichever case (OpenTelemetry specification, *General SDK
    Configuration*).

    It stands apart from the table for start-up cost: a process that is off needs nothing else of ours. What else
    switches telemetry off, a declarative file, is the distro's to find; it then sets the variable.
    """
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
