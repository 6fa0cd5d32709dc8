"""Workers that Dask and Ray start, set up by one line or by none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = [pytest.mark.e2e, pytest.mark.distributed]

PROGRAM = str(Path(__file__).parent / "process_programs" / "clusters.py")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("cluster", ["dask", "preloaded", "ray"])
def test_what_workers_record_arrives_under_their_own_name(
    run_program: Any, receiver: OtlpReceiver, cluster: str
) -> None:
    """Each piece of work's span is there once, from the process that did it, in the run that asked for it."""
    pytest.importorskip("ray" if cluster == "ray" else "distributed")
    done = run_program(
        PROGRAM,
        cluster,
        receiver=receiver,
        instrumented=False,
        environ={"CODEANATOMY_RUN_ID": "run-1"},
    )
    assert done.code == 0, done.stderr
    work = receiver.telemetry.spans_named("work")
    assert sorted(str(span.attributes["number"]) for span in work) == ["0", "1", "2", "3"]
    assert {str(span.attributes["pid"]) for span in work} == set(done.stdout.split())
    for span in work:
        assert span.resource.attributes["process.pid"] == span.attributes["pid"]
        assert span.attributes["codeanatomy.run_id"] == "run-1"
