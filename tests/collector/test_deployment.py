"""What runs beside the Collector: well-formed, consistent with it, and asking only for metrics that somebody emits."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from codeanatomy_distro.obs.catalog import CATALOG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector_process import StartCollector

    from codeanatomy_distro.testing.receiver import OtlpReceiver

    Eventually = Callable[[Callable[[], bool], float], None]

TOOLS = Path(__file__).parents[2] / "tools" / "otel"
DASHBOARDS = sorted((TOOLS / "grafana" / "dashboards").glob("*.json"))
YAML_FILES = sorted(TOOLS.rglob("*.yaml"))

SIGNALS = ("spans", "metric_points", "log_records")
# What the Collector tells about itself; the tests below see these on the real one.
SEEN_AT_WORK = {
    "otelcol_exporter_queue_capacity",
    "otelcol_exporter_queue_size",
    "otelcol_process_cpu_seconds_total",
    "otelcol_process_memory_rss_bytes",
    "otelcol_process_runtime_heap_alloc_bytes",
    "otelcol_processor_tail_sampling_global_count_traces_sampled_total",
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total",
    "otelcol_processor_tail_sampling_sampling_traces_on_memory",
    *(f"otelcol_receiver_accepted_{signal}_total" for signal in SIGNALS),
    *(f"otelcol_receiver_refused_{signal}_total" for signal in SIGNALS),
    *(f"otelcol_exporter_sent_{signal}_total" for signal in SIGNALS),
}
SEEN_IN_TROUBLE = {
    *(f"otelcol_exporter_send_failed_{signal}_total" for signal in SIGNALS),
    *(f"otelcol_exporter_enqueue_failed_{signal}_total" for signal in SIGNALS),
}
SPAN_METRICS = {"codeanatomy_cache_spans_calls_total"} | {
    f"codeanatomy_cache_spans_duration_seconds_{part}" for part in ("bucket", "count", "sum")
}
LABELS_OF_SPAN_METRICS = {"service_name", "status_code", "cache_policy", "cache_scope", "cache_operation", "le"}


def prometheus_names() -> dict[str, set[str]]:
    """The catalogue's metrics and labels as Prometheus names them (OpenTelemetry, *Prometheus compatibility*)."""
    names: dict[str, set[str]] = {}
    for metric in CATALOG.values():
        base = metric.name.replace(".", "_")
        labels = {key.replace(".", "_") for key in metric.keys} | {"service_name"}
        if metric.instrument == "histogram":
            names |= {f"{base}_seconds_{part}": labels | {"le"} for part in ("bucket", "count", "sum")}
        else:
            names[f"{base}_total" if metric.instrument == "counter" else base] = labels
    return names


def expressions() -> Iterator[tuple[str, str]]:
    """Every expression of the dashboards and the alerts, with where it stands."""
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", ()):
                yield f"{path.stem}: {panel['title']}", target["expr"]
    for group in yaml.safe_load((TOOLS / "prometheus" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            yield f"alert {rule['alert']}", rule["expr"]


def without_variables(expression: str) -> str:
    """An expression with Grafana's variables filled in."""
    return re.sub(r"\$__(?:rate_interval|range)", "5m", expression).replace("$", "")


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(TOOLS)))
def test_yaml_is_tidy(path: Path) -> None:
    """Every file passes yamllint as the project has it, with no warning."""
    yamllint = pytest.importorskip("yamllint", reason="yamllint is not installed")
    assert yamllint
    command = [
        sys.executable,
        "-m",
        "yamllint",
        "--strict",
        "--config-file",
        str(TOOLS.parents[1] / ".yamllint.yaml"),
        str(path),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda value: None)
def test_a_query_asks_for_metrics_and_labels_that_are_emitted(where: str, expression: str) -> None:
    """Each query parses; each metric and label in it is the catalogue's, the span metrics' or the Collector's."""
    promql = pytest.importorskip("promql_parser", reason="promql-parser is not installed")
    text = without_variables(expression)
    promql.parse(text)
    catalogue = prometheus_names()
    found = re.findall(r"\b(?:codeanatomy|otelcol)_\w+|\bup\b", text)
    assert found, where
    for name in found:
        assert name in catalogue or name in SPAN_METRICS | SEEN_AT_WORK | SEEN_IN_TROUBLE | {"up"}, (where, name)
    labels = set(re.findall(r"(\w+)=~?\"", text))
    for grouping in re.findall(r"\bby \(([^)]*)\)", text):
        labels |= {label.strip() for label in grouping.split(",")}
    known: set[str] = set()
    for name in found:
        known |= catalogue.get(name, set())
        known |= LABELS_OF_SPAN_METRICS if name in SPAN_METRICS else set()
        known |= {"instance", "exporter", "sampled", "job"} if name.startswith(("otelcol", "up")) else set()
    assert labels <= known, (where, labels - known)


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_is_well_formed(path: Path) -> None:
    """It keeps to the schema: known panels on Grafana's grid, sources that are provisioned, text for readers."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    dashboard = json.loads(path.read_text(encoding="utf-8"))
    schema = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(dashboard, schema, cls=jsonschema.Draft202012Validator)
    assert dashboard["uid"] == path.stem
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    cells = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + row)
        for panel in dashboard["panels"]
        for column in range(panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "panels overlap"
    assert max(column for column, _ in cells) <= 23
    sources = yaml.safe_load((TOOLS / "grafana/provisioning/datasources/datasources.yaml").read_text(encoding="utf-8"))
    uids = {source["uid"] for source in sources["datasources"]}
    assert (
        set(re.findall(r'"datasource": \{\s*"type": "\w+",\s*"uid": "(\w+)"', path.read_text(encoding="utf-8"))) <= uids
    )


def promtool(*arguments: str) -> None:
    """Run promtool and fail with what it says."""
    binary = shutil.which("promtool")
    if binary is None:
        reason = "promtool is not installed (Debian: prometheus)"
        pytest.fail(reason) if os.environ.get("PROMTOOL_REQUIRED") == "1" else pytest.skip(reason)
    ended = subprocess.run([binary, *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_promtool_accepts_the_configuration_and_the_rules(tmp_path: Path) -> None:
    """Prometheus's own checker accepts the scrape configuration and the alert rules, with no warning."""
    config = yaml.safe_load((TOOLS / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
    del config["otlp"]  # of Prometheus 2.54 and newer; distributions' promtool is older
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    shutil.copy(TOOLS / "prometheus" / "alerts.yaml", tmp_path)
    promtool("check", "config", "--lint-fatal", str(tmp_path / "prometheus.yaml"))


def test_the_alerts_fire_when_they_should() -> None:
    """The rules' own unit tests pass."""
    promtool("test", "rules", str(TOOLS / "prometheus" / "alerts.test.yaml"))


def test_compose_publishes_on_loopback_and_mounts_what_exists() -> None:
    """Nothing is reachable from other machines, images are pinned, and each mounted file is in the repository."""
    services: dict[str, Any] = yaml.safe_load((TOOLS / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert {"collector", "jaeger", "prometheus", "grafana"} == set(services)
    for service in services.values():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        for volume in service.get("volumes", ()):
            assert (TOOLS / volume.split(":")[0]).exists()
        assert set(service.get("depends_on", ())) <= set(services)
    scraped = yaml.safe_load((TOOLS / "prometheus" / "prometheus.yaml").read_text(encoding="utf-8"))
    assert scraped["scrape_configs"][0]["static_configs"][0]["targets"] == ["collector:8888"]


def test_prometheus_sees_the_counters_of_a_run_that_exports_once() -> None:
    """Prometheus takes OTLP, and puts a zero before a series that begins with its last value: else no rate is seen."""
    services: dict[str, Any] = yaml.safe_load((TOOLS / "compose.yaml").read_text(encoding="utf-8"))["services"]
    needed = {"--web.enable-otlp-receiver", "--enable-feature=created-timestamp-zero-ingestion"}
    assert needed <= set(services["prometheus"]["command"])
    assert all(flag in (TOOLS / "README.md").read_text(encoding="utf-8") for flag in needed)


def kubernetes() -> dict[tuple[str, str], dict[str, Any]]:
    """The Kubernetes resources by kind and name."""
    resources: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted((TOOLS / "kubernetes").glob("*.yaml")):
        for resource in cast("list[dict[str, Any]]", list(yaml.safe_load_all(path.read_text(encoding="utf-8")))):
            resources[resource["kind"], resource["metadata"]["name"]] = resource
    return resources


def test_the_kubernetes_resources_fit_together() -> None:
    """Programs send to the first tier, it asks for the gateway's addresses, and the gateway may read what it needs."""
    resources = kubernetes()
    gateway = resources["OpenTelemetryCollector", "otel-gateway"]["spec"]
    first_tier = resources["OpenTelemetryCollector", "otel-first-tier"]["spec"]
    instrumentation = resources["Instrumentation", "codeanatomy"]["spec"]
    assert instrumentation["exporter"]["endpoint"].startswith("http://otel-first-tier-collector.observability.svc")
    assert instrumentation["sampler"]["type"] == "parentbased_always_on"
    variables = {each["name"]: each.get("value") for each in first_tier["env"]}
    assert variables["OTELCOL_SECOND_TIER_HOSTNAME"].startswith("otel-gateway-collector-headless.observability.svc")
    assert gateway["mode"] == "statefulset"
    directory = {each["name"]: each.get("value") for each in gateway["env"]}["OTELCOL_REDACTION_DIR"]
    (mount,) = gateway["volumeMounts"]
    (volume,) = gateway["volumes"]
    assert (mount["mountPath"], mount["name"]) == (directory, volume["name"])
    assert f"create configmap {volume['configMap']['name']} " in (TOOLS / "kubernetes/gateway.yaml").read_text("utf-8")
    assert gateway["serviceAccount"] == resources["ServiceAccount", "otel-gateway"]["metadata"]["name"]
    assert "k8s_attributes" in gateway["config"]["service"]["pipelines"]["traces/in"]["processors"]
    assert gateway["config"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"] == "0.0.0.0:4317"
    rules = resources["ClusterRole", "otel-gateway"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list", "watch"}


@pytest.mark.parametrize("name", ["otel-gateway", "otel-first-tier"])
def test_the_configuration_in_a_kubernetes_resource_is_valid(name: str, collector_binary: Path, tmp_path: Path) -> None:
    """The Collector accepts the configuration that the operator would give it."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(kubernetes()["OpenTelemetryCollector", name]["spec"]["config"]), encoding="utf-8")
    command = [str(collector_binary), "validate", f"--config={config}"]
    environ = {"POD_IP": "10.0.0.1", "OTELCOL_REDACTION_DIR": str(TOOLS / "redaction")}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_image_copies_what_the_operator_looks_for() -> None:
    """The auto-instrumentation stands in /autoinstrumentation, readable by every user; its sources are here."""
    text = (TOOLS / "kubernetes" / "Dockerfile").read_text(encoding="utf-8")
    assert "COPY --from=build /autoinstrumentation /autoinstrumentation" in text
    assert "chmod -R go+rX /autoinstrumentation" in text
    for sources in re.findall(r"^COPY (?!--)(.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (TOOLS.parents[1] / source).exists(), source
    assert all(re.search(r":(?:\$\{\w+\}|\d)", line) for line in text.splitlines() if line.startswith("FROM"))


def test_the_readmes_smoke_test_works(start_collector: StartCollector, receiver: OtlpReceiver) -> None:
    """The `curl` command of README.md, at another port, is accepted and its span arrives."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    blocks = re.findall(r"```bash\n(.*?)```", (TOOLS / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (command,) = [block for block in blocks if block.startswith("curl")]
    environ = {"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100"}
    collector = start_collector(receiver=receiver, environ=environ)
    ended = subprocess.run(
        ["bash", "-c", command.replace("http://127.0.0.1:4318", collector.http_endpoint)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    (span,) = receiver.wait_for(lambda got: got.spans, 10).spans
    assert (span.name, span.duration_ns) == ("smoke", 500_000_000)


def test_the_collector_emits_the_metrics_that_are_asked_for(
    start_collector: StartCollector, receiver: OtlpReceiver, eventually: Eventually
) -> None:
    """After one span, log record and metric point the Collector has each metric that dashboards and alerts name."""
    collector = start_collector(receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100"})
    collector.send_one_of_each()
    receiver.wait_for(lambda got: got.spans and got.log_records and got.metric_points, 15)

    def emitted() -> str:
        with urllib.request.urlopen(collector.metrics_url, timeout=5) as answer:
            return answer.read().decode()

    def missing() -> set[str]:
        return SEEN_AT_WORK - set(re.findall(r"^# TYPE (\w+)", emitted(), re.MULTILINE))

    eventually(lambda: not missing(), 10)
    text = emitted()
    assert re.search(r'global_count_traces_sampled_total\{[^}]*sampled="', text)
