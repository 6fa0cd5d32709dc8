"""What a declarative file asks for, as the parts of our own providers.

The file decides what it says; what a present section leaves out is as it would be without a file, and a signal without
a section is off, as the OpenTelemetry specification has it. Exports go through our own processors, so that redaction,
the run id, fork and exit work just the same.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import to_text
from codeanatomy_distro.otel import declared_parts
from codeanatomy_distro.otel.declarative import members
from codeanatomy_distro.otel.declared_exports import declared_model
from codeanatomy_distro.otel.id_generators import create_id_generator
from codeanatomy_distro.otel.limits import create_span_limits, log_limits
from codeanatomy_distro.otel.sampling import configured_sampler, wrap_sampler
from codeanatomy_distro.setting import Origin
from codeanatomy_distro.setting_kinds import names

if TYPE_CHECKING:
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.sdk.metrics.view import View
    from opentelemetry.sdk.trace.id_generator import IdGenerator
    from opentelemetry.sdk.trace.sampling import Sampler

    from codeanatomy_distro.otel.config import OtelConfig
    from codeanatomy_distro.setting import Problem

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

__all__ = [
    "declared_logger_provider",
    "declared_meter_options",
    "declared_propagator",
    "declared_propagator_names",
    "declared_resource",
    "declared_tracer_provider",
    "declared_views",
]


def declared_tracer_provider(config: OtelConfig, resource: Resource, problems: list[Problem]) -> TracerProvider:
    """Return a provider with the file's sampler, limits and ids, and no processors; the sampler stamps the rule."""
    section = declared_model(config).tracer_provider
    return TracerProvider(
        sampler=_sampler(config, section, problems),
        resource=resource,
        shutdown_on_exit=False,  # the lifecycle shuts all three down under one deadline
        id_generator=_id_generator(config, section, problems),
        span_limits=create_span_limits(config),
        _tracer_configurator=_configurator("traces", getattr(section, "tracer_configurator_development", None)),
    )


def _sampler(config: OtelConfig, section: Any, problems: list[Problem]) -> Sampler:  # noqa: ANN401 - a part of the model
    given = getattr(section, "sampler", None)
    if given is None:
        return configured_sampler(config, problems)
    root = getattr(given.parent_based, "root", None)
    for one in (given, root):
        if one is not None and settings.DISTRO_NAME in one.additional_properties:
            if one is root and len(members(given.parent_based)) > 1:
                reason = f"the sampler {settings.DISTRO_NAME} follows each parent by itself"
                problems.append(config.in_part(reason, "the root of parent_based alone"))
            return configured_sampler(config, problems)  # the settings have what the file says of it
    try:
        return wrap_sampler(declared_parts.create_sampler(given), config[settings.SAMPLING_RULE])
    except Exception as error:  # noqa: BLE001 - a sampler that is not installed, or fails
        default = settings.TRACES_SAMPLER.default
        problems.append(config.in_part(f"its sampler can't be had: {to_text(error)}", f"{default} for it"))
        stated = config.with_values({settings.TRACES_SAMPLER: default}, Origin.DEFAULT)
        return configured_sampler(stated, problems)


def _id_generator(config: OtelConfig, section: Any, problems: list[Problem]) -> IdGenerator:  # noqa: ANN401 - as above
    given = getattr(section, "id_generator", None)
    try:
        # With options, which no variable can say; or by a name that is none, for the error that tells of it.
        unnamed = config.resolved(settings.ID_GENERATOR).origin != Origin.FILE
        if given is not None and (unnamed or any(given.additional_properties.values())):
            return declared_parts.create_id_generator(given)
    except Exception as error:  # noqa: BLE001 - as for samplers
        problems.append(config.in_part(f"its id generator can't be had: {to_text(error)}", "random ids"))
        config = config.with_values({settings.ID_GENERATOR: settings.ID_GENERATOR.default}, Origin.DEFAULT)
    return create_id_generator(config, problems)


def _configurator(signal: str, given: Any) -> Any:  # noqa: ANN401 - as above
    return None if given is None else declared_parts.CONFIGURATORS[signal](given)


def declared_logger_provider(config: OtelConfig, resource: Resource) -> LoggerProvider:
    """Return a provider with the file's limits and no processors."""
    section = declared_model(config).logger_provider
    return LoggerProvider(
        resource=resource,
        shutdown_on_exit=False,
        _logger_configurator=_configurator("logs", getattr(section, "logger_configurator_development", None)),
        **log_limits(config),
    )


def declared_meter_options(config: OtelConfig) -> dict[str, Any]:
    """Return what the file says of the meter provider beside readers and views, as the provider takes it."""
    section = declared_model(config).meter_provider
    return {"_meter_configurator": _configurator("metrics", getattr(section, "meter_configurator_development", None))}


def declared_views(config: OtelConfig, ours: list[View]) -> list[View]:
    """Return the views of the file, and of `ours` those for whose instrument the file has none."""
    section = declared_model(config).meter_provider
    views = [declared_parts.create_view(view) for view in (section.views if section is not None else None) or []]
    named = {view._instrument_name for view in views}
    return [*views, *(view for view in ours if view._instrument_name not in named)]


def declared_resource(config: OtelConfig, detected: Resource, identity: Resource, problems: list[Problem]) -> Resource:
    """Return what the detectors found as far as the file wants it, `identity` over it, the file's own on top.

    Which detectors ran is the file's too, where it names some (`settings.RESOURCE_DETECTORS`).
    """
    section = declared_model(config).resource
    if section is None:
        return detected.merge(identity)
    if section.detection_development is not None:
        wanted = section.detection_development.attributes
        detected = Resource(cast("Any", declared_parts.filter_attributes(dict(detected.attributes), wanted)))
    unstated = declared_parts.create_resource(None).attributes
    try:
        declared = declared_parts.create_resource(dataclasses.replace(section, detection_development=None))
    except (TypeError, ValueError) as error:  # a value that is not of the type that the file says
        problems.append(config.in_part(f"its resource attributes can't be read: {to_text(error)}", "none of them"))
        return detected.merge(identity)
    stated = {key: value for key, value in declared.attributes.items() if unstated.get(key) != value}
    return detected.merge(identity).merge(Resource(stated, section.schema_url))


def declared_propagator(config: OtelConfig) -> TextMapPropagator:
    """Return the propagator of the file; one that does nothing where it has none. Raises where one can't be had."""
    return declared_parts.create_propagator(declared_model(config).propagator)


def declared_propagator_names(config: OtelConfig) -> tuple[str, ...]:
    """Return the names of the propagators of the file."""
    section = declared_model(config).propagator
    if section is None:
        return ()
    each = [name for one in (section.composite or ()) for name in members(one)]
    return tuple(dict.fromkeys([*each, *names.parse(section.composite_list or "")]))
