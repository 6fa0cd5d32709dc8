"""Every configuration and overlay is valid, starts, and names nothing that the Collector calls deprecated."""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from collector_process import StartCollector

    from codeanatomy_distro.testing.receiver import OtlpReceiver

TOOLS = Path(__file__).parents[2] / "tools" / "otel"
BASE = TOOLS / "collector.yaml"
CONFIGURATIONS = {
    "gateway": (BASE,),
    "docker": (BASE, TOOLS / "collector.docker.yaml"),
    "kubernetes": (BASE, TOOLS / "collector.k8s.yaml"),
    "first tier": (TOOLS / "collector.loadbalancer.yaml",),
}
RESOURCES = {"gateway's resource": "gateway.yaml", "first tier's resource": "first-tier.yaml"}
# A resource's configuration names the ports of a pod; here others are free.
LISTEN = """
extensions: {health_check: {endpoint: "${env:OTELCOL_HEALTH_ENDPOINT}"}}
receivers:
  otlp:
    protocols:
      grpc: {endpoint: "${env:OTELCOL_OTLP_GRPC_ENDPOINT}"}
      http: {endpoint: "${env:OTELCOL_OTLP_HTTP_ENDPOINT}"}
service:
  telemetry:
    metrics:
      readers:
        - pull:
            exporter:
              prometheus: {host: 127.0.0.1, port: "${env:OTELCOL_METRICS_PORT}", without_type_suffix: false}
"""


class EmptyCluster(BaseHTTPRequestHandler):
    """Answers as the API of Kubernetes does where there are no pods: empty lists, and nothing to watch."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer a list; let a watch end at once, after which the client begins another."""
        kind = {"pods": "PodList", "namespaces": "NamespaceList", "replicasets": "ReplicaSetList"}
        resource = self.path.partition("?")[0].rsplit("/", 1)[-1]
        answer: dict[str, object] = {
            "kind": kind.get(resource, "List"),
            "apiVersion": "v1",
            "metadata": {"resourceVersion": "1"},
            "items": [],
        }
        body = b"" if "watch=" in self.path else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Be quiet."""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """The configuration of a client of an empty cluster."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), EmptyCluster)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    path = tmp_path / "kubeconfig"
    cluster = {"name": "empty", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    context = {"name": "empty", "context": {"cluster": "empty", "user": ""}}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [cluster],
                "contexts": [context],
                "current-context": "empty",
            }
        ),
        encoding="utf-8",
    )
    yield path
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def configs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, ...]:
    """The files of a configuration; what the operator would give the Collector in the case of a resource."""
    if request.param in CONFIGURATIONS:
        return CONFIGURATIONS[request.param]
    text = (TOOLS / "kubernetes" / RESOURCES[request.param]).read_text(encoding="utf-8")
    config, listen = tmp_path / "config.yaml", tmp_path / "listen.yaml"
    config.write_text(yaml.safe_dump(yaml.safe_load(text)["spec"]["config"]), encoding="utf-8")
    listen.write_text(LISTEN, encoding="utf-8")
    return config, listen


@pytest.mark.parametrize("configs", [*CONFIGURATIONS, *RESOURCES], indirect=True)
def test_a_configuration_starts_healthy_without_a_deprecated_name(
    configs: tuple[Path, ...], start_collector: StartCollector, receiver: OtlpReceiver, kubeconfig: Path
) -> None:
    """Each configuration becomes healthy, passes all signals on, and logs no error and no deprecation to its stop."""
    behind = receiver.grpc_endpoint.removeprefix("http://")
    collector = start_collector(
        *configs,
        receiver=receiver,
        environ={
            "OTELCOL_K8S_AUTH_TYPE": "kubeConfig",
            "KUBECONFIG": str(kubeconfig),
            "OTELCOL_METRICS_HTTP_ENDPOINT": receiver.http_endpoint,
            "OTELCOL_SECOND_TIER_HOSTNAME": "127.0.0.1",
            "OTELCOL_SECOND_TIER_PORT": behind.rpartition(":")[2],
            "OTELCOL_SECOND_TIER_INSECURE": "true",
            "OTELCOL_TAIL_BASELINE_PERCENTAGE": "100",
        },
    )
    assert collector.healthy()
    assert collector.counts()["otelcol_process_uptime_seconds"] >= 0
    collector.send_one_of_each()
    logs_stay = TOOLS / "collector.docker.yaml" in configs  # compose.yaml has no back end for them
    receiver.wait_for(lambda got: got.spans and got.metric_points and (got.log_records or logs_stay), 15)
    collector.stop()
    assert collector.process.returncode == 0
    log = collector.log
    assert "deprecat" not in log.lower()
    assert "alias" not in log.lower()
    noisy = [line for line in log.splitlines() if "\terror\t" in line or "\twarn\t" in line]
    assert noisy == []


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_is_valid_with_its_defaults_alone(name: str, collector_binary: Path) -> None:
    """`validate` accepts each configuration with no variable set but the pod's address, which Kubernetes sets."""
    command = [str(collector_binary), "validate", *(f"--config={config}" for config in CONFIGURATIONS[name])]
    ended = subprocess.run(command, cwd=TOOLS, env={"POD_IP": "10.0.0.1"}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_without_the_patterns_the_collector_does_not_start(collector_binary: Path, tmp_path: Path) -> None:
    """Where the folder of the patterns is not found nothing runs unredacted, and the message names the file."""
    command = [str(collector_binary), "validate", f"--config={BASE}"]
    ended = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "redaction/statements.yaml" in ended.stderr or "redaction/secret_keys.yaml" in ended.stderr
