"""The real Collector on loopback, started with the project's own configurations, a real OTLP receiver behind it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codeanatomy_distro.testing.receiver import OtlpReceiver

# pytest imports test files by their paths; this is how they find the two modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

from typing import TYPE_CHECKING

from collector_process import Collector, StartCollector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools" / "otel"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `collector` each test that starts one."""
    for item in items:
        if {"collector_binary", "start_collector"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("collector")


@pytest.fixture(scope="session")
def collector_binary() -> Path:
    """The Collector to test: `OTELCOL_BIN`, else the one built from `builder.yaml`; skips where neither can be had."""
    given = os.environ.get("OTELCOL_BIN")
    if given:
        return Path(given)
    command = [sys.executable, str(TOOLS / "build_collector.py")]
    # Cold, the build takes minutes, which is no test's business: only where the tests are required is it done here.
    required = os.environ.get("OTELCOL_REQUIRED") == "1"
    ended = subprocess.run([*command, *([] if required else ["--check"])], capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return Path(ended.stdout.strip())
    reason = (
        f"no Collector: set OTELCOL_BIN or run `python tools/otel/build_collector.py` ({ended.stderr.strip()[-300:]})"
    )
    if required:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def start_collector(collector_binary: Path, tmp_path: Path) -> Iterator[StartCollector]:
    """Start Collectors that end with the test."""
    started: list[Collector] = []

    def start(
        *configs: Path, receiver: OtlpReceiver | None = None, environ: Mapping[str, str] | None = None
    ) -> Collector:
        behind: dict[str, str] = {}
        if receiver is not None:
            for name in ("TRACES", "METRICS", "LOGS"):
                behind[f"OTELCOL_{name}_ENDPOINT"] = receiver.grpc_endpoint.removeprefix("http://")
                behind[f"OTELCOL_{name}_INSECURE"] = "true"
        quick = {"OTELCOL_TAIL_WAIT_AFTER_ROOT": "1s", "OTELCOL_SPAN_METRICS_FLUSH": "1s"}
        log = tmp_path / f"collector-{len(started)}.log"
        collector = Collector(
            collector_binary, list(configs) or [TOOLS / "collector.yaml"], {**quick, **behind, **(environ or {})}, log
        )
        started.append(collector)
        collector.wait_until_ready()
        return collector

    yield start
    for collector in started:
        collector.stop()


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """The back end of all three signals."""
    with OtlpReceiver() as behind:
        yield behind


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool], float], None]:
    """Wait until something holds, and fail when it does not in so many seconds."""

    def wait(holds: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(f"not within {timeout:g} s")
            time.sleep(0.05)

    return wait
