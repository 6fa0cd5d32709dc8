"""Errors: told on each span that they pass, recorded and counted once, whatever they are."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from codeanatomy_distro.obs.errors import (
    error_type,
    identify_error,
    is_failure,
    mark_told,
    record_error,
    stacktrace,
)
from codeanatomy_distro.obs.tracing import active_span

SCOPE = "codeanatomy.execution"


class OwnError(Exception):
    pass


class Silent(Exception):  # noqa: N818 - named for what it does
    """Has no text."""

    def __str__(self) -> str:
        message = "no text"
        raise RuntimeError(message)


def counted(telemetry: Any) -> int:
    return sum(point.data.value for point in telemetry.metrics("codeanatomy.error.count"))


def events(telemetry: Any) -> int:
    return sum(len(span.events) for span in telemetry.spans())


def fail(error: BaseException) -> None:
    raise error


def test_an_error_is_told_by_each_span_and_counted_once(telemetry: Any) -> None:
    """Of three nested spans all have the status and the type, the innermost the event, and one error is counted."""
    with (
        pytest.raises(OwnError, match="bad"),
        active_span("outer", scope=SCOPE),
        active_span("middle", scope=SCOPE),
        active_span("inner", scope=SCOPE),
    ):
        fail(OwnError("bad"))
    for name in ("outer", "middle", "inner"):
        span = telemetry.span(name)
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "OwnError: bad"
        assert span.attributes["error.type"] == f"{__name__}.OwnError"
    assert [event.name for event in telemetry.span("inner").events] == ["exception"]
    attributes = telemetry.span("inner").events[0].attributes
    assert attributes["exception.type"] == f"{__name__}.OwnError"
    assert attributes["exception.message"] == "bad"
    assert "in fail\n" in attributes["exception.stacktrace"]
    assert events(telemetry) == 1
    (point,) = telemetry.metrics("codeanatomy.error.count")
    assert point.data.value == 1
    assert point.attributes["error_type"] == f"{__name__}.OwnError"
    assert point.attributes["stage"] == "none"


def test_repeated_errors_are_each_counted(telemetry: Any) -> None:
    """The same line failing ten times gives ten errors, also where the interpreter reuses the address of the last."""
    for _ in range(10):
        with contextlib.suppress(ValueError), active_span("attempt", scope=SCOPE):
            fail(ValueError("again"))
    assert counted(telemetry) == 10
    assert events(telemetry) == 10


def test_an_error_object_raised_twice_is_two_errors(telemetry: Any) -> None:
    """One exception object that two attempts raise is counted for each."""
    error = ValueError("kept")
    for _ in range(2):
        with contextlib.suppress(ValueError), active_span("attempt", scope=SCOPE):
            fail(error)
    assert counted(telemetry) == 2


def test_a_span_in_the_handler_does_not_count_the_error_again(telemetry: Any) -> None:
    """An error that is raised again after a roll-back with a span of its own is still counted once."""
    with pytest.raises(OwnError), active_span("outer", scope=SCOPE):  # noqa: PT012 - the handler is the point
        try:
            with active_span("inner", scope=SCOPE):
                fail(OwnError("bad"))
        except OwnError:
            with active_span("roll back", scope=SCOPE):
                pass
            raise
    assert counted(telemetry) == 1
    assert events(telemetry) == 1


def test_an_error_in_the_handler_is_another_one(telemetry: Any) -> None:
    """An error raised while another is handled is counted too, and neither twice."""
    with pytest.raises(OwnError), active_span("outer", scope=SCOPE):  # noqa: PT012 - the handler is the point
        try:
            with active_span("inner", scope=SCOPE):
                fail(OwnError("first"))
        except OwnError:
            with contextlib.suppress(KeyError), active_span("roll back", scope=SCOPE):
                fail(KeyError("second"))
            raise
    assert counted(telemetry) == 2
    assert events(telemetry) == 2


def test_an_error_told_elsewhere_is_not_counted_here(telemetry: Any) -> None:
    """What another thread has told is, once marked, told by the span here without a second event or count."""

    def work() -> None:
        with active_span("in the thread", scope=SCOPE):
            fail(OwnError("bad"))

    with ThreadPoolExecutor(1) as pool, pytest.raises(OwnError), active_span("outer", scope=SCOPE):  # noqa: PT012
        try:
            pool.submit(work).result()
        except OwnError as error:
            mark_told(error)
            raise
    assert telemetry.span("outer").status.status_code is StatusCode.ERROR
    assert counted(telemetry) == 1
    assert events(telemetry) == 1


def test_an_error_is_counted_once_across_tasks(telemetry: Any) -> None:
    """An error that a task of its own has told, two spans deep, is not told again by the span that awaits the task."""

    async def work() -> None:
        with active_span("in the task", scope=SCOPE), active_span("deep in the task", scope=SCOPE):
            fail(OwnError("bad"))

    async def gather() -> None:
        with active_span("outer", scope=SCOPE):
            await asyncio.gather(work())

    with pytest.raises(OwnError):
        asyncio.run(gather())
    assert {span.status.status_code for span in telemetry.spans()} == {StatusCode.ERROR}
    assert counted(telemetry) == 1
    assert [len(telemetry.span(name).events) for name in ("deep in the task", "in the task", "outer")] == [1, 0, 0]


def test_repeated_errors_of_tasks_are_each_counted(telemetry: Any) -> None:
    """Tasks that fail on the same line one after the other count an error each, under one span that handles them."""

    async def work() -> None:
        with active_span("in the task", scope=SCOPE):
            fail(ValueError("again"))

    async def retry() -> None:
        with active_span("outer", scope=SCOPE):
            for _ in range(10):
                await asyncio.gather(work(), return_exceptions=True)

    asyncio.run(retry())
    assert counted(telemetry) == 10
    assert events(telemetry) == 10


def test_identity_crosses_threads() -> None:
    """An error has one identity where it is raised and where its future gives it back."""
    found: list[object] = []

    def work() -> None:
        try:
            fail(OwnError("bad"))
        except OwnError as error:
            found.append(identify_error(error))
            raise

    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(work).exception()
    assert error is not None
    assert [identify_error(error)] == found
    assert identify_error(OwnError("never raised"))[1:] == (0, 0)


def test_telling_leaves_the_error_alone(telemetry: Any) -> None:
    """A told error has the same attributes and pickle as before, and its frames are not kept alive."""

    class Held:
        pass

    alive: list[weakref.ref[Any]] = []

    def hold() -> None:
        held = Held()
        alive.append(weakref.ref(held))
        with active_span("s", scope=SCOPE):
            fail(ValueError("bad"))

    with pytest.raises(ValueError, match="bad") as caught:
        hold()
    error = caught.value
    assert vars(error) == {}
    assert pickle.loads(pickle.dumps(error)).args == ("bad",)
    error.__traceback__ = None
    del caught, error
    gc.collect()
    assert alive[0]() is None


@pytest.mark.parametrize(
    "error", [Silent(), UnicodeError("\udcff"), OSError(2, "gone", "caf\udce9.txt"), ValueError("\0")]
)
def test_hostile_errors_pass_unchanged(telemetry: Any, error: Exception) -> None:
    """An error whose text fails or can't be encoded reaches the program as it is, and its span can be sent."""
    with pytest.raises(type(error)) as caught, active_span("s", scope=SCOPE):
        raise error
    assert caught.value is error
    span = telemetry.span("s")
    texts: list[Any] = [span.status.description, *(span.events[0].attributes or {}).values()]
    assert all(text.encode("utf-8") for text in texts)
    assert counted(telemetry) == 1


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (SystemExit(), False),
        (SystemExit(None), False),
        (SystemExit(0), False),
        (SystemExit(False), False),  # noqa: FBT003 - a program may leave so
        (GeneratorExit(), False),
        (SystemExit(1), True),
        (SystemExit(""), True),
        (SystemExit("text"), True),
        (SystemExit([1]), True),
        (SystemExit({}), True),
        (KeyboardInterrupt(), True),
        (ValueError(), True),
    ],
)
def test_what_is_a_failure(telemetry: Any, error: BaseException, failed: bool) -> None:  # noqa: FBT001 - the expectation
    """Leaving with success and closing a generator are none; any other error, and any other exit code, is."""
    assert is_failure(error) is failed
    with pytest.raises(type(error)) as caught, active_span("s", scope=SCOPE):
        raise error
    assert caught.value is error
    assert (telemetry.span("s").status.status_code is StatusCode.ERROR) is failed
    assert counted(telemetry) == int(failed)


@given(st.integers() | st.text() | st.none() | st.lists(st.integers()) | st.floats() | st.booleans())
def test_exit_codes_are_judged_as_the_interpreter_does(code: Any) -> None:
    """Only None and an integer of 0 leave a process with success."""
    assert is_failure(SystemExit(code)) is not (code is None or (isinstance(code, int) and code == 0))


def test_named_kind_and_stage(telemetry: Any) -> None:
    """The kind that is given stands in place of the class, on span and metric; the stage goes on the metric."""
    with active_span("s", scope=SCOPE) as span:
        try:
            fail(OwnError("bad"))
        except OwnError as error:
            record_error(span, error, kind="SchemaError", stage="build")
    assert telemetry.span("s").attributes["error.type"] == "SchemaError"
    (point,) = telemetry.metrics("codeanatomy.error.count")
    assert (point.attributes["error_type"], point.attributes["stage"]) == ("SchemaError", "build")


def test_error_type_names_the_module() -> None:
    """A built-in error has its bare name, any other its module's as well."""
    assert error_type(ValueError()) == "ValueError"
    assert error_type(OwnError()) == f"{__name__}.OwnError"


def test_stacktrace_is_what_the_interpreter_prints() -> None:
    """It shows the error, its cause and the line; deep recursion and a broken text don't stop it."""
    with pytest.raises(OwnError) as caught:  # noqa: PT012 - the cause is the point
        try:
            fail(KeyError("cause"))
        except KeyError as cause:
            raise OwnError from cause
    text = stacktrace(caught.value)
    assert "KeyError: 'cause'" in text
    assert "direct cause" in text
    assert "Silent" in stacktrace(Silent())

    def endless() -> None:
        endless()

    with pytest.raises(RecursionError) as deep:
        endless()
    assert "RecursionError" in stacktrace(deep.value)
