"""`configure_otel`: from the environment to working telemetry, in one call that may be made twice."""

from __future__ import annotations

import logging
import os
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from opentelemetry import _logs, metrics, propagate, trace

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import normalize_attributes, to_text
from codeanatomy_distro.obs.metrics import configure_run_id
from codeanatomy_distro.obs.worker_context import Carrier
from codeanatomy_distro.otel.config import OtelConfig, report_problems, resolve_otel_config
from codeanatomy_distro.otel.propagators import create_propagator
from codeanatomy_distro.otel.sdk_environment import sdk_environment
from codeanatomy_distro.setting import Origin, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    from codeanatomy_distro.otel.lifecycle import Lifecycle, Part
    from codeanatomy_distro.otel.memory import InMemoryExporters

__all__ = ["OtelBootstrapOptions", "OtelProviders", "configure_otel", "is_configured", "resume_worker"]

T = TypeVar("T")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_logger = logging.getLogger("codeanatomy_distro")


class OtelBootstrapOptions(NamedTuple):
    """What a program may ask for that no variable can say; each wins over the environment.

    `resource_overrides` go on top of the resource, `views` after the catalogue's, `span_processors` after the run-id
    processor and before the exporting ones. `settings` are values by variable name. `test_mode` keeps all in memory.
    `load_instrumentors` is False where `opentelemetry-instrument` loads them itself.
    """

    resource_overrides: Mapping[str, object] = _NOTHING
    settings: Mapping[str, str] = _NOTHING
    views: Sequence[View] = ()
    span_processors: Sequence[SpanProcessor] = ()
    test_mode: bool | None = None
    load_instrumentors: bool = True
    environ: Mapping[str, str] | None = None


class OtelProviders(NamedTuple):
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

    lock = threading.RLock()
    providers: OtelProviders | None = None
    under_way = False

    @classmethod
    def renew_lock(cls) -> None:
        """Forget, in a forked child, that another thread of the parent was configuring: it is not there any more."""
        cls.lock = threading.RLock()
        cls.under_way = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Configured.renew_lock)


def configure_otel(*, service_name: str | None = None, options: OtelBootstrapOptions | None = None) -> OtelProviders:
    """Set up traces, metrics and logs for this process and return the providers.

    `service_name` is the service's name unless ``OTEL_SERVICE_NAME`` or ``OTEL_RESOURCE_ATTRIBUTES`` gives one. A
    second call, from any thread, changes nothing and returns the same providers. With ``OTEL_SDK_DISABLED=true``
    nothing is loaded and all three are None. What can't be set up is told in one warning and does not take the rest
    down; nothing is raised for what a user set.
    """
    options = options or OtelBootstrapOptions()
    with _Configured.lock:
        if _Configured.under_way:  # called by what is being set up, such as a plug-in; the call around this one goes on
            return OtelProviders(None, None, None, resolve_otel_config(options.environ, options=options.settings))
        if _Configured.providers is None:
            _Configured.under_way = True
            try:
                _Configured.providers = _configure(service_name, options)
            finally:
                _Configured.under_way = False
            if options.load_instrumentors and _Configured.providers.lifecycle is not None:
                from codeanatomy_distro.otel import instrumentors  # start-up cost: not where the command loads them

                instrumentors.load_instrumentors(_Configured.providers.config)
        return _Configured.providers


def is_configured() -> bool:
    """Return whether `configure_otel` has set up this process."""
    return _Configured.providers is not None


def _configure(service_name: str | None, options: OtelBootstrapOptions) -> OtelProviders:
    settings.use_options(options.settings)
    config = resolve_otel_config(options.environ, options=options.settings)
    report_problems(config)
    if config[settings.SDK_DISABLED]:
        return OtelProviders(None, None, None, config)
    try:
        with sdk_environment(config):
            return _configure_sdk(config, service_name, options)
    except Exception as error:  # noqa: BLE001 - an SDK that can't be imported, say: the program must run all the same
        _logger.warning("telemetry is off, for it could not be set up: %s: %s", type(error).__name__, to_text(error))
        return OtelProviders(None, None, None, config)


def _configure_sdk(config: OtelConfig, service_name: str | None, options: OtelBootstrapOptions) -> OtelProviders:
    # Only now, for start-up cost: the SDK is 100 ms that a process without telemetry must not pay.
    from codeanatomy_distro.otel import correlation, lifecycle, limits, process, providers, resources, workers
    from codeanatomy_distro.otel.identity import Identity, given_instance_id

    test_mode = config[settings.TEST_MODE] if options.test_mode is None else options.test_mode
    if test_mode and config.resolved(settings.TRACES_SAMPLER).origin == Origin.DEFAULT:
        # A test that asserts on its telemetry needs all of it; one trace in ten would make it fail nine times in ten.
        everything = {**options.settings, settings.TRACES_SAMPLER.name: "always_on"}
        config = resolve_otel_config(options.environ, options=everything)
    memory = _memory_exporters() if test_mode else None
    problems: list[Problem] = []
    resource = resources.create_resource(
        config, problems, service_name=service_name, overrides=options.resource_overrides
    )
    identity = Identity(resource, given_instance_id(config, options.resource_overrides))

    parts: list[Part] = []
    made_of = providers.Ingredients(config, resource, problems, parts, memory, identity)
    tracers = _attempt("tracing", lambda: providers.create_tracer_provider(made_of, options.span_processors))
    meters = _attempt("metrics", lambda: providers.create_meter_provider(made_of, options.views))
    loggers = _attempt("logs", lambda: providers.create_logger_provider(made_of))
    propagator = _attempt("propagation", lambda: create_propagator(config, problems))
    report_problems(OtelConfig(config.values, tuple(problems)))
    limits.tell_limits_once()
    _set_globals(config, propagator, tracers, meters, loggers)
    _attempt("log correlation", lambda: correlation.configure_logging(config, resource, loggers))
    watch = lifecycle.Lifecycle(parts, deadline=config[settings.SHUTDOWN_TIMEOUT] / 1000, identity=identity)
    watch.install()
    workers.watch(watch, resume_worker, _worker_options(service_name, options))
    process.enter_run(config, watch)
    return OtelProviders(tracers, meters, loggers, config, resource, memory, watch)


def _memory_exporters() -> InMemoryExporters:
    from codeanatomy_distro.otel.memory import InMemoryExporters  # start-up cost: for tests alone

    return InMemoryExporters()


def _worker_options(service_name: str | None, options: OtelBootstrapOptions) -> dict[str, Any]:
    """Return what a worker in a new interpreter is set up with; views and processors are code, and stay behind."""
    return {
        "service_name": service_name,
        "settings": dict(options.settings),
        "resource_overrides": normalize_attributes(options.resource_overrides),
        "test_mode": options.test_mode,
    }


def resume_worker(place: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Set up a worker process that another of the run started: unpickling its process object calls this; never raises.

    Under `opentelemetry-instrument` the worker is set up already; it then only takes its place, a `Carrier` as a tuple.
    """
    try:
        providers = configure_otel(
            service_name=options["service_name"],
            options=OtelBootstrapOptions(
                settings=options["settings"],
                resource_overrides=options["resource_overrides"],
                test_mode=options["test_mode"],
            ),
        )
        if providers.lifecycle is None:
            return
        from codeanatomy_distro.otel import process  # start-up cost, as above

        providers.lifecycle.become_worker()
        if place:
            process.enter_worker(Carrier(*place))
    except Exception as error:  # noqa: BLE001 - the user's worker must start whatever happens here
        _logger.warning("a worker process goes without telemetry: %s: %s", type(error).__name__, to_text(error))


def _attempt(part: str, create: Callable[[], T]) -> T | None:
    """Return what `create` makes, or None with a warning: one part must not take the others down."""
    try:
        return create()
    except Exception as error:  # noqa: BLE001 - see above
        _logger.warning("no %s, for it could not be set up: %s: %s", part, type(error).__name__, to_text(error))
        return None


def _set_globals(
    config: OtelConfig,
    propagator: TextMapPropagator | None,
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
    configure_run_id(config[settings.METRIC_RUN_ID])
    if propagator is not None:
        # The API has read the variable when it was imported, before any distro could set it.
        propagate.set_global_textmap(propagator)
    level = config[settings.LOG_LEVEL]
    if level:
        logging.getLogger("opentelemetry").setLevel(level)
        logging.getLogger("codeanatomy_distro").setLevel(level)
