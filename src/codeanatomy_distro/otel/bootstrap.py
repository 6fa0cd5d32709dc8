"""`configure_otel`: from the environment to working telemetry, in one call that may be made twice."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from opentelemetry import _logs, metrics, propagate, trace
from opentelemetry.propagators.composite import CompositePropagator

from codeanatomy_distro import settings
from codeanatomy_distro.obs.run_context import get_process_run_id, set_process_run_id
from codeanatomy_distro.otel.config import OtelConfig, report_problems, resolve_otel_config
from codeanatomy_distro.setting import Origin, Problem

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from codeanatomy_distro.otel.lifecycle import Lifecycle, Part
    from codeanatomy_distro.otel.providers import InMemoryExporters

__all__ = ["OtelBootstrapOptions", "OtelProviders", "configure_otel", "is_configured"]

T = TypeVar("T")
_logger = logging.getLogger("codeanatomy_distro")


@dataclass(frozen=True)
class OtelBootstrapOptions:
    """What a program may ask for that no variable can say; each wins over the environment.

    `resource_overrides` go on top of the resource, `views` after the catalogue's, `span_processors` after the run-id
    processor and before the exporting ones. `settings` are values by variable name. `test_mode` keeps all in memory.
    `load_instrumentors` is False where `opentelemetry-instrument` loads them itself.
    """

    resource_overrides: Mapping[str, object] = field(default_factory=dict[str, object])
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    views: Sequence[View] = ()
    span_processors: Sequence[SpanProcessor] = ()
    test_mode: bool | None = None
    load_instrumentors: bool = True
    environ: Mapping[str, str] | None = None


@dataclass(frozen=True)
class OtelProviders:
    """The providers that `configure_otel` made and set; None for a signal that is off or could not be set up."""

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    logger_provider: LoggerProvider | None
    config: OtelConfig
    resource: Resource | None = None
    memory: InMemoryExporters | None = None
    lifecycle: Lifecycle | None = None

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Export what is recorded so far, all signals at once; return whether that was done in time."""
        return self.lifecycle is None or self.lifecycle.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Export what is left under the deadline of the settings, and stop."""
        if self.lifecycle is not None:
            self.lifecycle.shutdown()


class _Configured:
    """The one configuration of this process: OpenTelemetry's globals can be set once, so ours is kept beside them."""

    lock: Final = threading.Lock()
    providers: OtelProviders | None = None


def configure_otel(*, service_name: str | None = None, options: OtelBootstrapOptions | None = None) -> OtelProviders:
    """Set up traces, metrics and logs for this process and return the providers.

    `service_name` is the service's name unless ``OTEL_SERVICE_NAME`` gives one. A second call changes nothing and returns
    the same providers. With ``OTEL_SDK_DISABLED=true`` nothing is loaded and all three are None. What can't be set up is
    told in one warning and does not take the rest down; nothing is raised for what a user set.
    """
    with _Configured.lock:
        if _Configured.providers is None:
            _Configured.providers = _configure(service_name, options or OtelBootstrapOptions())
        return _Configured.providers


def is_configured() -> bool:
    """Return whether `configure_otel` has set up this process."""
    return _Configured.providers is not None


def _configure(service_name: str | None, options: OtelBootstrapOptions) -> OtelProviders:
    config = resolve_otel_config(options.environ, options=options.settings)
    report_problems(config)
    if config[settings.SDK_DISABLED]:
        return OtelProviders(None, None, None, config)
    # Only now: the SDK is 100 ms that a process without telemetry must not pay.
    from codeanatomy_distro.otel import instrumentors, lifecycle, providers, resources

    if get_process_run_id() is None:
        set_process_run_id(config[settings.RUN_ID])
    test_mode = config[settings.TEST_MODE] if options.test_mode is None else options.test_mode
    if test_mode and config.resolved(settings.TRACES_SAMPLER).origin == Origin.DEFAULT:
        # A test that asserts on its telemetry needs all of it; one trace in ten would make it fail nine times in ten.
        everything = {**options.settings, settings.TRACES_SAMPLER.name: "always_on"}
        config = resolve_otel_config(options.environ, options=everything)
    memory = providers.InMemoryExporters() if test_mode else None
    problems: list[Problem] = []
    name = None if config[settings.SERVICE_NAME] else service_name
    resource = resources.create_resource(config, service_name=name, overrides=options.resource_overrides)

    parts: list[Part] = []
    tracers = _attempt(
        "traces",
        lambda: providers.create_tracer_provider(config, resource, problems, parts, memory, options.span_processors),
    )
    meters = _attempt(
        "metrics", lambda: providers.create_meter_provider(config, resource, problems, parts, memory, options.views)
    )
    loggers = _attempt("logs", lambda: providers.create_logger_provider(config, resource, problems, parts, memory))
    report_problems(OtelConfig(config.values, tuple(problems)))
    _set_globals(config, tracers, meters, loggers)
    watch = lifecycle.Lifecycle(
        parts,
        deadline=config[settings.SHUTDOWN_TIMEOUT] / 1000,
        destination=config[settings.OTLP_ENDPOINT] or "the default OTLP endpoint",
    )
    watch.install()
    if options.load_instrumentors:
        instrumentors.load_instrumentors()
    return OtelProviders(tracers, meters, loggers, config, resource, memory, watch)


def _attempt(signal: str, create: Callable[[], T]) -> T | None:
    """Return what `create` makes, or None with a warning: one signal must not take the others down."""
    try:
        return create()
    except Exception as error:  # noqa: BLE001 - see above
        _logger.warning("%s are off, for they could not be set up: %s: %s", signal, type(error).__name__, error)
        return None


def _set_globals(
    config: OtelConfig,
    tracers: TracerProvider | None,
    meters: MeterProvider | None,
    loggers: LoggerProvider | None,
) -> None:
    if tracers is not None:
        trace.set_tracer_provider(tracers)
    if meters is not None:
        metrics.set_meter_provider(meters)
    if loggers is not None:
        _logs.set_logger_provider(loggers)
    _set_propagators(config)
    level = config[settings.LOG_LEVEL]
    if level:
        logging.getLogger("opentelemetry").setLevel(level)
        logging.getLogger("codeanatomy_distro").setLevel(level)
    from codeanatomy_distro.otel import correlation  # start-up cost: it imports instrumentation-logging

    correlation.configure_logging(config, loggers)


def _set_propagators(config: OtelConfig) -> None:
    """Set the propagators again: the API reads the variable when it is imported, before any distro could set it."""
    from importlib.metadata import entry_points

    chosen: list[Any] = []
    for name in config[settings.PROPAGATORS]:
        if name.lower() == "none":
            break
        entry = next(iter(entry_points(group="opentelemetry_propagator", name=name)), None)
        if entry is None:
            reason, used = "no propagator of that name is installed", "the others"
            report_problems(OtelConfig({}, (Problem(settings.PROPAGATORS.name, name, reason, used),)))
        else:
            chosen.append(entry.load()())
    propagate.set_global_textmap(CompositePropagator(chosen))
