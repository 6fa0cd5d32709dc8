"""Who this process is once it is a worker: the resource that a forked or started child sends in place of its
parent's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource

from codeanatomy_distro import settings
from codeanatomy_distro.otel.resources import new_instance_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.otel.config import OtelConfig

__all__ = ["Identity", "given_instance_id"]

_INSTANCE_ID: Final = "service.instance.id"


class Identity:
    """The resource of the process that was configured, and that of the worker it may have become.

    A worker keeps all but what tells processes apart: its pid, and ``service.instance.id``. An id that the user gave
    (`instance_id`) gets the worker's pid as a suffix, since two processes must not share one; any other is made anew.
    """

    def __init__(self, resource: Resource, instance_id: str | None = None) -> None:
        self._original = resource
        self._given = instance_id
        self.worker_resource: Resource | None = None
        self.renewals = 0

    @property
    def resource(self) -> Resource:
        """Return the resource of this process."""
        return self.worker_resource or self._original

    def renew(self) -> None:
        """Take on an identity of its own: this process is a worker."""
        pid = os.getpid()
        attributes: dict[str, str | int] = {
            _INSTANCE_ID: f"{self._given}-{pid}" if self._given else new_instance_id(),
        }
        if "process.pid" in self._original.attributes:
            attributes["process.pid"] = pid
        if "process.parent_pid" in self._original.attributes:
            attributes["process.parent_pid"] = os.getppid()
        self.worker_resource = self._original.merge(Resource(attributes))
        self.renewals += 1

    @property
    def shared(self) -> bool:
        """Return whether a new interpreter, set up from the same environment, would take the same instance id."""
        return self._given is not None


def given_instance_id(config: OtelConfig, overrides: Mapping[str, object]) -> str | None:
    """Return the instance id that the user chose, or None."""
    chosen = (
        overrides.get(_INSTANCE_ID)
        or config[settings.SERVICE_INSTANCE_ID]
        or dict(config[settings.RESOURCE_ATTRIBUTES]).get(_INSTANCE_ID)
    )
    return None if chosen is None else str(chosen)
