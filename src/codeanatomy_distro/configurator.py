"""The configurator: what `opentelemetry-instrument` calls, and what it calls is what a program may call itself."""

from __future__ import annotations

import logging
from typing import Any

from opentelemetry.instrumentation.environment_variables import OTEL_PYTHON_DISTRO

from codeanatomy_distro.distro import hide_instrumentors
from codeanatomy_distro.environment import environment, is_switched_off
from codeanatomy_distro.version import DISTRO_NAME

__all__ = ["CodeAnatomyConfigurator"]

_logger = logging.getLogger("codeanatomy_distro")


class CodeAnatomyConfigurator:
    """Entry point ``opentelemetry_configurator`` = ``codeanatomy``.

    It is no subclass of the SDK's configurator: importing that imports the SDK, which a process whose telemetry is off
    must not pay for.
    """

    has_run = False
    """Whether it was chosen and called in this process, be telemetry on or off."""

    def configure(self, *, auto_instrumentation_version: str | None = None, **_: Any) -> None:  # noqa: ANN401 - upstream's own
        """Set up telemetry for this process from its environment, and our instrumentors; never raises.

        Where another distro was chosen, the instrumentors are that one's to load.
        """
        CodeAnatomyConfigurator.has_run = True
        chosen = environment().get(OTEL_PYTHON_DISTRO, "").strip() == DISTRO_NAME
        if is_switched_off(environment()):
            if chosen:
                hide_instrumentors("*")
            return
        # Start-up cost: a process whose telemetry is off needs none of it.
        from codeanatomy_distro.otel.bootstrap import OtelBootstrapOptions, configure_otel
        from codeanatomy_distro.otel.instrumentors import load_ours

        try:
            overrides = {"telemetry.auto.version": auto_instrumentation_version}
            configure_otel(options=OtelBootstrapOptions(resource_overrides=overrides, load_instrumentors=False))
        except Exception as error:
            _logger.warning("telemetry is off, for it could not be set up: %s", error, exc_info=error)
        if chosen:
            hide_instrumentors(load_ours())
