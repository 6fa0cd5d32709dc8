"""With `opentelemetry-distro` beside us: who is chosen on each way of starting, in both orders of the directories."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

OURS: Final = "codeanatomy-distro"
THEIRS: Final = "opentelemetry-distro"
ORDERS: Final = ("theirs first", "ours first")
COMMAND: Final = "import sys; from opentelemetry.instrumentation.auto_instrumentation import run; run()"
PROGRAM: Final = """
from opentelemetry import trace
resource = getattr(trace.get_tracer_provider(), "resource", None)
attributes = resource.attributes if resource is not None else {}
print(attributes.get("telemetry.distro.name") or ("another" if attributes else "nobody"))
"""
INITIALIZE: Final = "from opentelemetry.instrumentation.auto_instrumentation import initialize; initialize()\n"
QUIET: Final = {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")}


@dataclass(frozen=True)
class Environment:
    """A fresh environment with both distros, in one order."""

    python: Path
    program: Path
    initializing: Path

    def run(self, route: str, **variables: str) -> tuple[str, list[str]]:
        """Start the program on `route`; return who set up its telemetry, and the lines on stderr."""
        environ = {**QUIET, **variables, "PATH": str(self.python.parent)}
        command = [str(self.python), str(self.initializing if route == "initialize" else self.program)]
        if route == "command":
            command = [str(self.python), "-c", COMMAND, *command]
        elif route == "PYTHONPATH":
            environ["PYTHONPATH"] = str(Path(_packages()) / "opentelemetry/instrumentation/auto_instrumentation")
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
        # What upstream says of a logging handler of its own, under its own distro, is not ours to judge; on Python 3.12
        # that handler fails at exit.
        said = [line for line in done.stderr.splitlines() if "OTEL_PYTHON_" in line or "Error" in line]
        return done.stdout.strip(), [line for line in said if "can't create new thread at" not in line]


def _packages() -> str:
    return sysconfig.get_path("purelib")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the other distro alone into a folder: the version of the instrumentation package that is here."""
    folder = tmp_path_factory.mktemp("theirs")
    wanted = f"{THEIRS}=={version('opentelemetry-instrumentation')}"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), wanted], check=True
    )
    return folder


@pytest.fixture(scope="module", params=ORDERS)
def environment(request: pytest.FixtureRequest, theirs: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Make a fresh environment that sees the packages of this one, with the other distro before or after them."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    ours = f"import site; site.addsitedir({_packages()!r})"
    lines = [str(theirs), ours] if request.param == "theirs first" else [ours, str(theirs)]
    site = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (site / "both.pth").write_text("\n".join(lines), encoding="utf-8")
    program, initializing = folder / "program.py", folder / "initializing.py"
    program.write_text(PROGRAM, encoding="utf-8")
    initializing.write_text(INITIALIZE + PROGRAM, encoding="utf-8")
    found = subprocess.run(
        [
            str(folder / "bin/python"),
            "-c",
            (
                "from importlib.metadata import entry_points as all_of; "
                "print([one.name for one in all_of(group='opentelemetry_distro')])"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == (
        "['distro', 'codeanatomy']" if request.param == "theirs first" else "['codeanatomy', 'distro']"
    )
    return Environment(folder / "bin/python", program, initializing)


def test_the_command_takes_ours_in_either_order(environment: Environment) -> None:
    """`opentelemetry-instrument` with no selection variable uses our distro, and says nothing."""
    assert environment.run("command") == (OURS, [])


@pytest.mark.parametrize("route", ["PYTHONPATH", "initialize"])
def test_the_other_routes_take_the_first_and_say_so(
    environment: Environment, route: str, request: pytest.FixtureRequest
) -> None:
    """Where the command is skipped the first that is found wins; if that is the other, we say so, with the cure."""
    who, lines = environment.run(route)
    if "ours first" in request.node.name:
        assert (who, lines) == (OURS, [])
    else:
        assert who != OURS
        assert len(lines) == 1
        assert "OTEL_PYTHON_DISTRO=codeanatomy and OTEL_PYTHON_CONFIGURATOR=codeanatomy" in lines[0]


@pytest.mark.parametrize("route", ["command", "PYTHONPATH", "initialize"])
def test_the_cure_works(environment: Environment, route: str) -> None:
    """With both variables naming us, ours is used on every route, and nothing is said."""
    both = {"OTEL_PYTHON_DISTRO": "codeanatomy", "OTEL_PYTHON_CONFIGURATOR": "codeanatomy"}
    assert environment.run(route, **both) == (OURS, [])


@pytest.mark.parametrize("route", ["command", "PYTHONPATH", "initialize"])
def test_the_users_own_choice_is_obeyed(environment: Environment, route: str) -> None:
    """A user who names the other distro gets it on every route, and no word about it from us."""
    who, lines = environment.run(route, OTEL_PYTHON_DISTRO="distro", OTEL_PYTHON_CONFIGURATOR="configurator")
    assert who != OURS
    assert [line for line in lines if "codeanatomy-distro" in line] == []


@pytest.mark.parametrize("chosen", [{"OTEL_PYTHON_DISTRO": "distro"}, {"OTEL_PYTHON_CONFIGURATOR": "configurator"}])
def test_half_a_choice_is_made_whole(environment: Environment, chosen: dict[str, str]) -> None:
    """Who names the other distro alone, or its configurator alone, gets both from the same package."""
    who, lines = environment.run("command", **chosen)
    assert who != OURS
    assert [line for line in lines if "codeanatomy-distro" in line] == []


@pytest.mark.parametrize("name", ["OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"])
def test_a_name_that_does_not_exist_is_said_aloud(environment: Environment, name: str) -> None:
    """A name that nothing bears is told in one line, and ours takes its place."""
    who, lines = environment.run("command", **{name: "bogus"})
    assert who == OURS
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}='bogus' is ignored: no ")


@pytest.mark.parametrize("route", ["PYTHONPATH", "initialize"])
@pytest.mark.parametrize("name", ["OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR"])
def test_a_name_that_does_not_exist_is_said_aloud_on_the_other_routes(
    environment: Environment, name: str, route: str
) -> None:
    """Also where the command is skipped, and whoever was found, the name is told in one line of ours."""
    _, lines = environment.run(route, **{name: "bogus"})
    assert len([line for line in lines if line.startswith(f"{name}='bogus' is ignored")]) == 1


def test_flags_choose_too(environment: Environment) -> None:
    """A flag of the command is a choice of the user as well."""
    python = str(environment.python)
    command = [python, "-c", COMMAND, "--python_distro", "distro", "--python_configurator", "configurator"]
    if (
        "--distro"
        in subprocess.run([python, "-c", COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    ):
        command = [python, "-c", COMMAND, "--distro", "distro", "--configurator", "configurator"]
    done = subprocess.run(
        [*command, python, str(environment.program)], env=QUIET, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() != OURS
