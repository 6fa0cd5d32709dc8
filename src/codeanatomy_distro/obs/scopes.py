"""Instrumentation scopes: which one a layer belongs to, and the tracer, meter and logger of each.

Tracers and loggers are kept per provider: a lookup costs a dictionary read, and a test that sets another provider is
served by that one.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import _logs, metrics, trace

from codeanatomy_distro.obs.constants import ScopeName
from codeanatomy_distro.version import __version__

__all__ = ["distro_version", "get_logger", "get_meter", "get_tracer", "scope_for_layer"]

_SCOPE_OF_LAYER: Final = {
    "inputs": ScopeName.EXTRACT,
    "plan": ScopeName.PLANNING,
    "execution": ScopeName.EXECUTION,
    "storage": ScopeName.STORAGE,
}


class _Kept:
    """What was looked up last; a forked child may keep it, for its providers are the same objects.

    A provider and its tracers are replaced as one, so that a thread which looks up while another sets a provider can
    never put a tracer of the old one among those of the new.
    """

    tracers: tuple[Any, dict[str, trace.Tracer]] = (None, {})


def scope_for_layer(layer: str | None) -> str:
    """Return the scope of a node's `layer` tag; ``codeanatomy.pipeline`` for a layer without one of its own."""
    return _SCOPE_OF_LAYER.get(layer or "", ScopeName.PIPELINE)


def distro_version() -> str:
    """Return the version of this distribution, the version of all our scopes."""
    return __version__


def get_tracer(scope: str) -> trace.Tracer:
    """Return the tracer of `scope` from the provider that is global now."""
    provider = trace.get_tracer_provider()
    owner, tracers = _Kept.tracers
    if provider is not owner:
        tracers = {}
        _Kept.tracers = (provider, tracers)
    tracer = tracers.get(scope)
    if tracer is None:
        tracer = tracers[scope] = provider.get_tracer(scope, distro_version())
    return tracer


def get_meter() -> metrics.Meter:
    """Return the meter from which all our metrics come (scope ``codeanatomy.obs``)."""
    return metrics.get_meter_provider().get_meter(ScopeName.OBS, distro_version())


def get_logger(scope: str) -> _logs.Logger:
    """Return the OpenTelemetry logger of `scope` from the provider that is global now."""
    return _logs.get_logger_provider().get_logger(scope, distro_version())
