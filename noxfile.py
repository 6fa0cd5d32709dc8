"""Every task of the project; `nox --list` shows them. Python versions and dependencies are read from pyproject.toml."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.download_python = "never"  # a Python that is not installed is skipped, not fetched
nox.options.sessions = ["tests"]
nox.options.error_on_external_run = True

PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OLDEST = PYTHONS[0]
TEST_GROUP = nox.project.dependency_groups(PROJECT, "test")
LINT_GROUP = nox.project.dependency_groups(PROJECT, "lint")
TYPING_GROUP = nox.project.dependency_groups(PROJECT, "typing")
DOCS_GROUP = nox.project.dependency_groups(PROJECT, "docs")
COLLECTOR_GROUP = nox.project.dependency_groups(PROJECT, "collector")
PLUGINS_GROUP = nox.project.dependency_groups(PROJECT, "plugins")
DISTRIBUTED_GROUP = nox.project.dependency_groups(PROJECT, "distributed")
# Tests share no state between processes, so each core takes its part. A debugger wants `-- -n 0`.
PARALLEL = ("--numprocesses", "auto")
# What a session of its own runs, for it needs more than Python: the Collector, Dask and Ray, the Hamilton UI.
ELSEWHERE = "not distributed and not hamilton_ui"
UNIT = (*PARALLEL, "--ignore=tests/collector", "-m", f"not e2e and {ELSEWHERE}")
# The matrices of workers, faults and ways to leave: minutes of processes that wait for each other.
PROCESSES = tuple(f"tests/e2e/test_{name}.py" for name in ("processes", "forking", "faults", "recovery", "leaving"))
IGNORED = tuple(f"--ignore={path}" for path in PROCESSES)
END_TO_END = (*PARALLEL, "--ignore=tests/collector", *IGNORED, "-m", f"e2e and {ELSEWHERE}")
BOTH = ("--ignore=tests/collector", "-m", ELSEWHERE)
# What depends on the release of the observed libraries.
INSTRUMENTED = (
    "tests/instrumentation",
    "tests/examples",
    "tests/e2e/test_pipeline.py",
    "tests/e2e/test_hamilton_executors.py",
)
EXAMPLES = str(Path("examples").resolve())


def _install(session: nox.Session, *requirements: str) -> None:
    """Install the project and `requirements`."""
    session.install("-e", ".[cli]", *requirements)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the unit tests, in under a minute."""
    _install(session, *TEST_GROUP)
    session.run("pytest", *UNIT, *session.posargs)


@nox.session(python=PYTHONS)
def e2e(session: nox.Session) -> None:
    """Run real processes against a real OTLP receiver."""
    _install(session, *TEST_GROUP)
    session.run("pytest", *END_TO_END, *session.posargs)


@nox.session(python=PYTHONS)
def processes(session: nox.Session) -> None:
    """Run the matrices of workers, faults and ways to leave, against a real and a hostile receiver."""
    _install(session, *TEST_GROUP)
    # By file: each holds its runs for all of its tests. They wait more than they work. On a busy machine a program may
    # take minutes without hanging; each test has room for one that does, and is ended by the limit of `run_program`.
    options = ("--numprocesses=3", "--dist=loadfile", "--timeout=600")
    session.run("pytest", *options, *PROCESSES, "-m", ELSEWHERE, *session.posargs)


@nox.session(python=OLDEST)
def minimums(session: nox.Session) -> None:
    """Run the unit tests and one whole run on the oldest OpenTelemetry packages that we support."""
    oldest = [_oldest(requirement) for requirement in PROJECT["project"]["dependencies"]]
    # The file configuration is a package of the newest line alone; its tests skip where it is absent.
    group = [one for one in TEST_GROUP if "opentelemetry" not in one]
    session.install("-e", ".[cli]", *group, *oldest)
    session.run("pytest", *UNIT, *session.posargs)
    session.run("pytest", "tests/e2e/test_pipeline.py", "tests/e2e/test_imports.py")


@nox.session(python=OLDEST)
def libraries(session: nox.Session) -> None:
    """Run the tests of the instrumentors on the oldest DataFusion and on Hamilton under its older name."""
    group = [one for one in TEST_GROUP if not one.startswith(("datafusion", "apache-hamilton"))]
    _install(session, *group, "datafusion==43.*", "sf-hamilton==1.89.*")
    session.run("pytest", *PARALLEL, "-m", ELSEWHERE, *INSTRUMENTED, *session.posargs)


def _oldest(requirement: str) -> str:
    name, _, versions = requirement.partition(">=")
    oldest = versions.partition(",")[0]
    if "opentelemetry" not in name:
        return requirement
    return f"{name}=={oldest}" if "b" in oldest else f"{name}=={oldest}.*"  # a pre-release takes no wildcard


@nox.session
def coverage(session: nox.Session) -> None:
    """Measure what the unit and end-to-end tests reach together."""
    _install(session, *TEST_GROUP)
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *BOTH)
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and style."""
    session.install(*LINT_GROUP)
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("yamllint", "--strict", "tools", "mkdocs.yml", ".pre-commit-config.yaml")


@nox.session
def typing(session: nox.Session) -> None:
    """Check types, strictly, in all our Python."""
    _install(session, *TYPING_GROUP)
    session.run("pyright", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """Check that the generated pages are current and build the site; `-- write` makes the pages anew."""
    _install(session, *DOCS_GROUP)
    check = [] if "write" in session.posargs else ["--check"]
    session.run("python", "docs/generate.py", *check)
    session.run("mkdocs", "build", "--strict")


@nox.session
def demo(session: nox.Session) -> None:
    """Run the example pipeline on a real source tree and show its telemetry; `-- PATH` takes another tree."""
    _install(session, *nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["demo"])
    # Hamilton's own source is on every machine that runs this, and has import cycles to show.
    installed = Path(session.virtualenv.location).glob("lib/python*/site-packages/hamilton")
    tree = session.posargs[:1] or [str(path) for path in installed][:1]
    options = session.posargs[1:]
    out = session.create_tmp()
    session.run(
        "codeanatomy-otel", "report", "--html", f"{out}/run.html", "--",
        "python", "-m", "codeanatomy", *tree, "--output", f"{out}/product", *options,
        env={"PYTHONPATH": EXAMPLES, "CODEANATOMY_OTEL_ROOT_SPAN": "graph_product.build"},
    )  # fmt: skip
    session.log(f"The run as a page: {out}/run.html")


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks, each with its peer; `-- NAME` runs one."""
    _install(session, *TEST_GROUP)
    every = sorted(path.stem for path in Path("benchmarks").glob("*.py") if not path.stem.endswith(("peer", "soak")))
    for name in session.posargs or every:
        session.run("python", f"benchmarks/{name}.py")


@nox.session
def distributed(session: nox.Session) -> None:
    """Run the tests of the distributed executors on local Dask and Ray clusters."""
    _install(session, *TEST_GROUP, *DISTRIBUTED_GROUP)
    session.run("pytest", "-m", "distributed", *session.posargs, env={"DISTRIBUTED_REQUIRED": "1"})


@nox.session
def plugins(session: nox.Session) -> None:
    """Run real programs with exporters, instrumentors and propagators of other packages."""
    _install(session, *TEST_GROUP, *PLUGINS_GROUP)
    session.run("pytest", "tests/e2e/test_plugins.py", *session.posargs)


@nox.session
def settings_matrix(session: nox.Session) -> None:
    """Run a real program under every setting, pair and kind of value, for 45 minutes; `e2e` runs a sample."""
    _install(session, *TEST_GROUP)
    session.run("pytest", "tests/e2e/test_settings_matrix.py", *session.posargs, env={"SETTINGS_MATRIX": "full"})


@nox.session
def soak(session: nox.Session) -> None:
    """Export a million spans while the receiver comes and goes, for ten minutes."""
    _install(session, *TEST_GROUP)
    session.run("python", "benchmarks/soak.py", *session.posargs)


@nox.session
def hamilton_ui(session: nox.Session) -> None:
    """Run the tracker's tests against the real Hamilton UI server."""
    _install(session, *TEST_GROUP, "apache-hamilton-sdk>=0.9")
    session.run("pytest", "-m", "hamilton_ui", *session.posargs, env={"HAMILTON_UI_REQUIRED": "1"})


@nox.session
def collector(session: nox.Session) -> None:
    """Build the real Collector with Go into a cache outside the project, and test the configurations on it."""
    _install(session, *TEST_GROUP, *COLLECTOR_GROUP)
    session.run("python", "tools/otel/generate.py", "--check")
    required = {"OTELCOL_REQUIRED": "1"} if shutil.which("go") else {}
    # Without Go the builder says so and ends with 1; the tests that need the Collector then skip.
    session.run("python", "tools/otel/build_collector.py", success_codes=[0] if required else [0, 1])
    session.run("pytest", "tests/collector", *session.posargs, env={**required, **_promtool(session)})


def _promtool(session: nox.Session) -> dict[str, str]:
    """Return the variables with which tests find promtool: the installed one, else Debian's, unpacked into a cache."""
    if shutil.which("promtool"):
        return {"PROMTOOL_REQUIRED": "1"}
    if not shutil.which("apt-get"):
        session.warn("promtool is not installed: the checks of Prometheus' rules are skipped")
        return {}
    folder = Path(session.cache_dir).resolve() / "promtool"
    folder.mkdir(exist_ok=True)
    # Installing the package would take rights, and start a server.
    if not (folder / "usr/bin/promtool").exists():
        with session.chdir(folder):
            every = range(256)  # where it cannot be had, the tests say so and fail
            session.run("apt-get", "update", external=True, silent=True, success_codes=every)
            session.run("apt-get", "download", "prometheus", external=True, success_codes=every)
            for package in folder.glob("*.deb"):
                session.run("dpkg-deb", "--extract", str(package), ".", external=True)
    return {"PROMTOOL_REQUIRED": "1", "PATH": f"{os.environ['PATH']}{os.pathsep}{folder / 'usr/bin'}"}
