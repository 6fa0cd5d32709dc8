"""Plug-ins of other packages, by their names in the settings: the real packages, present and absent."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.e2e

OFF = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}
COUNT = (
    "from opentelemetry import metrics\n"
    "metrics.get_meter('app').create_counter('app.count').add(1, {'api_key': 'x1'})\n"
)
SCRAPE = (
    "import os, urllib.request\n"
    "url = f\"http://127.0.0.1:{os.environ['OTEL_EXPORTER_PROMETHEUS_PORT']}/metrics\"\n"
    "page = urllib.request.urlopen(url, timeout=10).read().decode()\n"
    "print([line for line in page.splitlines() if line.startswith('app_count')])\n"
)
SPAN = (
    "from opentelemetry import propagate, trace\ncarrier = {}\n"
    "with trace.get_tracer('app').start_as_current_span('x') as span:\n    propagate.inject(carrier)\n"
    "print(sorted(carrier), f'{span.get_span_context().trace_id:032x}')\n"
)


@pytest.fixture
def free_port() -> str:
    """Give a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


@pytest.mark.parametrize("exporters", ["prometheus", "otlp,prometheus"])
def test_prometheus_is_asked_for_metrics(
    exporters: str,
    free_port: str,
    run_program: Callable[..., Any],
    write_program: Callable[[str], str],
    receiver: OtlpReceiver,
) -> None:
    """The reader serves what the program counts, redacted, beside an exporter or alone; nothing is said of it."""
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is missing")
    environ = {
        **OFF,
        "OTEL_METRICS_EXPORTER": exporters,
        "OTEL_EXPORTER_PROMETHEUS_PORT": free_port,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint,
    }
    ended = run_program(write_program(COUNT + SCRAPE), environ=environ)
    assert (ended.code, ended.stderr) == (0, "")
    assert "app_count_total" in ended.stdout
    assert "x1" not in ended.stdout
    assert bool(receiver.telemetry.points_of("app.count")) == ("otlp" in exporters)


def test_a_reader_whose_port_is_taken(run_program: Callable[..., Any], write_program: Callable[[str], str]) -> None:
    """Where the reader can't start, that is one line, and the program runs."""
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is missing")
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        environ = {
            **OFF,
            "OTEL_METRICS_EXPORTER": "prometheus",
            "OTEL_EXPORTER_PROMETHEUS_HOST": "127.0.0.1",
            "OTEL_EXPORTER_PROMETHEUS_PORT": str(one.getsockname()[1]),
        }
        ended = run_program(write_program(COUNT + "print('done')"), environ=environ)
    assert ended.stdout == "done\n"
    (line,) = ended.stderr.splitlines()
    assert line.startswith("OTEL_METRICS_EXPORTER='prometheus' is ignored: it failed: OSError: ")
    assert line.endswith("; using none")


def test_console_beside_otlp(
    run_program: Callable[..., Any], write_program: Callable[[str], str], receiver: OtlpReceiver
) -> None:
    """With two exporters each signal goes to both; the console's is what OpenTelemetry prints."""
    program = "import logging\nlogging.getLogger('app').warning('hello')\n" + COUNT + SPAN
    both = {f"OTEL_{signal}_EXPORTER": "otlp,console" for signal in ("TRACES", "METRICS", "LOGS")}
    ended = run_program(write_program(program), receiver=receiver, environ=both)
    assert (ended.code, ended.stderr) == (0, "hello\n")
    for name in ('"name": "x"', '"name": "app.count"', '"body": "hello"'):
        assert ended.stdout.count(name) == 1
    assert [span.name for span in receiver.spans] == ["x"]
    assert receiver.telemetry.points_of("app.count")
    assert [record.body for record in receiver.log_records] == ["hello"]


def test_excluded_urls(
    run_program: Callable[..., Any], write_program: Callable[[str], str], receiver: OtlpReceiver
) -> None:
    """A real HTTP instrumentor makes no span of the URLs that are left out, and one of each other."""
    pytest.importorskip("opentelemetry.instrumentation.requests", reason="the instrumentation of requests is missing")
    with OtlpReceiver() as server:  # whatever it answers is an answer
        program = (
            "import requests\n"
            "for path in ('work', 'health', 'health/ready', 'metrics'):\n"
            f"    requests.get('{server.http_endpoint}/' + path, timeout=10)\n"
        )
        environ = {"OTEL_PYTHON_EXCLUDED_URLS": "health.*, [ ,/metrics$"}
        ended = run_program(write_program(program), receiver=receiver, environ=environ)
    assert ended.code == 0
    assert len(ended.stderr.splitlines()) == 1  # of the pattern that is none
    urls = [str(span.attributes.get("http.url") or span.attributes.get("url.full")) for span in receiver.spans]
    assert [url.rpartition("/")[2] for url in urls] == ["work"]


def test_xray_with_its_packages(run_program: Callable[..., Any], write_program: Callable[[str], str]) -> None:
    """X-Ray's ids begin with the time, and its propagator writes its own header."""
    pytest.importorskip("opentelemetry.sdk.extension.aws.trace", reason="opentelemetry-sdk-extension-aws is missing")
    pytest.importorskip("opentelemetry.propagators.aws", reason="opentelemetry-propagator-aws-xray is missing")
    names = {"OTEL_PYTHON_ID_GENERATOR": "xray", "OTEL_PROPAGATORS": "xray", "OTEL_TRACES_SAMPLER": "always_on"}
    ended = run_program(write_program(SPAN), environ={**OFF, **names})
    headers, _, trace_id = ended.stdout.strip().rpartition(" ")
    assert (headers, ended.stderr) == ("['X-Amzn-Trace-Id']", "")
    assert abs(int(trace_id[:8], 16) - time.time()) < 600


def test_xray_without_its_package(
    python_without: Callable[[str, str], str], run_program: Callable[..., Any], write_program: Callable[[str], str]
) -> None:
    """Where the package of the ids is absent that is one line with its name, and ids are random ones."""
    python = python_without("opentelemetry-sdk-extension-aws", "opentelemetry/sdk/extension")
    program = write_program(f"from codeanatomy_distro import configure_otel\nconfigure_otel()\n{SPAN}")
    launch = f"import os, sys; os.execv({python!r}, [{python!r}, {program!r}])"
    ended = run_program("-c", launch, instrumented=False, environ={**OFF, "OTEL_PYTHON_ID_GENERATOR": "xray"})
    headers, _, trace_id = ended.stdout.strip().rpartition(" ")
    assert headers == "['traceparent']"
    assert int(trace_id, 16)
    assert ended.stderr == (
        "OTEL_PYTHON_ID_GENERATOR='xray' is ignored: it needs the package opentelemetry-sdk-extension-aws; "
        "using default\n"
    )


def test_the_file_reads_a_pull_reader(
    free_port: str, run_program: Callable[..., Any], write_program: Callable[[str], str], tmp_path: Any
) -> None:
    """A declarative file with Prometheus' reader serves the metrics of the program."""
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="opentelemetry-exporter-prometheus is missing")
    pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is missing")
    path = tmp_path / "sdk.yaml"
    exporter = json.dumps({"prometheus/development": {"host": "127.0.0.1", "port": int(free_port)}})
    path.write_text(
        f'file_format: "1.0"\nmeter_provider: {{readers: [{{pull: {{exporter: {exporter}}}}}]}}\n', encoding="utf-8"
    )
    environ = {"OTEL_CONFIG_FILE": str(path), "OTEL_EXPORTER_PROMETHEUS_PORT": free_port}
    ended = run_program(write_program(COUNT + SCRAPE), environ=environ)
    assert (ended.code, ended.stderr) == (0, "")
    assert "app_count_total" in ended.stdout
    assert "x1" not in ended.stdout
