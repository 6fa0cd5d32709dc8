"""Workers, exits and signals, against `opentelemetry-distro`.

    python benchmarks/processes.py

Worker processes of three kinds under three start methods: how many child spans arrive, and how many of them in the
parent's trace. Leaving with nobody listening: how long from the program's last line to the end of its process. SIGTERM
with a live receiver: how many of the buffered spans are lost.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peer import OURS, Side, clean_environ, create_peer, report

from codeanatomy_distro.testing.receiver import OtlpReceiver

WORKERS = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from opentelemetry import trace
def work(number):
    trace.get_tracer("workers").start_span("child").end()
if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with trace.get_tracer("workers").start_as_current_span("parent"):
        if sys.argv[2] == "Process":
            children = [context.Process(target=work, args=(n,)) for n in range(4)]
            for child in children: child.start()
            for child in children: child.join()
        elif sys.argv[2] == "Pool":
            pool = context.Pool(2)
            pool.map(work, range(4), chunksize=1)
            pool.close(); pool.join()
        else:
            with ProcessPoolExecutor(2, mp_context=context) as pool: list(pool.map(work, range(4)))
"""
LEAVING = """
import logging, time
from opentelemetry import trace
with trace.get_tracer("leaving").start_as_current_span("span"): logging.warning("record")
print(time.time())
"""
TERMINATED = """
import os, signal, time
from opentelemetry import trace
for _ in range(100): trace.get_tracer("terminated").start_span("span").end()
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(5)
"""


def run(side: Side, program: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program under the side's command."""
    environ = clean_environ(
        OTEL_TRACES_SAMPLER="always_on", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="system_metrics", **variables
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.py"
        path.write_text(program, encoding="utf-8")
        return subprocess.run(
            [*side.instrument, str(path), *arguments],
            env=environ,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )


def workers(side: Side, method: str, kind: str) -> tuple[int, int]:
    """Return how many of four child spans arrived, and how many of those in the parent's trace."""
    with OtlpReceiver() as receiver:
        run(side, WORKERS, method, kind, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
        children = receiver.telemetry.spans_named("child")
        traces = {span.trace_id for span in receiver.telemetry.spans_named("parent")}
        return len(children), sum(span.trace_id in traces for span in children)


def leaving(side: Side, **variables: str) -> float:
    """Return the seconds from the program's last line to its end, with the connection refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = run(side, LEAVING, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", **variables)
    return time.time() - float(done.stdout)


def terminated(side: Side) -> int:
    """Return how many of 100 buffered spans a SIGTERM loses."""
    with OtlpReceiver() as receiver:
        run(side, TERMINATED, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
        return 100 - len({span.span_id for span in receiver.spans})


def main() -> int:
    """Print every figure of both sides; return how many bars of ours were missed."""
    peer = create_peer()
    met: list[bool] = []
    print("child spans of 4 that arrive / in the parent's trace")
    for method in ("fork", "forkserver", "spawn"):
        for kind in ("Process", "Pool", "executor"):
            theirs, ours = workers(peer, method, kind), workers(OURS, method, kind)
            met.append(ours == (4, 4))
            verdict = "met" if met[-1] else "MISSED"
            print(f"  {method:10} {kind:8}  peer {theirs[0]}/{theirs[1]}  ours {ours[0]}/{ours[1]}  {verdict}")
    print("seconds to leave, nobody listening")
    print(f"  peer {leaving(peer):.2f} s")
    met.append(report("deadline 2 s", leaving(OURS), 2.3, " s"))
    met.append(report("deadline 200 ms", leaving(OURS, CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT="200"), 0.5, " s"))
    print("spans of 100 lost on SIGTERM, live receiver")
    print(f"  peer {terminated(peer)}")
    met.append(report("lost", terminated(OURS), 0))
    return met.count(False)


if __name__ == "__main__":
    sys.exit(main())
