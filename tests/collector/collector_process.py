"""A Collector as a process: where it listens, what it logs, what it counts about itself."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.testing.receiver import OtlpReceiver

TOOLS = Path(__file__).parents[2] / "tools" / "otel"
STARTED = "Everything is ready. Begin running and processing data."


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; below those that the system lends for connections, which stay free so."""
    free: set[int] = set()
    while len(free) < count:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            free.add(port)
    return list(free)


class Collector:
    """A running Collector: where it listens, what it logged, what it counts about itself."""

    def __init__(self, binary: Path, configs: list[Path], environ: Mapping[str, str], log: Path) -> None:
        self.grpc_port, self.http_port, health, metrics = free_ports(4)
        self.health_url = f"http://127.0.0.1:{health}/"
        self.metrics_url = f"http://127.0.0.1:{metrics}/metrics"
        self.endpoint = f"http://127.0.0.1:{self.grpc_port}"
        self.http_endpoint = f"http://127.0.0.1:{self.http_port}"
        self._log = log
        ours = {
            "OTELCOL_OTLP_GRPC_ENDPOINT": f"127.0.0.1:{self.grpc_port}",
            "OTELCOL_OTLP_HTTP_ENDPOINT": f"127.0.0.1:{self.http_port}",
            "OTELCOL_HEALTH_ENDPOINT": f"127.0.0.1:{health}",
            "OTELCOL_METRICS_PORT": str(metrics),
            "POD_IP": "127.0.0.1",
            "OTELCOL_REDACTION_DIR": str(TOOLS / "redaction"),
        }
        command = [str(binary), *(f"--config={config}" for config in configs)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL")}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env={**inherited, **ours, **environ}, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def log(self) -> str:
        """What the Collector has logged so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_until_ready(self, timeout: float = 20.0) -> None:
        """Return when the Collector works; fail with its log when it ends or does not work in time."""
        deadline = time.monotonic() + timeout
        while STARTED not in self.log:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the Collector did not start:\n{self.log[-4000:]}")
            time.sleep(0.02)

    def healthy(self) -> bool:
        """Whether the health check says so."""
        try:
            with urllib.request.urlopen(self.health_url, timeout=2) as answer:
                return answer.status == 200 and json.load(answer)["status"] == "Server available"
        except urllib.error.URLError:
            return False

    def send_one_of_each(self) -> None:
        """Send a span, a log record and a metric point."""
        at = {"timeUnixNano": "1700000000000000000"}
        span = {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "s", "kind": 1}
        metric = {"name": "m", "gauge": {"dataPoints": [{**at, "asInt": "1"}]}}
        bodies = {
            "traces": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
            "logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [at]}]}]},
            "metrics": {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]},
        }
        headers = {"Content-Type": "application/json"}
        for kind, body in bodies.items():
            request = urllib.request.Request(f"{self.http_endpoint}/v1/{kind}", json.dumps(body).encode(), headers)
            with urllib.request.urlopen(request, timeout=5) as answer:
                assert answer.status == 200

    def counts(self) -> dict[str, float]:
        """What the Collector counts about itself: each metric's sum over its labels, without the ``_total``."""
        with urllib.request.urlopen(self.metrics_url, timeout=5) as answer:
            text = answer.read().decode()
        sums: dict[str, float] = {}
        for series, value in re.findall(r"^(\w+)(?:\{.*\})? (\S+)$", text, re.MULTILINE):
            name = series.removesuffix("_total")
            sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    def memory_mib(self) -> float:
        """The process's resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0

    def stop(self) -> None:
        """Ask the Collector to end, which delivers what it holds, and wait for it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


class StartCollector(Protocol):
    """The fixture `start_collector`."""

    def __call__(
        self, *configs: Path, receiver: OtlpReceiver | None = None, environ: Mapping[str, str] | None = None
    ) -> Collector:
        """Start a Collector with these configurations, by default the base one, sending all signals to `receiver`."""
        ...
