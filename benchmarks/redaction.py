"""What redaction costs: a span of ten attributes, and texts of a megabyte. Prints one line a figure.

Of a megabyte it also prints for how long at most another thread of the program got no turn.

Usage: python benchmarks/redaction.py
"""

from __future__ import annotations

import threading
import time
from itertools import cycle
from typing import TYPE_CHECKING

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from codeanatomy_distro.otel.redaction import Redactor, create_redactor

if TYPE_CHECKING:
    from collections.abc import Callable

SPANS = 10_000  # with more different texts than the redactor remembers
HOSTILE = {
    "words": "the quick brown fox at src/main.py:12 ",
    "private paths": "/home/alice/project/x.py ",
    "slashes": "/",
    "backslashes": "\\",
    "quotes": '"',
    "secret words": "secret",
    "quoted secret words": '"secret',
    "URLs": "://",
    "dots": "a.",
    "hosts": "https://a.",
    "library paths": "/home/site-packages/",
}


def create_spans(resource: Resource, *, private: bool) -> list[ReadableSpan]:
    """Return spans of ten attributes as a pipeline makes them: some values repeat, some are new in each span."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("codeanatomy.pipeline", "1.0")
    for number in range(SPANS):
        attributes: dict[str, str | int | float | bool] = {
            "codeanatomy.run_id": "0192f3a1-4b5c-7d8e-9f00-112233445566",
            "codeanatomy.stage": "extract",
            "hamilton.node_name": f"node_{number}",
            "hamilton.module": "pipelines.extract",
            "task_id": f"task-{number}",
            "dataset": "cst_nodes",
            "rows": number,
            "duration": 0.5,
            "cache.policy": "dataset_delta_staging",
            "code.file.path": f"src/pipelines/module_{number % 50}.py",
        }
        if private:
            attributes["code.file.path"] = f"/home/alice/project/module_{number % 50}.py"
        tracer.start_span("hamilton.task", attributes=attributes).end()
    provider.shutdown()
    return list(exporter.get_finished_spans())  # pyright: ignore[reportArgumentType]


def microseconds(action: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of five runs, in microseconds a repeat: what else runs must not count."""
    best = float("inf")
    for _ in range(5):
        started = time.thread_time()
        for _ in range(repeats):
            action()
        best = min(best, time.thread_time() - started)
    return best / repeats * 1e6


def span_cost(redactor: Redactor, *, private: bool, process_resource: bool) -> float:
    """Return microseconds to redact one span of ten attributes."""
    attributes = {"service.name": "codeanatomy"}
    if process_resource:
        attributes["process.command"] = "/home/alice/run.py"
    spans = cycle(create_spans(redactor.resource(Resource(attributes)), private=private))
    return microseconds(lambda: redactor.span(next(spans)), SPANS)


def text_cost(redactor: Redactor, text: str) -> float:
    """Return milliseconds to redact one text."""
    return microseconds(lambda: redactor.text(text), 1) / 1000


def longest_pause(redactor: Redactor, text: str) -> float:
    """Return for how many milliseconds at most another thread waited for its turn while a text was redacted."""
    thread = threading.Thread(target=redactor.text, args=(text,))
    thread.start()
    longest, last = 0.0, time.perf_counter()
    while thread.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    return longest * 1000


def main() -> None:
    """Print the figures."""
    for mode in ("standard", "strict"):
        redactor = create_redactor(mode, (), "/home/alice", ("/home/alice/project",))
        if redactor is None:
            continue
        clean = span_cost(redactor, private=False, process_resource=False)
        private = span_cost(redactor, private=True, process_resource=True)
        print(f"{mode:9} span of ten attributes, nothing private: {clean:6.2f} µs")
        print(f"{mode:9} span of ten attributes, one private:     {private:6.2f} µs")
        for name, piece in HOSTILE.items():
            text = piece * (1_000_000 // len(piece))
            whole, half = text_cost(redactor, text), text_cost(redactor, text[: len(text) // 2])
            pause = min(longest_pause(redactor, text) for _ in range(3))
            print(f"{mode:9} 1 MB of {name:22} {whole:7.1f} ms, half of it {half:7.1f} ms, others wait {pause:6.1f} ms")


if __name__ == "__main__":
    main()
