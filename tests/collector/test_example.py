"""The example program's run, from `opentelemetry-instrument` through the real Collector to the back end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collector_process import StartCollector

    from codeanatomy_distro.testing.otlp import Telemetry
    from codeanatomy_distro.testing.receiver import OtlpReceiver

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "codeanatomy"
CALLS = "codeanatomy.cache.spans.calls"
# The example's own run, in a program that keeps a cache as CodeAnatomy does.
PROGRAM = """
import sys

from codeanatomy.__main__ import main
from codeanatomy_distro.obs.cache import cache_span

for number in range(40):
    operation = ("read", "write", "snapshot", "invented")[number % 4]
    try:
        with cache_span(operation, policy="cache_ledger", scope="ledger", path=f"/home/alice0/acmesecret/{number}"):
            if number % 10 == 0:
                raise FileNotFoundError(2, "No such file", "/home/alice0/acmesecret")
    except FileNotFoundError:
        pass
sys.exit(main())
"""


@pytest.mark.timeout(150)
def test_a_run_of_the_example_arrives_counted_and_redacted(
    start_collector: StartCollector, receiver: OtlpReceiver, tmp_path: Path
) -> None:
    """Its trace, metrics and logs arrive; cache calls equal the cache spans; nothing tells where it ran."""
    collector = start_collector(receiver=receiver, environ={"OTELCOL_TAIL_BASELINE_PERCENTAGE": "100"})
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL", "CODEANATOMY"))}
    environ = {
        **inherited,
        "PYTHONPATH": str(ROOT / "examples"),
        "HAMILTON_TELEMETRY_ENABLED": "false",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_TRACES_SAMPLER": "always_on",
        "CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build",
    }
    instrument = Path(sysconfig.get_path("scripts")) / "opentelemetry-instrument"
    command = [str(instrument), sys.executable, str(program), str(EXAMPLE), "--output", str(tmp_path / "product")]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 0, ended.stderr

    def calls() -> Counter[tuple[str, str]]:
        counts: Counter[tuple[str, str]] = Counter()
        for point in receiver.telemetry.points_of(CALLS):
            assert set(point.attributes) == {
                "service.name", "status.code", "cache.policy", "cache.scope", "cache.operation",
            }  # fmt: skip
            key = (str(point.attributes["cache.operation"]), str(point.attributes["status.code"]))
            counts[key] = int(point.value or 0)  # cumulative: the last one stands
        return counts

    def arrived(got: Telemetry) -> bool:
        spans = got.spans_named("graph_product.build") and got.spans_named("datafusion.execute")
        metrics = got.points_of("codeanatomy.task.duration") and got.points_of(
            "codeanatomy.datafusion.execute.duration"
        )
        return calls().total() >= 40 and bool(spans and metrics and got.log_records)

    got = receiver.wait_for(arrived, 30)
    cache_spans = [span for span in got.spans if span.name.startswith("cache.")]
    status = {"error": "STATUS_CODE_ERROR", "unset": "STATUS_CODE_UNSET", "ok": "STATUS_CODE_OK"}
    assert calls() == Counter((str(s.attributes["cache.operation"]), status[s.status]) for s in cache_spans)
    assert len(cache_spans) == 40
    assert {span.name for span in got.spans} >= {
        "graph_product.build",
        "pipeline.execute",
        "hamilton.stage",
        "datafusion.execute",
    }
    private = (str(tmp_path), "/home/alice0", "acmesecret", str(EXAMPLE), json.dumps(str(tmp_path))[1:-1])
    for request in receiver.requests:
        found = [text for text in private if text.encode() in request.body]
        assert found == [], request.signal
    assert not any("cache.path" in span.attributes for span in got.spans)
