"""Telemetry in memory: what belongs to a capture, and what does not."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from codeanatomy_distro import emit_diagnostics_event, get_run_id, run_context, set_dataset_stats, stage_span
from codeanatomy_distro.testing import capture


def test_all_three_signals_are_captured() -> None:
    """Spans, metric points and log records of the block are there, under the capture's run id, by name if asked."""
    with capture() as captured:
        assert get_run_id() == captured.run_id
        with stage_span("a"):
            emit_diagnostics_event("e")
        with stage_span("b"):
            set_dataset_stats("d", rows=3)
    assert [span.name for span in captured.spans()] == ["a", "b"]
    assert [span.name for span in captured.spans("b")] == ["b"]
    assert captured.span("a").attributes["codeanatomy.run_id"] == captured.run_id  # pyright: ignore[reportOptionalSubscript]
    assert [item.log_record.body for item in captured.logs()] == ["e"]
    (point,) = captured.metrics("codeanatomy.dataset.rows")
    assert (point.name, point.unit, point.attributes["dataset"], point.data.value) == (
        "codeanatomy.dataset.rows",
        "{row}",
        "d",
        3,
    )


def test_the_one_span_of_a_name() -> None:
    """Asking for the one span fails where there is none or more than one, and says which there are."""
    with capture() as captured:
        for _ in range(2):
            with stage_span("twice"):
                pass
    for name in ("twice", "never"):
        with pytest.raises(AssertionError, match=f"expected one span '{name}'.*twice"):
            captured.span(name)


def test_captures_do_not_see_each_other() -> None:
    """A capture begins empty, whatever was recorded before it."""
    for _ in range(2):
        with capture() as captured:
            assert not captured.spans()
            assert not captured.logs()
            assert not captured.metrics()
            with stage_span("a"):
                emit_diagnostics_event("e")


def test_a_capture_within_another() -> None:
    """An inner capture sees its own only, and the outer one all of its own still."""
    with capture() as outer:
        with stage_span("before"):
            pass
        with capture() as inner:
            with stage_span("inside"):
                pass
            assert [span.name for span in inner.spans()] == ["inside"]
            assert inner.run_id != outer.run_id
        assert get_run_id() == outer.run_id
        assert [span.name for span in outer.spans()] == ["before", "inside"]
        assert [point.attributes["stage"] for point in outer.metrics()] == ["before"]
        assert len(outer.metrics(run_id=inner.run_id)) == 1


def test_reset_begins_anew() -> None:
    """After a reset the capture is empty, in a new run."""
    with capture() as captured:
        before = captured.run_id
        with stage_span("a"):
            emit_diagnostics_event("e")
        captured.reset()
        assert captured.run_id == get_run_id() != before
        assert captured.spans() == captured.logs() == captured.metrics() == []


def test_the_process_run_id_comes_back() -> None:
    """After a capture, also one that fails, the process has the run id that it had before."""
    before = get_run_id()
    with pytest.raises(ValueError, match="x"), capture():
        raise ValueError("x")  # noqa: EM101 - it only has to fail
    assert get_run_id() == before


def test_runs_of_the_code_under_test() -> None:
    """Points of a run that the code under test enters itself are found by that run's id."""
    with capture() as captured:
        with run_context("mine"), stage_span("a"):
            pass
        assert not captured.metrics()
        assert len(captured.metrics("codeanatomy.stage.duration", run_id="mine")) == 1


def test_a_disabled_environment_captures_all_the_same() -> None:
    """Where the environment switches telemetry off, samples nothing and drops the run id, a capture has it all."""
    program = (
        "import json\n"
        "from codeanatomy_distro import stage_span\n"
        "from codeanatomy_distro.testing import capture\n"
        "with capture() as captured:\n"
        "    with stage_span('a'): pass\n"
        "    print(json.dumps([len(captured.spans()), len(captured.metrics())]))\n"
    )
    environ = {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_TRACES_EXPORTER": "none",
        "CODEANATOMY_OTEL_METRIC_RUN_ID": "false",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=60, check=True
    )
    assert (json.loads(done.stdout), done.stderr) == ([1, 1], "")
