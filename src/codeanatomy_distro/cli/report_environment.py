"""The environment and the command line of a program whose telemetry is to reach our receiver."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from codeanatomy_distro import settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from codeanatomy_distro.testing.otlp import Protocol

__all__ = ["child_environment", "instrumented", "set_aside"]

_INSTRUMENT = "opentelemetry-instrument"
_LOOPBACK = "127.0.0.1"

_DEFAULTS = {
    settings.TRACES_SAMPLER.name: "always_on",
    settings.METRIC_EXPORT_INTERVAL.name: "5000",
    settings.BSP_SCHEDULE_DELAY.name: "500",
    settings.BLRP_SCHEDULE_DELAY.name: "500",
    settings.BSP_MAX_QUEUE_SIZE.name: "65536",
    settings.BLRP_MAX_QUEUE_SIZE.name: "65536",
}
"""What a complete report wants and nobody has set: every span, soon, and room for bursts."""

_SET_ASIDE = tuple(
    variable
    for setting in (
        settings.CONFIG_FILE,
        settings.TEST_MODE,
        settings.OTLP_HEADERS,
        settings.OTLP_CERTIFICATE,
        settings.OTLP_CLIENT_KEY,
        settings.OTLP_CLIENT_CERTIFICATE,
        *settings.SIGNAL_ENDPOINT.values(),
        *settings.SIGNAL_PROTOCOL.values(),
        *settings.SIGNAL_HEADERS.values(),
        *settings.SIGNAL_INSECURE.values(),
        *settings.SIGNAL_CERTIFICATE.values(),
        *settings.SIGNAL_CLIENT_KEY.values(),
        *settings.SIGNAL_CLIENT_CERTIFICATE.values(),
    )
    for variable in setting.variables
)
"""What would send telemetry, or the secrets that go with it, elsewhere than to our receiver."""


def set_aside(environ: Mapping[str, str]) -> list[str]:
    """Return the variables of ``environ`` that do not hold for the program, whose telemetry comes to us instead."""
    replaced = [
        setting.name for setting in settings.SIGNAL_EXPORTER.values() if environ.get(setting.name, "otlp") != "otlp"
    ]
    return [variable for variable in _SET_ASIDE if variable in environ] + replaced


def child_environment(environ: Mapping[str, str], endpoint: str, protocol: Protocol) -> dict[str, str]:
    """Return ``environ`` changed so that all signals go to ``endpoint``; what was set for sampling and pace stays."""
    child = {name: value for name, value in environ.items() if name not in _SET_ASIDE}
    child[settings.OTLP_ENDPOINT.name] = endpoint
    child[settings.OTLP_PROTOCOL.name] = protocol
    child[settings.OTLP_INSECURE.name] = "true"
    for setting in settings.SIGNAL_EXPORTER.values():
        child[setting.name] = "otlp"
    for name, value in _DEFAULTS.items():
        if not child.get(name, "").strip():
            child[name] = value
    return child | _no_proxy(child)


def _no_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what keeps exports to loopback off a proxy, which gRPC and requests would use for it too."""
    proxies = [name for name, value in environ.items() if name.lower().endswith("_proxy") and value]
    if not proxies:
        return {}
    names = {"no_proxy", "NO_PROXY", *(name for name in proxies if name.lower() == "no_grpc_proxy")}
    return {name: ",".join(filter(None, (environ.get(name), _LOOPBACK))) for name in names}


def instrumented(command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return the command behind ``opentelemetry-instrument``, unless it is that already.

    The one beside our own interpreter is taken, else the first on the search path. Raises ``FileNotFoundError`` with
    the name of the program that is not there.
    """
    search = environ.get("PATH", os.defpath)
    if shutil.which(command[0], path=search) is None:
        raise FileNotFoundError(command[0])
    if os.path.basename(command[0]) == _INSTRUMENT:  # noqa: PTH119 - a word of a command line, not a file
        return list(command)
    beside = os.path.dirname(sys.executable)  # noqa: PTH120 - joined to a search path
    instrument = shutil.which(_INSTRUMENT, path=os.pathsep.join((beside, search)))
    if instrument is None:
        raise FileNotFoundError(_INSTRUMENT)
    return [instrument, *command]
