"""Resource detectors: those named by the settings, run once, each with a bound; and two that nobody else ships.

Upstream runs the detectors twice a start and waits for a slow one although it drops its result; it has none for
containers by that name and none for Kubernetes at all.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource, ResourceDetector

from codeanatomy_distro import settings
from codeanatomy_distro.environment import environment
from codeanatomy_distro.obs.attributes import normalize_attributes, to_text
from codeanatomy_distro.obs.own_threads import create_thread
from codeanatomy_distro.plugins import entry_points

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.metadata import EntryPoint

__all__ = [
    "ContainerResourceDetector",
    "KubernetesResourceDetector",
    "build_detected_resource",
]

_logger = logging.getLogger("codeanatomy_distro.resource")
_GROUP: Final = "opentelemetry_resource_detector"
_LONGEST: Final = 2.0  # seconds for all detectors together: they read files and, some of them, the network
_OF_THE_ENVIRONMENT: Final = frozenset({"otel", "service_instance"})  # what build_resource does itself
# These read a few of the kernel's files about this process, which keeps nobody waiting, and need no thread.
_QUICK: Final = ("codeanatomy_distro.", "opentelemetry.sdk.resources:")
_ID_LENGTH: Final = 64
# Where a container's id is found: the kernel's file, what stands in the line, and the pattern. That is compiled where a
# line may match, for start-up cost: outside of a container none does.
_PLACES_OF_ID: Final = (
    ("cgroup", "", r"(?:^|[/:-])([0-9a-f]{64})(?:\.scope(?:/container)?)?$"),
    ("mountinfo", "containers/", r"containers/([0-9a-f]{64})/"),
)


class ContainerResourceDetector(ResourceDetector):
    """Detects ``container.id`` from what the kernel tells of this process's control groups and mounts."""

    def __init__(self, raise_on_error: bool = False, root: Path = Path("/proc/self")) -> None:  # noqa: FBT001, FBT002 - the base class's own
        super().__init__(raise_on_error)
        self._root = root

    def detect(self) -> Resource:
        """Return the resource; empty outside a container."""
        for name, word, pattern in _PLACES_OF_ID:
            try:
                lines = (self._root / name).read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:  # no such file outside Linux
                continue
            for line in lines:
                if len(line) >= _ID_LENGTH and word in line and (found := re.search(pattern, line.strip())):
                    return Resource({"container.id": found.group(1)})
        return Resource.get_empty()


class KubernetesResourceDetector(ResourceDetector):
    """Detects ``k8s.*`` from the variables that a pod is given by the downward API, and from its service account."""

    _VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
        "k8s.pod.name": ("K8S_POD_NAME", "POD_NAME", "HOSTNAME"),
        "k8s.pod.uid": ("K8S_POD_UID", "POD_UID"),
        "k8s.namespace.name": ("K8S_NAMESPACE", "POD_NAMESPACE"),
        "k8s.node.name": ("K8S_NODE_NAME", "NODE_NAME"),
        "k8s.container.name": ("K8S_CONTAINER_NAME", "CONTAINER_NAME"),
        "k8s.deployment.name": ("K8S_DEPLOYMENT_NAME",),
        "k8s.cluster.name": ("K8S_CLUSTER_NAME",),
    }

    def __init__(
        self,
        raise_on_error: bool = False,  # noqa: FBT001, FBT002 - the base class's own
        environ: Mapping[str, str] | None = None,
        account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount"),
    ) -> None:
        super().__init__(raise_on_error)
        self._environ = environment() if environ is None else environ
        self._account = account

    def detect(self) -> Resource:
        """Return the resource; empty outside a pod."""
        if not self._environ.get("KUBERNETES_SERVICE_HOST"):
            return Resource.get_empty()
        found = {
            key: value
            for key, names in self._VARIABLES.items()
            if (value := next((self._environ[name] for name in names if self._environ.get(name)), None))
        }
        if "k8s.namespace.name" not in found:
            try:
                text = (self._account / "namespace").read_text(encoding="utf-8", errors="replace").strip()
            except OSError:  # a pod without a service account
                text = ""
            if text:
                found["k8s.namespace.name"] = text
        return Resource(normalize_attributes(found))


def build_detected_resource(names: Iterable[str], *, longest: float = _LONGEST) -> Resource:
    """Run the detectors `names` (entry points) and return what they found together, the last named winning.

    A detector that does not exist, fails or is not done within `longest` seconds for all is left out and logged.
    """
    wanted = [name for name in names if name not in _OF_THE_ENVIRONMENT]
    known = {found.name: found for found in entry_points(group=_GROUP)}
    every = "*" in wanted
    chosen = [known[name] for name in (known if every else wanted) if name in known and name != settings.DISTRO_NAME]
    for name in wanted:
        if name not in known and name != "*":
            _logger.warning("resource detector %r is not installed and is left out", name)
    results: dict[str, Resource] = {}
    # One thread for each that may wait: a slow one must not keep those after it from being done in time.
    threads = [
        create_thread(functools.partial(_detect, entry, results), f"codeanatomy-detector-{entry.name}")
        for entry in chosen
        if not entry.value.startswith(_QUICK)
    ]
    for thread in threads:
        thread.start()
    for entry in chosen:
        if entry.value.startswith(_QUICK):
            _detect(entry, results)
    end = time.monotonic() + longest
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    done = dict(results)  # from here on nothing changes any more, whatever a late one does
    if late := [entry.name for entry in chosen if entry.name not in done]:
        _logger.warning("resource detectors %s took longer than %g s and are left out", ", ".join(late), longest)
    merged = Resource.get_empty()
    for entry in chosen:
        if entry.name in done:
            merged = merged.merge(done[entry.name])
    return merged


def _detect(entry: EntryPoint, results: dict[str, Resource]) -> None:
    found: object = None
    try:
        found = entry.load()().detect()
    except BaseException as error:  # noqa: BLE001 - a detector is somebody else's code; the program must start
        _logger.warning("resource detector %r failed: %s: %s", entry.name, type(error).__name__, to_text(error))
    results[entry.name] = found if isinstance(found, Resource) else Resource.get_empty()
