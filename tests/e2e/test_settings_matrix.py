"""Every variable with every sort of value, on a real program: it runs, its telemetry arrives, each bad value is told.

By default a part of the matrix: all variables at once for each sort of value, a sample of the variables one by one, and
of the pairs. ``SETTINGS_MATRIX=full`` takes all of them.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from codeanatomy_distro.setting import Setting

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(0 if os.environ.get("SETTINGS_MATRIX") else 120)]

FULL: Final = os.environ.get("SETTINGS_MATRIX") == "full"
SAMPLE: Final = 28  # single variables
PAIRS_SAMPLE: Final = 6
LIMITS: Final = 2  # of counts and of lengths
ROOT: Final = Path(__file__).parents[2]

PROGRAM: Final = """
import logging, sys
from opentelemetry import metrics, trace
logging.getLogger("app").warning("a warning of the program")
metrics.get_meter("app").create_counter("app.count").add(1)
for number in range(100):  # enough for a tenth of them to be some
    trace.get_tracer("app").start_span("app.work").end()
print("done")
sys.exit(3)
"""

SORTS: Final = {
    "empty": "",
    "blank": " \t ",
    "junk": "junk",
    "negative": "-1",
    "zero": "0",
    "huge": "9" * 30,
    "nan": "NaN",
    "unicode": "é😀",
    "no utf-8": "a\udcffb",
    "10 kB": "x" * 10240,
    "separators": " , ,",
}
VALID: Final = "valid"
ODD_CASE: Final = "valid in odd case"

# A valid value that leaves every signal on and sends it to the same place; the default where none stands here.
VALID_VALUES: Final[dict[Any, str]] = {
    settings.SERVICE_NAME: "mine",
    settings.RESOURCE_ATTRIBUTES: "a=1,b=x%20y",
    settings.CONFIG_FILE: str(ROOT / "tools/otel/sdk-config.yaml"),
    settings.PROFILE: "development",
    settings.ID_GENERATOR: "random",
    settings.PYTHON_DISTRO: "codeanatomy",
    settings.PYTHON_CONFIGURATOR: "codeanatomy",
    settings.RUN_ID: "run-1",
    settings.ROOT_SPAN: "graph_product.build",
    settings.ROOT_CONTEXT: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    settings.TRACES_SAMPLER: "always_on",
    settings.TRACES_SAMPLER_ARG: "1",
    settings.SAMPLING_RULES: '[{"rule": "all", "ratio": 1}]',
    settings.OTLP_HEADERS: "a=1",
    settings.OTLP_CERTIFICATE: __file__,
    settings.OTLP_CLIENT_KEY: __file__,
    settings.OTLP_CLIENT_CERTIFICATE: __file__,
    settings.LOG_LEVEL: "warning",
    settings.DISABLED_INSTRUMENTATIONS: "requests",
    settings.EXCLUDED_URLS: "health.*",
    settings.SEMCONV_STABILITY_OPT_IN: "http,db",
    settings.REDACT_KEYS: "password",
    settings.REPO_ROOTS: str(ROOT),
    settings.HAMILTON_API_URL: "http://localhost:8241",
    settings.HAMILTON_UI_URL: "http://localhost:8242",
    settings.HAMILTON_PROJECT_ID: "1",
    settings.HAMILTON_TRACKER_ENABLED: "false",
    settings.HAMILTON_CAPTURE_DATA_STATISTICS: "false",
    settings.HAMILTON_PROFILE: "ci",
}
# Variables whose every value may send telemetry elsewhere, hold it back or lose it by the user's own wish.
DESTINATIONS: Final = (settings.OTLP_ENDPOINT,)
# Left out of the run with all variables at once: values that switch signals off, and a span around the whole program,
# which would decide for all spans in it.
NOT_AT_ONCE: Final = frozenset(
    {
        *DESTINATIONS,
        settings.TRACES_SAMPLER_ARG,
        settings.SHUTDOWN_TIMEOUT,
        settings.CONFIG_FILE,
        settings.ROOT_SPAN,
        settings.ROOT_CONTEXT,
    }
)
RELATED: Final = (
    (settings.BSP_MAX_QUEUE_SIZE, settings.BSP_MAX_EXPORT_BATCH_SIZE),
    (settings.BLRP_MAX_QUEUE_SIZE, settings.BLRP_MAX_EXPORT_BATCH_SIZE),
    (settings.TRACES_SAMPLER, settings.TRACES_SAMPLER_ARG),
    (settings.OTLP_PROTOCOL, settings.SIGNAL_PROTOCOL["traces"]),
    (settings.ATTRIBUTE_COUNT_LIMIT, settings.SPAN_ATTRIBUTE_COUNT_LIMIT),
    (settings.PROFILE, settings.TRACES_SAMPLER),
    (settings.OTLP_TIMEOUT, settings.SIGNAL_TIMEOUT["logs"]),
    (settings.OTLP_CLIENT_KEY, settings.OTLP_CLIENT_CERTIFICATE),
    (settings.METRIC_EXPORT_INTERVAL, settings.METRIC_EXPORT_TIMEOUT),
    (settings.PYTHON_DISTRO, settings.PYTHON_CONFIGURATOR),
    (settings.TRACES_SAMPLER, settings.SAMPLING_RULES),
    (settings.OTLP_PROTOCOL, settings.OTLP_INSECURE),
    (settings.OTLP_PROTOCOL, settings.SIGNAL_EXPORTER["metrics"]),
)


def _valid(setting: Setting[object]) -> str:
    label, name = setting.kind.label, setting.name
    by_name = {
        "_HEADERS": "a=1",
        "_CERTIFICATE": __file__,
        "_CLIENT_KEY": __file__,
        "_PROTOCOL": "grpc",
        "_COMPRESSION": "none",
    }
    found = next((value for end, value in by_name.items() if name.endswith(end)), None)
    if setting in VALID_VALUES or found is not None:
        return VALID_VALUES.get(setting) or found or ""
    if setting.default is not None:
        return setting.kind.write(setting.default) or "mine"
    return "true" if label == "boolean" else "50" if label.startswith(("integer", "number")) else "mine"


def _value(setting: Setting[object], sort: str) -> str:
    if sort == VALID:
        return _valid(setting)
    if sort == ODD_CASE:
        is_a_word = setting.kind.label in {"boolean", "choice", "name", "list"} and setting.name != "OTEL_PYTHON_DISTRO"
        return _valid(setting).swapcase() if is_a_word else _valid(setting)
    return SORTS[sort]


class Ended(Protocol):
    """How a program ended, and what it printed."""

    code: int
    stdout: str
    stderr: str


class RunProgram(Protocol):
    """The fixture `run_program`."""

    def __call__(self, *command: str, environ: Mapping[str, str]) -> Ended:
        """Run the program and wait for its end."""
        ...


@dataclass(frozen=True)
class Case:
    """Variables with their values."""

    name: str
    environ: dict[str, str]

    def __str__(self) -> str:
        return self.name


def _singles() -> list[Case]:
    every = [
        Case(f"{setting.name} {sort}", {setting.name: _value(setting, sort)})
        for setting in settings.TABLE
        for sort in (*SORTS, VALID, ODD_CASE)
        if not (setting in DESTINATIONS and sort in {VALID, ODD_CASE})
    ]
    if FULL:
        return every
    chosen = random.Random(5)
    return chosen.sample(every, SAMPLE)


def _pairs() -> list[Case]:
    every = [
        Case(f"{one.name} {sort}, {other.name} {more}", {one.name: _value(one, sort), other.name: _value(other, more)})
        for one, other in RELATED
        for sort in (*SORTS, VALID, ODD_CASE)
        for more in (*SORTS, VALID, ODD_CASE)
    ]
    return every if FULL else random.Random(7).sample(every, PAIRS_SAMPLE)


def _all_at_once() -> list[Case]:
    rows = [setting for setting in settings.TABLE if setting not in NOT_AT_ONCE]
    return [Case(sort, {row.name: _value(row, sort) for row in rows}) for sort in (*SORTS, VALID, ODD_CASE)]


@pytest.fixture(scope="module")
def default_receiver() -> Iterator[OtlpReceiver | None]:
    """Receive where telemetry goes by default, for those cases that fall back to it; None where the ports are taken."""
    try:
        with OtlpReceiver(grpc_port=4317, http_port=4318) as receiving:
            yield receiving
    except (OSError, RuntimeError):
        yield None


def _check(
    case: Case, run_program: RunProgram, path: str, receiver: OtlpReceiver, fallback: OtlpReceiver | None
) -> None:
    base = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint,
        "OTEL_TRACES_SAMPLER": "traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "1",
        "CODEANATOMY_OTEL_SHUTDOWN_TIMEOUT": "20000",  # a busy machine is no fault either
    }
    if case.environ.keys() & {"OTEL_TRACES_SAMPLER", "CODEANATOMY_OTEL_PROFILE"}:
        base.pop("OTEL_TRACES_SAMPLER")
        if "OTEL_TRACES_SAMPLER_ARG" not in case.environ:
            base.pop("OTEL_TRACES_SAMPLER_ARG")
    environ = {**base, **case.environ}
    expected = resolve_otel_config(environ)
    falls_back = expected[settings.OTLP_ENDPOINT] is None and settings.OTLP_ENDPOINT.name in case.environ
    if falls_back and fallback is None:
        pytest.skip("somebody else listens where telemetry goes by default")
    if fallback is not None:
        fallback.clear()

    ended = run_program(path, environ=environ)

    assert (ended.code, ended.stdout) == (3, "done\n"), ended.stderr
    # What a limit cuts is told once; that is the limit's effect, not a fault.
    lines = [line for line in ended.stderr.splitlines() if "(told once; " not in line]
    assert len(ended.stderr.splitlines()) - len(lines) <= LIMITS
    if expected[settings.SHUTDOWN_TIMEOUT] == 0:  # leaving at once is what was asked for, and what it cost is said
        lines = [line for line in lines if not line.startswith("codeanatomy-distro: not delivered")]
    told = [_as_printed(str(problem)) for problem in expected.problems]
    assert sorted(lines) == sorted([*told, "a warning of the program"])
    got = fallback if falls_back else receiver
    if got is None or expected[settings.SHUTDOWN_TIMEOUT] == 0:
        return
    if expected.sampler_ratio > 0:
        assert got.telemetry.spans_named("app.work")
    assert got.telemetry.points_of("app.count")
    assert [record.body for record in got.log_records if record.scope.name == "app"] == ["a warning of the program"]


def _as_printed(line: str) -> str:
    """Return a line as it arrives on a stderr that is read as UTF-8."""
    return line.encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize("case", _all_at_once(), ids=str)
def test_all_variables_at_once(
    case: Case, run_program: RunProgram, write_program: Callable[[str], str], receiver: OtlpReceiver
) -> None:
    """With all variables of one sort the program runs, all signals arrive, and each bad value is told once."""
    _check(case, run_program, write_program(PROGRAM), receiver, None)


@pytest.mark.parametrize("case", _singles(), ids=str)
def test_one_variable(
    case: Case,
    run_program: RunProgram,
    write_program: Callable[[str], str],
    receiver: OtlpReceiver,
    default_receiver: OtlpReceiver | None,
) -> None:
    """Whatever one variable holds, the program runs, all signals arrive, and a bad value is told once."""
    _check(case, run_program, write_program(PROGRAM), receiver, default_receiver)


@pytest.mark.parametrize("case", _pairs(), ids=str)
def test_related_variables(
    case: Case, run_program: RunProgram, write_program: Callable[[str], str], receiver: OtlpReceiver
) -> None:
    """Whatever two variables that belong together hold, the program runs, signals arrive, and faults are told once."""
    _check(case, run_program, write_program(PROGRAM), receiver, None)
