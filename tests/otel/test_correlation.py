"""Log correlation in real programs: what is on a record, and what the settings switch off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = """
    import logging
    class Show(logging.Handler):
        def emit(self, record):
            print({name: value for name, value in vars(record).items() if name.startswith("otel")})
    logging.root.addHandler(Show())
    from codeanatomy_distro import stage_span
    with stage_span("s"):
        logging.getLogger("app").error("here")
"""


def test_records_carry_the_ids(run_both: Callable[..., tuple[Any, Any]]) -> None:
    """A record has the trace id, span id, flag and service name, with telemetry only."""
    bare, otel = run_both(PROGRAM, OTEL_TRACES_SAMPLER="always_on", OTEL_SERVICE_NAME="mine")
    assert bare.stdout == "{}\n"
    (record,) = otel.records
    found = eval(otel.stdout)  # a dictionary of texts that the program printed
    assert found["otelTraceID"] == f"{record['trace_id']:032x}"
    assert found["otelTraceSampled"] is True
    assert found["otelServiceName"] == "mine"
    assert len(found["otelSpanID"]) == 16


def test_correlation_can_be_switched_off(run_both: Callable[..., tuple[Any, Any]]) -> None:
    """Without log correlation the record is as the program made it, and is still exported in its trace."""
    bare, otel = run_both(PROGRAM, OTEL_TRACES_SAMPLER="always_on", OTEL_PYTHON_LOG_CORRELATION="false")
    assert otel.stdout == bare.stdout
    assert otel.records[0]["trace_id"]


def test_without_logs_the_ids_are_still_there(run_alone: Callable[..., Any]) -> None:
    """With OTEL_LOGS_EXPORTER=none records carry the ids for the program's own formats, and none is kept for export."""
    ended = run_alone(
        """
        import logging
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel, stage_span
        logging.basicConfig(format="%(otelTraceID)s")
        providers = configure_otel(options=OtelBootstrapOptions(load_instrumentors=False))
        with stage_span("s"):
            logging.error("here")
        """,
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
    )
    assert len(ended.stderr.strip()) == 32
    assert ended.code == 0


def test_the_program_may_set_up_the_instrumentation_itself(run_alone: Callable[..., Any]) -> None:
    """A program that sets up the logging instrumentation with a format gets that format, as it does without us."""
    ended = run_alone(
        """
        import logging
        from codeanatomy_distro import OtelBootstrapOptions, configure_otel, stage_span
        providers = configure_otel(options=OtelBootstrapOptions(test_mode=True, load_instrumentors=False))
        from opentelemetry.instrumentation.logging import LoggingInstrumentor
        LoggingInstrumentor().instrument(set_logging_format=True, logging_format="%(otelTraceID)s %(message)s")
        with stage_span("s") as span:
            logging.error("here")
        assert len(providers.memory.logs.get_finished_logs()) == 1
        """,
    )
    # The instrumentation's own handler fails at exit on Python 3.12.0 to 3.12.2, also without us.
    trace_id, message = ended.stderr.splitlines()[0].split()
    assert (len(trace_id), message, ended.code) == (32, "here", 0)
