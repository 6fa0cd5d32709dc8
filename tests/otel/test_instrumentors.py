"""Which instrumentors load, and what one that can't be loaded does to the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.instrumentation.dependencies import DependencyConflict, DependencyConflictError
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from codeanatomy_distro.otel import instrumentors
from codeanatomy_distro.otel.config import OtelConfig
from codeanatomy_distro.otel.instrumentors import load_instrumentors, wanted

Make = Callable[..., OtelConfig]


@pytest.mark.parametrize(
    ("name", "environ", "expected"),
    [
        ("hamilton", {}, True),
        ("logging", {}, False),
        ("system_metrics", {}, False),
        ("system_metrics", {"CODEANATOMY_OTEL_SYSTEM_METRICS": "true"}, True),
        ("system_metrics", {"CODEANATOMY_OTEL_PROFILE": "development"}, True),
        ("hamilton", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "datafusion, hamilton"}, False),
        ("hamilton", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"}, False),
        ("hamilton", {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_what_is_wanted(
    config: Make,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    environ: dict[str, str],
    expected: bool,  # noqa: FBT001 - the expectation
) -> None:
    """The settings say which instrumentor loads, read from a configuration or from the environment alike."""
    assert wanted(name, config(**environ)) is expected
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert wanted(name) is expected


class Instrumentor:
    """Notes that it was asked, and answers as it was told to."""

    def __init__(self, name: str, asked: list[str], answer: BaseException | None = None) -> None:
        self.name = name
        self._asked = asked
        self._answer = answer
        self.is_instrumented_by_opentelemetry = name == "done_before"

    def load(self) -> Callable[[], Instrumentor]:
        """Return what makes it, as an entry point does."""
        return lambda: self

    def instrument(self, **options: Any) -> None:
        """Note that it was asked, and fail if it was told to."""
        assert options == {"raise_exception_on_conflict": True}
        self._asked.append(self.name)
        if self._answer is not None:
            raise self._answer


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have instrumentors of the test's own installed; give the names of those that were asked."""
    found: list[str] = []
    conflict = DependencyConflictError(DependencyConflict("theirs >= 1"))
    entries = [
        Instrumentor("fails", found, RuntimeError("boom")),
        Instrumentor("exits", found, SystemExit(9)),
        Instrumentor("conflicts", found, conflict),
        Instrumentor("missing", found, ModuleNotFoundError("theirs")),
        Instrumentor("done_before", found),
        Instrumentor("logging", found),
        Instrumentor("system_metrics", found),
        Instrumentor("datafusion", found),
        Instrumentor("hamilton", found),
    ]

    def installed(group: str) -> list[Instrumentor]:
        return entries

    monkeypatch.setattr(instrumentors, "entry_points", installed)
    return found


def test_ours_alone_by_default(config: Make, asked: list[str]) -> None:
    """A program that sets up telemetry itself gets our two instrumentors and no other."""
    load_instrumentors(config())
    assert asked == ["datafusion", "hamilton"]


def test_under_the_command_ours_load_once(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours are loaded ahead of the command; one that fails is told once and stops no other, and none is asked again."""
    monkeypatch.setattr(instrumentors, "_OURS", frozenset({"fails", "conflicts", "hamilton"}))
    monkeypatch.setattr(instrumentors, "_loaded", set[str]())
    monkeypatch.setenv("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "flask")
    names = instrumentors.load_ours()
    assert asked == ["fails", "conflicts", "hamilton"]
    assert set(names) == {"fails", "conflicts", "hamilton", "logging", "system_metrics"}
    assert all(instrumentors.is_loaded(name) for name in asked)
    assert [record.getMessage() for record in caplog.records] == [
        "instrumentor 'fails' failed and is left out: RuntimeError: boom"
    ]


def test_all_when_asked(config: Make, asked: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """With auto-instrumentation all are loaded; one that fails is told once, one without its library not at all."""
    with caplog.at_level(logging.INFO):
        load_instrumentors(config(CODEANATOMY_OTEL_AUTO_INSTRUMENTATION="true"))
    assert asked == ["fails", "exits", "conflicts", "missing", "datafusion", "hamilton"]
    assert [record.getMessage() for record in caplog.records] == [
        "instrumentor 'fails' failed and is left out: RuntimeError: boom",
        "instrumentor 'exits' failed and is left out: SystemExit: 9",
    ]


def test_a_real_one_without_its_library_says_nothing(
    config: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An instrumentor whose library is not installed leaves no line in the program's output."""

    class Theirs(BaseInstrumentor):
        def instrumentation_dependencies(self) -> list[str]:
            return ["no-such-library >= 1"]

        def _instrument(self, **_: Any) -> None:
            raise AssertionError

        def _uninstrument(self, **_: Any) -> None: ...

    class Entry:
        name = "datafusion"

        def load(self) -> type[Theirs]:
            return Theirs

    def installed(group: str) -> list[Entry]:
        return [Entry()]

    monkeypatch.setattr(instrumentors, "entry_points", installed)
    with caplog.at_level(logging.INFO):
        load_instrumentors(config())
    assert not caplog.records
