"""Resource detectors: what ours find, and that nobody's stops or delays the program."""

from __future__ import annotations

import logging
import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource

from codeanatomy_distro.otel import resource_detectors
from codeanatomy_distro.otel.resource_detectors import (
    ContainerResourceDetector,
    KubernetesResourceDetector,
    build_detected_resource,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ID = "0123456789abcdef" * 4
LINES = {
    "docker": ("cgroup", f"12:pids:/docker/{ID}"),
    "docker with systemd": ("cgroup", f"1:name=systemd:/system.slice/docker-{ID}.scope"),
    "kubernetes": ("cgroup", f"11:cpu:/kubepods/burstable/pod1234/{ID}"),
    "containerd": ("cgroup", f"0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"),
    "crio": ("cgroup", f"0::/kubepods.slice/crio-{ID}.scope"),
    "podman": ("cgroup", f"0::/machine.slice/libpod-{ID}.scope/container"),
    "docker, cgroup 2": ("mountinfo", f"1 2 0:1 /docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/a rw"),
    "podman, cgroup 2": (
        "mountinfo",
        f"1 2 0:1 /run/containers/storage/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs t rw",
    ),
}


@pytest.mark.parametrize(("name", "line"), LINES.values(), ids=LINES)
def test_container_id(tmp_path: Path, name: str, line: str) -> None:
    """The id is found in what each runtime leaves in the control groups or mounts of the process."""
    (tmp_path / name).write_text(f"other\n{line}\n", encoding="utf-8")
    assert ContainerResourceDetector(root=tmp_path).detect().attributes == {"container.id": ID}


@pytest.mark.parametrize("text", ["", "0::/\n", "0::/user.slice/session-1.scope\n", f"0::/{ID}0\n", "\0\xff"])
def test_no_container(tmp_path: Path, text: str) -> None:
    """Outside a container, and where the files are not there, nothing is detected."""
    assert not ContainerResourceDetector(root=tmp_path / "absent").detect().attributes
    (tmp_path / "cgroup").write_bytes(text.encode("latin-1"))
    assert not ContainerResourceDetector(root=tmp_path).detect().attributes


@given(st.binary())
def test_any_file_can_be_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the kernel's files hold, nothing is raised."""
    folder = tmp_path_factory.mktemp("proc")
    (folder / "cgroup").write_bytes(content)
    ContainerResourceDetector(root=folder).detect()


def test_kubernetes(tmp_path: Path) -> None:
    """A pod is told by its variables, the namespace by its service account where no variable has it."""
    (tmp_path / "namespace").write_text("shop\n", encoding="utf-8")
    environ = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "HOSTNAME": "pod-from-host",
        "POD_UID": "u1",
        "NODE_NAME": "node-1",
        "K8S_CLUSTER_NAME": "",
    }
    assert KubernetesResourceDetector(environ=environ, account=tmp_path).detect().attributes == {
        "k8s.pod.name": "pod-from-host",
        "k8s.pod.uid": "u1",
        "k8s.node.name": "node-1",
        "k8s.namespace.name": "shop",
    }
    named = {**environ, "K8S_POD_NAME": "named", "POD_NAMESPACE": "by-variable"}
    found = KubernetesResourceDetector(environ=named, account=tmp_path).detect().attributes
    assert (found["k8s.pod.name"], found["k8s.namespace.name"]) == ("named", "by-variable")


@pytest.mark.parametrize("namespace", [None, b"", b"\xff"])
def test_kubernetes_without_a_namespace(tmp_path: Path, namespace: bytes | None) -> None:
    """A service account that is not there, empty or unreadable stops nothing."""
    if namespace is not None:
        (tmp_path / "namespace").write_bytes(namespace)
    environ = {"KUBERNETES_SERVICE_HOST": "h", "HOSTNAME": "p"}
    found = KubernetesResourceDetector(environ=environ, account=tmp_path).detect().attributes
    assert found["k8s.pod.name"] == "p"
    assert found.get("k8s.namespace.name") != ""


def test_no_kubernetes() -> None:
    """Outside a pod nothing is detected, whatever else the environment says."""
    assert not KubernetesResourceDetector(environ={"HOSTNAME": "h", "POD_NAME": "p"}).detect().attributes


class Entry:
    """An entry point that gives a detector of the test's own."""

    def __init__(self, name: str, detect: Callable[[], Any]) -> None:
        self.name = name
        self.value = f"a.package:{name}"
        self._detect = detect

    def load(self) -> Any:
        """Return what makes the detector."""
        return lambda: SimpleNamespace(detect=self._detect)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have detectors of the test's own installed."""

    def use(**detectors: Callable[[], Any]) -> None:
        entries = [Entry(name, detect) for name, detect in detectors.items()]

        def installed(group: str) -> list[Entry]:
            return entries

        monkeypatch.setattr(resource_detectors, "entry_points", installed)

    return use


def fail() -> Resource:
    message = "no such host"
    raise OSError(message)


def leave() -> Resource:
    raise SystemExit(3)


def test_faults_are_left_out_and_told(install: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """One that fails, leaves, gives something else or does not exist is told once, and the others count."""
    install(good=lambda: Resource({"a": 1}), fails=fail, leaves=leave, odd=lambda: {"b": 2})
    with caplog.at_level(logging.WARNING):
        found = build_detected_resource(["good", "fails", "leaves", "odd", "missing", "otel"])
    assert dict(found.attributes) == {"a": 1}
    told = sorted(record.getMessage() for record in caplog.records)
    assert told == [
        "resource detector 'fails' failed: OSError: no such host",
        "resource detector 'leaves' failed: SystemExit: 3",
        "resource detector 'missing' is not installed and is left out",
    ]


def test_a_slow_one_delays_by_the_bound_only(install: Callable[..., None], caplog: pytest.LogCaptureFixture) -> None:
    """A detector that hangs costs the bound and its own result, not those of the detectors after it."""
    hang = threading.Event()

    def slow() -> Resource:
        hang.wait(10)
        return Resource({"late": 1})

    install(slow=slow, quick=lambda: Resource({"a": 1}))
    started = time.monotonic()
    found = build_detected_resource(["slow", "quick"], longest=0.2)
    assert time.monotonic() - started < 2
    assert dict(found.attributes) == {"a": 1}
    assert [record.getMessage() for record in caplog.records] == [
        "resource detectors slow took longer than 0.2 s and are left out"
    ]
    hang.set()


def test_the_last_named_wins(install: Callable[..., None]) -> None:
    """Where two detectors find the same attribute the last one named has its way, whichever was done first."""

    def first() -> Resource:
        time.sleep(0.05)
        return Resource({"a": "first", "b": 1})

    install(first=first, second=lambda: Resource({"a": "second"}))
    assert dict(build_detected_resource(["first", "second"]).attributes) == {"a": "second", "b": 1}
    assert dict(build_detected_resource(["second", "first"]).attributes) == {"a": "first", "b": 1}


def test_a_star_is_all(install: Callable[..., None]) -> None:
    """A star runs every installed detector but our own identity, which is built in any case."""
    install(one=lambda: Resource({"a": 1}), two=lambda: Resource({"b": 2}), codeanatomy=fail, otel=fail)
    assert dict(build_detected_resource(["*"]).attributes) == {"a": 1, "b": 2}


def test_none_starts_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without detectors no thread is started."""
    monkeypatch.setattr(threading, "Thread", fail)
    assert not build_detected_resource(["otel"]).attributes


def test_the_installed_ones_work() -> None:
    """The default detectors of the specification are all installed and find this process and its system."""
    found = build_detected_resource(["process", "os", "host", "container", "k8s"]).attributes
    assert {"process.pid", "os.type", "host.name"} <= set(found)
