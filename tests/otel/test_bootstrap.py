"""`configure_otel` in real programs: once, in any order, and never against the program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
QUIET = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def assert_fine(ended: Any) -> None:
    assert (ended.code, ended.stderr) == (0, "")


def test_providers_are_set_once(run_alone: Run) -> None:
    """The three providers become the global ones, and every later call, from any thread, returns the same object."""
    ended = run_alone(
        """
        import threading
        from opentelemetry import _logs, metrics, trace
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel
        found, start = [], threading.Barrier(8)
        def work():
            start.wait()
            found.append(configure_otel(service_name="mine"))
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        again = configure_otel(service_name="other", options=OtelBootstrapOptions(test_mode=True))
        assert all(one is again for one in found) and len(found) == 8
        assert trace.get_tracer_provider() is again.tracer_provider
        assert metrics.get_meter_provider() is again.meter_provider
        assert _logs.get_logger_provider() is again.logger_provider
        assert again.resource.attributes["service.name"] == "mine"
        assert again.memory is None
        assert again.force_flush()
        again.shutdown()
        again.shutdown()
        """,
        **QUIET,
    )
    assert_fine(ended)


def test_options_win_over_the_environment(run_alone: Run) -> None:
    """Settings of the program win over variables, also one that switches the SDK off; overrides and views apply."""
    ended = run_alone(
        """
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.metrics.view import DropAggregation, View
        from opentelemetry.sdk.trace import SpanProcessor
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel, set_dataset_stats, stage_span
        seen = []
        class Own(SpanProcessor):
            def on_start(self, span, parent_context=None):
                seen.append(dict(span.attributes))
        providers = configure_otel(options=OtelBootstrapOptions(
            settings={
                "OTEL_SDK_DISABLED": "false",
                "CODEANATOMY_OTEL_METRIC_RUN_ID": "false",
                "CODEANATOMY_RUN_ID": "r",
                "CODEANATOMY_OTEL_DATAFUSION_METRICS": "full",
            },
            resource_overrides={"service.name": "override", "none": None, "list": [1, 2]},
            views=[View(instrument_name="noise", aggregation=DropAggregation())],
            span_processors=[Own()],
            test_mode=True,
            load_instrumentors=False,
        ))
        from codeanatomy_distro import settings
        assert settings.current(settings.DATAFUSION_METRICS) == "full"  # as instrumentors read theirs
        with stage_span("s"):
            metrics.get_meter("m").create_counter("noise").add(1)
            set_dataset_stats("d", rows=1)
        assert [span.name for span in providers.memory.spans.get_finished_spans()] == ["s"]
        rule = {"otel.sampling.rule": "codeanatomy.default"}
        assert seen == [{**rule, "codeanatomy.stage": "s", "codeanatomy.run_id": "r"}]
        found = {
            metric.name: dict(metric.data.data_points[0].attributes)
            for scope in providers.memory.metrics.get_metrics_data().resource_metrics[0].scope_metrics
            for metric in scope.metrics
            if not metric.name.startswith("otel.sdk.")  # older SDKs tell of themselves
        }
        assert found == {
            "codeanatomy.stage.duration": {"stage": "s", "status": "ok"},
            "codeanatomy.dataset.rows": {"dataset": "d"},
        }, found
        assert providers.resource.attributes["service.name"] == "override"
        assert providers.resource.attributes["list"] == (1, 2)
        """,
        OTEL_SDK_DISABLED="true",
    )
    assert_fine(ended)


def test_switched_off_it_is_nothing(run_alone: Run) -> None:
    """With OTEL_SDK_DISABLED=true there are no providers, nothing is patched, and the API of ours runs as it is."""
    ended = run_alone(
        """
        import atexit, logging, os, signal, threading
        from opentelemetry import trace
        from codeanatomy_distro import configure_otel, emit_diagnostics_event, root_span, set_dataset_stats, stage_span
        before = (signal.getsignal(signal.SIGTERM), threading.active_count(), atexit._ncallbacks())
        providers = configure_otel(service_name="x")
        assert providers.tracer_provider is providers.meter_provider is providers.logger_provider is None
        assert providers.force_flush()
        providers.shutdown()
        with root_span(), stage_span("s") as span:
            assert not span.is_recording()
            emit_diagnostics_event("e", {"a": 1})
            set_dataset_stats("d", rows=1)
        assert before == (signal.getsignal(signal.SIGTERM), threading.active_count(), atexit._ncallbacks())
        assert "filter" not in vars(logging.Logger)
        assert logging.getLogRecordFactory() is logging.LogRecord
        """,
        OTEL_SDK_DISABLED="true",
    )
    assert_fine(ended)


@pytest.mark.parametrize("failing", ["tracer", "meter", "logger"])
def test_one_signal_that_fails_leaves_the_others(run_alone: Run, failing: str) -> None:
    """A signal that can't be set up is told in one line and is None; the other two work."""
    ended = run_alone(
        f"""
        from codeanatomy_distro.otel import providers
        def broken(*args, **kwargs):
            raise RuntimeError("no such luck")
        providers.create_{failing}_provider = broken
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel
        found = configure_otel(options=OtelBootstrapOptions(test_mode=True, load_instrumentors=False))
        made = [found.tracer_provider, found.meter_provider, found.logger_provider]
        assert [one is None for one in made] == [name == "{failing}" for name in ("tracer", "meter", "logger")]
        import logging
        from opentelemetry import metrics, trace
        trace.get_tracer("t").start_span("s").end()
        metrics.get_meter("m").create_counter("c").add(1)
        logging.getLogger("app").error("here")
        found.force_flush()
        """
    )
    assert ended.code == 0
    told, here = ended.stderr.splitlines()
    assert "could not be set up: RuntimeError: no such luck" in told
    assert here == "here"


def test_a_broken_sdk_does_not_stop_the_program(run_alone: Run) -> None:
    """Where nothing of the SDK can be set up the program hears it in one line and runs without telemetry."""
    ended = run_alone(
        """
        from codeanatomy_distro.otel import resources
        def broken(*args, **kwargs):
            raise RuntimeError("caf\\udce9")
        resources.create_resource = broken
        from codeanatomy_distro import configure_otel, stage_span
        assert configure_otel().tracer_provider is None
        with stage_span("s"):
            print("done")
        """
    )
    assert (ended.code, ended.stdout) == (0, "done\n")
    assert ended.stderr == "telemetry is off, for it could not be set up: RuntimeError: caf?\n"


def test_a_call_from_within_does_not_wait_for_itself(run_alone: Run) -> None:
    """A plug-in that calls `configure_otel` while that sets things up gets no providers, and no deadlock."""
    ended = run_alone(
        """
        from collections import UserDict
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel
        inner = []
        class Calls(UserDict):
            def items(self):
                inner.append(configure_otel().tracer_provider)
                return super().items()
        options = OtelBootstrapOptions(resource_overrides=Calls({"a": 1}), test_mode=True, load_instrumentors=False)
        assert configure_otel(options=options).tracer_provider is not None
        assert inner and set(inner) == {None}
        """
    )
    assert_fine(ended)


def test_a_child_forked_meanwhile_can_configure(run_alone: Run) -> None:
    """A child that is forked while another thread sets up telemetry can set it up itself: no lock is inherited."""
    ended = run_alone(
        """
        import os, threading, time, warnings
        from collections import UserDict
        warnings.simplefilter("ignore")
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel
        begun = threading.Event()
        class Slow(UserDict):
            def items(self):
                begun.set()
                time.sleep(0.5)
                return super().items()
        def options(overrides):
            return OtelBootstrapOptions(resource_overrides=overrides, test_mode=True, load_instrumentors=False)
        thread = threading.Thread(target=lambda: configure_otel(options=options(Slow({"a": 1}))))
        thread.start()
        begun.wait()
        child = os.fork()
        if not child:
            os._exit(7 if configure_otel(options=options({"b": 1})).resource.attributes["b"] == 1 else 1)
        for _ in range(100):
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            time.sleep(0.05)
        else:
            os.kill(child, 9)
        print(os.waitstatus_to_exitcode(status))
        thread.join()
        """
    )
    assert (ended.code, ended.stdout) == (0, "7\n")


def test_providers_of_the_program_stay(run_alone: Run) -> None:
    """A tracer provider that the program set first stays the global one; the other signals are set up."""
    ended = run_alone(
        """
        import logging
        logging.disable(logging.WARNING)  # the API says that it does not override
        from opentelemetry import metrics, trace
        from opentelemetry.sdk.trace import TracerProvider
        mine = TracerProvider()
        trace.set_tracer_provider(mine)
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel
        found = configure_otel(options=OtelBootstrapOptions(test_mode=True, load_instrumentors=False))
        assert trace.get_tracer_provider() is mine
        assert metrics.get_meter_provider() is found.meter_provider
        from codeanatomy_distro.testing import capture
        try:
            with capture():
                raise AssertionError
        except RuntimeError as error:
            print(error)
        """
    )
    assert (ended.code, ended.stderr) == (0, "")
    assert "configured already" in ended.stdout


def test_a_bad_limit_does_not_stop_the_import_of_the_sdk() -> None:
    """A limit that the SDK can't read, and would end its import, is told once and its default holds."""
    program = (
        "from codeanatomy_distro import OtelBootstrapOptions, configure_otel, stage_span\n"
        "found = configure_otel(options=OtelBootstrapOptions(test_mode=True, load_instrumentors=False))\n"
        "with stage_span('s'): pass\n"
        "print(len(found.memory.spans.get_finished_spans()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many", "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "otel"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr.count("\n") == 1
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT='many'" in done.stderr
