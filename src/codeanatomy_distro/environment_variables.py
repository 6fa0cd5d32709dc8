"""Names for `opentelemetry-instrument`, which imports this module before it starts the program.

Its flags come from the ``OTEL_`` names of such modules; here stand only those that no OpenTelemetry package declares
itself, since the command refuses a flag that two modules declare.

Importing it also chooses our distro. `opentelemetry-instrument` takes whichever distro its directory listing shows
first; when `opentelemetry-distro` sits beside us that is a matter of luck. A distro that the user names, by variable or by
flag, still wins: this sets a default before the command reads either, and our configurator is chosen by our distro once
that is loaded, never before.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ["OTEL_EXPERIMENTAL_CONFIG_FILE", "OTEL_SERVICE_INSTANCE_ID"]

OTEL_SERVICE_INSTANCE_ID: Final = "OTEL_SERVICE_INSTANCE_ID"
"""Id of this instance of the service."""

OTEL_EXPERIMENTAL_CONFIG_FILE: Final = "OTEL_EXPERIMENTAL_CONFIG_FILE"
"""The older name of ``OTEL_CONFIG_FILE``."""

if not os.environ.get("OTEL_PYTHON_DISTRO") and os.environ.get("OTEL_PYTHON_CONFIGURATOR", "codeanatomy") in {
    "",
    "codeanatomy",
}:
    os.environ["OTEL_PYTHON_DISTRO"] = "codeanatomy"
