"""The tracker's parts without a server: profiles and their overrides, what values are cut to, and the sender."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeanatomy_distro.instrumentation.hamilton import tracker_sender
from codeanatomy_distro.instrumentation.hamilton.profiles import PROFILES, Limits, resolve_tracker
from codeanatomy_distro.instrumentation.hamilton.tracker_http import _plain  # pyright: ignore[reportPrivateUsage]
from codeanatomy_distro.instrumentation.hamilton.tracker_sender import Sender
from codeanatomy_distro.instrumentation.hamilton.tracker_values import REDACTED, cut

SERVER = {"HAMILTON_PROJECT_ID": "3", "HAMILTON_USERNAME": "me", "HAMILTON_API_URL": "http://localhost:8241/"}
CLOSED = Limits(capture_statistics=False, max_list_length=3, max_dict_length=2)
OPEN = Limits(capture_statistics=True, max_list_length=3, max_dict_length=2)


@pytest.mark.parametrize(("profile", "enabled"), [("dev", True), ("ci", False), ("prod", True), (None, False)])
def test_profiles(profile: str | None, enabled: bool) -> None:  # noqa: FBT001 - a column of the table
    """A profile decides whether runs are recorded and what may be sent; without one nothing is recorded."""
    environ = {**SERVER} if profile is None else {**SERVER, "HAMILTON_TELEMETRY_PROFILE": profile}
    options = resolve_tracker(environ)
    assert options.enabled is enabled
    assert options.limits == PROFILES[profile or "prod"][1]
    assert options.api_url == "http://localhost:8241"
    assert options.governs is (profile is not None)


def test_overrides() -> None:
    """Every figure of a profile can be overridden, and the prefixed variable wins over the other."""
    options = resolve_tracker(
        {
            **SERVER,
            "CODEANATOMY_HAMILTON_TELEMETRY_PROFILE": "ci",
            "HAMILTON_TELEMETRY_PROFILE": "dev",
            "HAMILTON_TRACKER_ENABLED": "true",
            "CODEANATOMY_HAMILTON_CAPTURE_DATA_STATISTICS": "true",
            "HAMILTON_CAPTURE_DATA_STATISTICS": "false",
            "CODEANATOMY_HAMILTON_MAX_LIST_LENGTH_CAPTURE": "7",
            "HAMILTON_MAX_LIST_LENGTH_CAPTURE": "9",
            "HAMILTON_MAX_DICT_LENGTH_CAPTURE": "8",
        }
    )
    assert options.enabled
    assert options.limits == Limits(capture_statistics=True, max_list_length=7, max_dict_length=8)


@pytest.mark.parametrize("missing", list(SERVER))
def test_off_without_a_server(missing: str) -> None:
    """Without a project, a user or an address nothing is recorded."""
    environ = {name: value for name, value in SERVER.items() if name != missing}
    assert not resolve_tracker({**environ, "HAMILTON_TELEMETRY_PROFILE": "prod"}).enabled


def test_cut() -> None:
    """Lists and dictionaries are cut, secrets left out, and values that may not be captured told by their kind."""
    value = {"numbers": [1, 2, 3, 4], "api_token": "abc", "cut off": 1}
    assert cut(value, OPEN) == {"numbers": [1, 2, 3], "api_token": REDACTED}
    assert cut(value, CLOSED) == {"numbers": ["(int)", "(int)", "(int)"], "api_token": REDACTED}
    assert cut("x" * 5000, OPEN) == "x" * 1000 + "..."
    assert cut("secret", CLOSED) == "(str)"
    assert cut(object(), OPEN) == "(object)"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda children: st.lists(children) | st.dictionaries(st.text() | st.integers(), children) | st.tuples(children),
    max_leaves=20,
)


@given(values)
def test_any_input_can_be_sent(value: Any) -> None:
    """Whatever an input is, what is sent of it is JSON and within the limits."""
    for limits in (OPEN, CLOSED):
        sent = cut(value, limits)
        json.dumps(_plain(sent), allow_nan=False)
        if isinstance(sent, (list, dict)):
            assert len(list(sent)) <= 3  # pyright: ignore[reportUnknownArgumentType]


def test_sender_order_and_close() -> None:
    """Jobs run in order on a daemon thread, and closing waits for those that are left."""
    sender = Sender("nowhere")
    done: list[tuple[int, bool]] = []
    for number in range(50):
        sender.send(lambda number=number: done.append((number, threading.current_thread().daemon)))
    sender.close()
    assert done == [(number, True) for number in range(50)]


def test_sender_gives_up_once(caplog: Any) -> None:
    """The first job that fails ends the sending, with one warning."""
    sender = Sender("nowhere")

    def fail() -> None:
        message = "gone"
        raise OSError(message)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            sender.send(fail)
        sender.close()
    assert not sender.alive
    assert [record.getMessage().count("gone") for record in caplog.records] == [1]


def test_sender_does_not_wait_for_a_silent_server(caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer holds up the end of the process for so long and no longer."""
    monkeypatch.setattr(tracker_sender, "_LONGEST_ANSWER_SECONDS", 0.2)
    sender = Sender("nowhere")
    answer = threading.Event()

    def ask() -> None:
        with sender.calling():
            answer.wait(20)

    sender.send(ask)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        sender.close()
    assert time.monotonic() - began < 0.7
    assert "does not answer" in caplog.text
    answer.set()


def test_sender_does_not_wait_for_a_slow_server(caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers each call, but slowly, holds up the end of the process for so long in all and no longer."""
    monkeypatch.setattr(tracker_sender, "_LONGEST_WAIT_SECONDS", 0.2)
    sender = Sender("nowhere")
    answered: list[int] = []

    def ask(number: int) -> None:
        with sender.calling():
            time.sleep(0.04)
        answered.append(number)

    for number in range(50):
        sender.send(lambda number=number: ask(number))
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        sender.close()
    assert time.monotonic() - began < 0.7
    assert 1 <= len(answered) <= 7
    assert caplog.text.count("does not answer in time") == 1
