"""The resource: who this process is. Stable for its whole life; what belongs to one run goes on spans and logs."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource, ResourceDetector
from opentelemetry.sdk.version import __version__ as sdk_version

from codeanatomy_distro import settings
from codeanatomy_distro.obs.attributes import normalize_attributes
from codeanatomy_distro.obs.scopes import distro_version
from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config
from codeanatomy_distro.otel.resource_detectors import build_detected_resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.setting import Problem

__all__ = [
    "CodeAnatomyResourceDetector",
    "build_resource",
    "create_resource",
    "merge_resource_overrides",
    "new_instance_id",
]


def new_instance_id() -> str:
    """Return a random token that tells this process from every other (specification, *Resource Identity*)."""
    return os.urandom(16).hex()  # what the module `secrets` returns, which takes 1.5 ms to import


def build_resource(config: OtelConfig, *, service_name: str | None = None) -> Resource:
    """Return the base resource: the service's identity, from settings and fallbacks, and the SDK's.

    The service's name is ``OTEL_SERVICE_NAME``, else ``service.name`` of ``OTEL_RESOURCE_ATTRIBUTES``, else
    `service_name`, which is what the program asks for: who operates it has the last word. Other attributes of
    ``OTEL_RESOURCE_ATTRIBUTES`` stand, but for those that a variable of their own sets.
    """
    given = dict(config[settings.RESOURCE_ATTRIBUTES])
    name = config[settings.SERVICE_NAME] or given.get("service.name") or service_name or settings.DISTRO_NAME
    identity = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": sdk_version,
        "telemetry.distro.name": "codeanatomy-distro",
        "telemetry.distro.version": distro_version(),
        **given,
        "service.name": name,
        "service.version": config[settings.SERVICE_VERSION] or given.get("service.version") or _version_of(name),
        "service.namespace": config[settings.SERVICE_NAMESPACE] or given.get("service.namespace"),
        "service.instance.id": config[settings.SERVICE_INSTANCE_ID]
        or given.get("service.instance.id")
        or new_instance_id(),
        "deployment.environment.name": config[settings.ENVIRONMENT] or given.get("deployment.environment.name"),
    }
    return Resource(normalize_attributes(identity))


def merge_resource_overrides(resource: Resource, overrides: Mapping[str, object] | None) -> Resource:
    """Return `resource` with `overrides` on top: what the program sets wins over everything."""
    return resource.merge(Resource(normalize_attributes(overrides))) if overrides else resource


def create_resource(
    config: OtelConfig,
    problems: list[Problem],
    *,
    service_name: str | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Resource:
    """Return the resource of this process: detected attributes, the service's identity over them, overrides last.

    What of a declarative file can't be used is told in `problems`.
    """
    detected = build_detected_resource(config[settings.RESOURCE_DETECTORS])
    identity = build_resource(config, service_name=service_name)
    if config.file is None:
        resource = detected.merge(identity)
    else:
        from codeanatomy_distro.otel import declared  # start-up cost: a package of an extra

        resource = declared.declared_resource(config, detected, identity, problems)
    return merge_resource_overrides(resource, overrides)


class CodeAnatomyResourceDetector(ResourceDetector):
    """Detects our own identity (``service.*``, ``telemetry.distro.*``), for a declarative configuration file."""

    def detect(self) -> Resource:
        """Return the resource that `configure_otel` begins with."""
        return build_resource(resolve_otel_config())


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):  # ValueError: a service name that no package could have
        # The service is the user's program; where it is no package, the distro's version is the best that is known.
        return distro_version() if package == settings.DISTRO_NAME else None
