"""The collector of diagnostics: emits everything, keeps a bounded copy."""

from __future__ import annotations

import threading
from typing import Any

from codeanatomy_distro.obs.diagnostics import Diagnostic, DiagnosticsCollector


def test_events_and_artifacts_are_emitted_and_kept(telemetry: Any) -> None:
    """Each is emitted at once and can be read back by its kind, oldest first."""
    collector = DiagnosticsCollector()
    collector.record_event("a", {"n": 1})
    collector.record_artifact("b")
    collector.record_event("c")
    assert collector.events() == [Diagnostic("a", "event", {"n": 1}), Diagnostic("c", "event")]
    assert collector.artifacts() == [Diagnostic("b", "artifact")]
    assert [record.log_record.body for record in telemetry.logs()] == ["a", "b", "c"]


def test_the_kept_copy_is_the_programs_no_more(telemetry: Any) -> None:
    """Changing the payload, or the list that was returned, changes nothing that is kept."""
    collector = DiagnosticsCollector()
    payload = {"n": 1}
    collector.record_event("a", payload)
    payload["n"] = 2
    collector.events().clear()
    assert collector.events()[0].payload == {"n": 1}


def test_beyond_the_capacity_is_emitted_and_not_kept(telemetry: Any) -> None:
    """A collector of a long run keeps its first events only, and emits all."""
    collector = DiagnosticsCollector(capacity=3)
    for number in range(5):
        collector.record_event(str(number))
    assert [event.name for event in collector.events()] == ["0", "1", "2"]
    assert len(telemetry.logs()) == 5


def test_threads_share_one_collector(telemetry: Any) -> None:
    """Nothing is lost when threads record at once."""
    collector = DiagnosticsCollector(capacity=150)
    threads = [
        threading.Thread(target=lambda: [collector.record_event("e") for _ in range(50)], daemon=True) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(collector.events()) == 150
    assert len(telemetry.logs()) == 200
