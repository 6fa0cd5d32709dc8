"""A carrier takes the place in a trace, the root span and the run id to where the work is done, as plain text."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context, trace

from codeanatomy_distro.obs.run_context import get_run_id, run_context
from codeanatomy_distro.obs.tracing import get_root_span_context, root_span
from codeanatomy_distro.obs.worker_context import Carrier, attached, capture, create_carrier, parent_context, root_of


def test_round_trip(telemetry: Any) -> None:
    """A thread that is given nothing but the pickled carrier works under the same span, root and run id."""

    def work(blob: bytes) -> Any:
        with attached(pickle.loads(blob)):
            inside = trace.get_current_span().get_span_context(), get_root_span_context(), get_run_id()
        return inside, (context.get_current(), get_run_id())

    with run_context("run-7"), root_span("top") as span:
        carrier = capture()
        assert carrier is not None
        with ThreadPoolExecutor(1) as pool:
            (parent, root, run_id), (after, run_id_after) = pool.submit(work, pickle.dumps(carrier)).result()
    expected = span.get_span_context()
    assert (parent.trace_id, parent.span_id, parent.is_remote) == (expected.trace_id, expected.span_id, True)
    assert (root.trace_id, root.span_id) == (expected.trace_id, expected.span_id)
    assert run_id == "run-7"
    assert after == {}
    assert run_id_after == telemetry.run_id  # the process's own


def test_nothing_to_carry() -> None:
    """Where there is no span, no root and no run id there is no carrier, and none attached changes nothing."""
    if get_run_id() is None:
        assert capture() is None
    with attached(None):
        assert context.get_current() == {}


def test_fields_are_plain_text(telemetry: Any) -> None:
    """A carrier holds texts alone, so that its fields load where we are not installed."""
    with root_span("top"):
        carrier = capture()
    assert carrier is not None
    assert all(type(field) is str for field in carrier)
    assert b"codeanatomy" not in pickle.dumps(tuple(carrier))


@given(st.builds(Carrier, st.text(), st.text(), st.text(), st.text()))
def test_any_text_is_survived(carrier: Carrier) -> None:
    """Whatever the fields hold, attaching them neither raises nor leaves anything behind."""
    before = context.get_current()
    with attached(carrier):
        pass
    assert context.get_current() == before
    assert parent_context(carrier) is not None
    root = root_of(carrier)
    assert root is None or root.is_valid


def test_create_carrier_without_parts() -> None:
    """A place without span, root or run id has empty fields."""
    assert create_carrier(context.Context(), None, None) == Carrier()
