"""The distro: the environment it leaves for others, and the instrumentors it loads."""

from __future__ import annotations

import os

import pytest
from opentelemetry.instrumentation.dependencies import DependencyConflict, DependencyConflictError

from codeanatomy_distro.distro import CodeAnatomyDistro, hide_instrumentors, show_instrumentors, take_flags


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the test an environment of its own."""
    own = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr(os, "environ", own)
    return own


def test_only_what_the_user_left_unset_is_set(environment: dict[str, str]) -> None:
    """The distro names itself, its configurator and a run id, and changes nothing that the user set well."""
    environment |= {"OTEL_PYTHON_CONFIGURATOR": "codeanatomy", "CODEANATOMY_RUN_ID": "mine", "OTEL_SERVICE_NAME": "x"}
    before = dict(environment)
    CodeAnatomyDistro().configure()
    assert environment == {**before, "OTEL_PYTHON_DISTRO": "codeanatomy"}


def test_a_run_gets_an_id_that_its_processes_inherit(environment: dict[str, str]) -> None:
    """Without a run id the process makes one, for itself and those it starts."""
    CodeAnatomyDistro().configure()
    assert len(environment["CODEANATOMY_RUN_ID"]) == 36


def test_a_bad_value_is_mended_for_those_who_read_it_themselves(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """What OpenTelemetry packages would stumble over is told, and replaced by what is used."""
    environment |= {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "a-test-of-the-distro",
        "OTEL_PYTHON_EXCLUDED_URLS": "health,[",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "http,db",
        "OTEL_PYTHON_CONFIGURATOR": "bogus",
    }
    CodeAnatomyDistro().configure()
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" not in environment
    assert environment["OTEL_PYTHON_EXCLUDED_URLS"] == "health"
    assert environment["OTEL_SEMCONV_STABILITY_OPT_IN"] == "http,database"
    assert environment["OTEL_PYTHON_CONFIGURATOR"] == "codeanatomy"
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT='a-test-of-the-distro' is ignored: expected a whole number" in caplog.text


def test_off_means_off(environment: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """With the SDK disabled nothing is read, told or mended, and there is no run."""
    environment |= {"OTEL_SDK_DISABLED": "True", "OTEL_BSP_MAX_QUEUE_SIZE": "abc"}
    CodeAnatomyDistro().configure()
    assert environment["OTEL_BSP_MAX_QUEUE_SIZE"] == "abc"
    assert "CODEANATOMY_RUN_ID" not in environment
    assert not caplog.records


def test_flags_become_variables() -> None:
    """A flag of ours wins over the variable, and leaves nothing behind."""
    environ = {
        "OTEL_CODEANATOMY_OTEL_PROFILE": "ci",
        "CODEANATOMY_OTEL_PROFILE": "production",
        "OTEL_LOG_LEVEL": "info",
    }
    take_flags(environ)
    assert environ == {"CODEANATOMY_OTEL_PROFILE": "ci", "OTEL_LOG_LEVEL": "info"}


@pytest.mark.parametrize("given", [None, "", "requests, flask"])
def test_what_is_hidden_from_the_command_comes_back(environment: dict[str, str], given: str | None) -> None:
    """Names are added to what the user disabled until they are shown again; then the variable is as it was."""
    name = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    if given is not None:
        environment[name] = given
    before = dict(environment)
    hide_instrumentors(["datafusion"])
    hide_instrumentors(["hamilton"])
    shown = [one.strip() for one in environment[name].split(",")]
    assert shown[-2:] == ["datafusion", "hamilton"]
    assert shown[:-2] == ["requests", "flask"] * bool(given)
    show_instrumentors()
    show_instrumentors()
    assert environment == before


class _Entry:
    """An entry point of an instrumentor that notes what it was called with."""

    def __init__(self, name: str, error: BaseException | None = None) -> None:
        self.name = name
        self.error = error
        self.loaded = 0

    def load(self) -> object:
        self.loaded += 1
        entry = self

        class Instrumentor:
            def instrument(self, **_: object) -> None:
                if entry.error is not None:
                    raise entry.error

        return Instrumentor


@pytest.mark.parametrize("name", ["logging", "system_metrics", "requests"])
def test_what_the_settings_leave_out_is_not_loaded(environment: dict[str, str], name: str) -> None:
    """Instrumentors that are disabled, or whose work the distro does, are not even imported."""
    environment["OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"] = "requests"
    entry = _Entry(name)
    CodeAnatomyDistro().load_instrumentor(entry)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert entry.loaded == 0


def test_a_profile_loads_system_metrics(environment: dict[str, str]) -> None:
    """What a profile switches on is loaded."""
    environment["CODEANATOMY_OTEL_PROFILE"] = "development"
    entry = _Entry("system_metrics")
    CodeAnatomyDistro().load_instrumentor(entry)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert entry.loaded == 1


@pytest.mark.parametrize("error", [RuntimeError("no"), SystemExit("no")], ids=["RuntimeError", "SystemExit"])
def test_an_instrumentor_that_fails_is_told_and_stops_no_other(
    caplog: pytest.LogCaptureFixture, error: BaseException
) -> None:
    """A failure of one instrumentor is one warning, after which the next is loaded; it can't end the program either."""
    distro = CodeAnatomyDistro()
    distro.load_instrumentor(_Entry("broken", error))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert [record.getMessage() for record in caplog.records] == [
        f"instrumentor 'broken' failed and is left out: {type(error).__name__}: no"
    ]


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("x"), DependencyConflictError(DependencyConflict("x >= 1", "x 0"))]
)
def test_a_library_that_is_missing_is_the_callers_to_skip(error: Exception) -> None:
    """The two errors that mean a missing library reach the caller, which knows them."""
    with pytest.raises(type(error)):
        CodeAnatomyDistro().load_instrumentor(_Entry("x", error))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
