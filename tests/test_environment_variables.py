"""The names and flags of `opentelemetry-instrument`, and the distro that it is made to choose."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.environment_variables import is_without_flags
from codeanatomy_distro.variable_names import flag, names_of_others, undeclared_names, unknown_names

COMMAND = "import sys; from opentelemetry.instrumentation.auto_instrumentation import run; run()"


def _command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], env=environ, capture_output=True, text=True, timeout=60, check=True
    )


def test_every_setting_is_a_flag_of_the_command() -> None:
    """`opentelemetry-instrument --help` lists a flag for each variable of the table, once."""
    words = _command("--help").stdout.split()
    for setting in settings.TABLE:
        name = setting.name if setting.name.startswith("OTEL_") else f"OTEL_{setting.name}"
        assert f"--{flag(name)}" in words, name


def test_no_flag_is_declared_twice() -> None:
    """A flag that two modules declare would keep the command from starting any program."""
    ours = [flag(name) for name in undeclared_names()]
    assert len(ours) == len(set(ours))
    assert not set(ours) & {flag(name) for name in names_of_others()}


def test_a_flag_reaches_the_program() -> None:
    """A flag of ours sets our variable in the program, and wins over the variable."""
    program = "import os; print(os.environ['CODEANATOMY_RUN_ID'], os.environ.get('OTEL_CODEANATOMY_RUN_ID'))"
    flags = ["--codeanatomy_run_id", "flag", "--traces_exporter", "none", "--metrics_exporter", "none"]
    done = _command(*flags, "--logs_exporter", "none", sys.executable, "-c", program, CODEANATOMY_RUN_ID="variable")
    assert (done.stdout, done.stderr) == ("flag None\n", "")


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({}, "codeanatomy None"),
        ({"OTEL_PYTHON_DISTRO": " "}, "codeanatomy None"),
        ({"OTEL_PYTHON_DISTRO": "codeanatomy"}, "codeanatomy codeanatomy"),
        ({"OTEL_PYTHON_DISTRO": "bogus"}, "codeanatomy None"),
        ({"OTEL_PYTHON_CONFIGURATOR": "codeanatomy"}, "codeanatomy codeanatomy"),
    ],
)
def test_importing_the_module_chooses(variables: dict[str, str], chosen: str) -> None:
    """The module names our distro unless the user named one, and completes half a choice."""
    program = (
        "import os, codeanatomy_distro.environment_variables; "
        "print(os.environ.get('OTEL_PYTHON_DISTRO'), os.environ.get('OTEL_PYTHON_CONFIGURATOR'))"
    )
    environ = {"PATH": os.environ["PATH"], **variables}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == chosen
    assert len(done.stderr.splitlines()) == (variables.get("OTEL_PYTHON_DISTRO") == "bogus")


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["/env/bin/opentelemetry-instrument", "python", "-h"], True),
        (["opentelemetry-instrument.exe", "python"], True),
        (["opentelemetry-instrument", "--traces_exporter", "none", "python"], False),
        (["opentelemetry-instrument"], False),
        (["pytest", "tests"], False),
        ([], False),
    ],
)
def test_a_command_without_flags_is_told(arguments: list[str], without: bool) -> None:  # noqa: FBT001 - the expectation
    """What the command is given before the program decides, not what the program is given."""
    assert is_without_flags(arguments) is without


def test_without_flags_the_table_is_not_even_read() -> None:
    """The command that only starts a program chooses our distro, and loads no settings for it."""
    program = (
        "import os, sys; sys.argv = ['opentelemetry-instrument', 'python']\n"
        "import codeanatomy_distro.environment_variables as names\n"
        "print(os.environ['OTEL_PYTHON_DISTRO'], 'codeanatomy_distro.settings' in sys.modules, "
        "[name for name in dir(names) if name.startswith('OTEL_')])"
    )
    environ = {"PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("codeanatomy False []\n", "")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("OTEL_TRACES_SAMPLR", "OTEL_TRACES_SAMPLER"),
        ("OTEL_EXPORTER_OTLP_ENDPONT", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("CODEANATOMY_OTEL_PROFIL", "CODEANATOMY_OTEL_PROFILE"),
        ("CODEANATOMY_HOUSE_OF_CARDS", None),
    ],
)
def test_an_unknown_name_is_found_with_the_nearest(name: str, nearest: str | None) -> None:
    """A name that nothing reads is found, with the one that was probably meant."""
    assert unknown_names([name]) == {name: nearest}


def test_known_names_are_not_flagged() -> None:
    """Our variables, those of other packages, those of instrumentors and other people's are no findings."""
    known = [
        *settings.by_name(),
        "OTEL_PYTHON_REQUESTS_EXCLUDED_URLS",
        "OTEL_PYTHON_TRACER_PROVIDER",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST",
        "OTEL_PYTHON_LOG_FORMAT",
        "OTEL_CODEANATOMY_OTEL_PROFILE",
        "PATH",
    ]
    assert unknown_names(known) == {}
