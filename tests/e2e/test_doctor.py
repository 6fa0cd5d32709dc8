"""`codeanatomy-otel doctor` on healthy and broken environments: the fault and the cure on the first screen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from codeanatomy_distro.testing.otlp_behaviour import Behaviour

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codeanatomy_distro.testing.otlp import Protocol
    from codeanatomy_distro.testing.receiver import OtlpReceiver

pytestmark = pytest.mark.e2e

SCREEN = 24


def _doctor(*arguments: str, python: str = sys.executable, **environ: str) -> tuple[int, str]:
    """Run the doctor in an environment of its own; return its exit code and its first screen."""
    done = subprocess.run(
        [python, "-m", "codeanatomy_distro.cli", "doctor", *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    text = done.stdout if "--json" in arguments else "\n".join(done.stdout.splitlines()[:SCREEN])
    return done.returncode, text


def test_a_healthy_environment(receiver: OtlpReceiver) -> None:
    """With a Collector that answers there is nothing to do; it got one span, one point and one log record."""
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
    assert (code, screen.splitlines()[0]) == (0, "codeanatomy-otel doctor: nothing to do")
    got = receiver.telemetry
    assert [span.name for span in got.spans] == ["codeanatomy.doctor"]
    assert [point.name for point in got.metric_points] == ["codeanatomy.doctor"]
    assert [record.scope.name for record in got.log_records] == ["codeanatomy.doctor"]


def test_http_is_examined_too(receiver: OtlpReceiver) -> None:
    """Over HTTP the doctor reaches the Collector just the same."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.http_endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    assert _doctor(**environ)[0] == 0
    assert {request.protocol for request in receiver} == {"http/protobuf"}


@pytest.mark.parametrize("right", ["grpc", "http/protobuf"])
def test_wrong_protocol(right: str, receiver: OtlpReceiver) -> None:
    """A Collector that speaks the other protocol is found out, and the variable that mends it is told."""
    wrong = "http/protobuf" if right == "grpc" else "grpc"
    endpoint = receiver.grpc_endpoint if right == "grpc" else receiver.http_endpoint
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=wrong)
    assert code == 1
    assert "wrong protocol for traces, metrics and logs" in screen
    assert f"-> export OTEL_EXPORTER_OTLP_PROTOCOL={right}" in screen


def test_dead_collector() -> None:
    """Where nothing listens, the address and what to do are told, once for all signals."""
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert code == 1
    assert "1. no Collector for traces, metrics and logs at http://127.0.0.1:1" in screen
    assert "-> start the Collector there, or set OTEL_EXPORTER_OTLP_ENDPOINT" in screen


def test_cures_name_what_to_do() -> None:
    """A package to install, a name that was meant and the variable of one signal are told as what to do."""
    code, screen = _doctor(
        OTEL_PROPAGATORS="jaeger",
        OTEL_TRACES_SAMPLER="alwayson",
        OTEL_TRACES_EXPORTER="none",
        OTEL_METRICS_EXPORTER="console",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT="http://127.0.0.1:1",
    )
    assert code == 1
    assert "-> pip install opentelemetry-propagator-jaeger" in screen
    assert "-> write always_on in OTEL_TRACES_SAMPLER, or unset it" in screen
    assert "-> start the Collector there, or set OTEL_EXPORTER_OTLP_LOGS_ENDPOINT to where it is" in screen


def test_a_collector_that_refuses(receiver: OtlpReceiver) -> None:
    """A Collector that answers with an error is told with its answer."""
    receiver.respond = lambda _request: Behaviour(status=401, message="who are you")
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
    assert code == 1
    assert "takes connections, but no traces" in screen
    assert "UNAUTHENTICATED" in screen


def _install_metadata(folder: Path, name: str, entry_points: str) -> None:
    """Install a package that has nothing but entry points."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_https_where_no_tls_is_spoken(protocol: Protocol, receiver: OtlpReceiver) -> None:
    """A Collector that speaks plain text is told from a dead one, with what to write, and nothing else is printed."""
    endpoint = receiver.endpoint(protocol).replace("http:", "https:")
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert code == 1
    assert f"1. what listens at {endpoint} does not speak TLS" in screen
    assert "-> write http:// in OTEL_EXPORTER_OTLP_ENDPOINT" in screen


def test_a_path_too_much(receiver: OtlpReceiver) -> None:
    """The path of a signal in the endpoint of all signals is told as what is one too much."""
    endpoint = f"{receiver.http_endpoint}/v1/traces"
    _, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
    assert "-> leave /v1/... out of OTEL_EXPORTER_OTLP_ENDPOINT" in screen


def test_an_exporter_whose_name_says_the_protocol(receiver: OtlpReceiver) -> None:
    """Where the exporter's name settles the protocol, the name is what has to change."""
    environ = {"OTEL_TRACES_EXPORTER": "otlp_proto_http", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint}
    _, screen = _doctor(**environ)
    assert "wrong protocol for traces" in screen
    assert "-> write otlp_proto_grpc in OTEL_TRACES_EXPORTER" in screen


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_credentials_are_not_shown(arguments: tuple[str, ...]) -> None:
    """User and password of an endpoint stand nowhere in what the doctor prints."""
    code, text = _doctor(*arguments, OTEL_EXPORTER_OTLP_ENDPOINT="http://me:hunter2@127.0.0.1:1")
    assert code == 1
    assert "http://****@127.0.0.1:1" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("arguments", [(), ("--json",)])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8:strict"])
def test_any_terminal_gets_any_text(arguments: tuple[str, ...], encoding: str) -> None:
    """What the terminal's encoding lacks, or would steer the terminal, arrives as an escape."""
    environ = {"OTEL_SERVICE_NAME": "a\N{SNOWMAN}\x1b[31m", "OTEL_X\udcff": "1", "OTEL_SDK_DISABLED": "true"}
    code, text = _doctor(*arguments, PYTHONIOENCODING=encoding, **environ)
    assert code == 1
    assert "\x1b" not in text
    assert "OTEL_X\\udcff" in text
    if arguments:
        assert json.loads(text)["sections"]["Settings"]["OTEL_SERVICE_NAME"]["value"] == environ["OTEL_SERVICE_NAME"]


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e300", "soon"])
def test_a_timeout_that_is_none(seconds: str) -> None:
    """A wait that nobody can wait is refused as a wrong argument."""
    command = [sys.executable, "-m", "codeanatomy_distro.cli", "doctor", f"--timeout={seconds}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "argument --timeout: " in done.stderr
    assert "Traceback" not in done.stderr


def test_two_distros_of_which_one_is_chosen_in_part(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Naming our distro is enough; naming half of another one asks for its other half."""
    _install_metadata(
        tmp_path, "another-distro", "[opentelemetry_distro]\nother = x:X\n[opentelemetry_configurator]\nrest = x:X\n"
    )
    environ = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint}
    assert _doctor(OTEL_PYTHON_DISTRO="codeanatomy", **environ)[0] == 0
    for chosen, other in (
        ("OTEL_PYTHON_DISTRO=other", "OTEL_PYTHON_CONFIGURATOR=rest"),
        ("OTEL_PYTHON_CONFIGURATOR=codeanatomy", "OTEL_PYTHON_DISTRO=codeanatomy"),
    ):
        name, _, value = chosen.partition("=")
        code, screen = _doctor(**environ, **{name: value})
        text = " ".join(screen.split())
        assert code == 1
        assert f"of the two only {name} is set. opentelemetry-instrument takes {other.partition('=')[2]}" in text
        assert f"-> export {other} (or: pip uninstall another-distro)" in text


def test_two_distros(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Another distro beside ours is told with the variables that choose; once chosen, there is nothing to say."""
    _install_metadata(
        tmp_path, "another-distro", "[opentelemetry_distro]\nother = x:X\n[opentelemetry_configurator]\nother = x:X\n"
    )
    environ = {"PYTHONPATH": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint}
    code, screen = _doctor(**environ)
    assert code == 1
    assert "two distros: another-distro is installed beside codeanatomy-distro" in screen
    assert "-> export OTEL_PYTHON_DISTRO=codeanatomy OTEL_PYTHON_CONFIGURATOR=codeanatomy" in screen
    assert "pip uninstall another-distro" in screen
    chosen = {"OTEL_PYTHON_DISTRO": "codeanatomy", "OTEL_PYTHON_CONFIGURATOR": "codeanatomy"}
    assert _doctor(**environ, **chosen)[0] == 0


def test_duplicate_plug_ins(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Two instrumentors of one name are found, with the packages that they come from."""
    _install_metadata(tmp_path, "another-hamilton", "[opentelemetry_instrumentor]\nhamilton = x:X\n")
    code, screen = _doctor(PYTHONPATH=str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
    assert code == 1
    assert "are named 'hamilton' (another-hamilton, codeanatomy-distro); only one is loaded" in " ".join(screen.split())


def test_an_instrumentor_that_fails(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """An instrumentor that raises is told with its error and how to leave it out."""
    _install_metadata(tmp_path, "broken-instrumentor", "[opentelemetry_instrumentor]\nbroken = broken_one:Broken\n")
    (tmp_path / "broken_one.py").write_text("raise RuntimeError('out of order')\n", encoding="utf-8")
    code, screen = _doctor(PYTHONPATH=str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
    assert code == 1
    assert "the instrumentor broken fails: RuntimeError: out of order" in screen
    assert "-> export OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=broken" in screen


def test_a_slow_detector(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """A detector that would delay each start is told with its time."""
    _install_metadata(tmp_path, "slow-detector", "[opentelemetry_resource_detector]\nslow = slow_one:Slow\n")
    (tmp_path / "slow_one.py").write_text(
        "import time\nfrom opentelemetry.sdk.resources import Resource, ResourceDetector\n"
        "class Slow(ResourceDetector):\n    def detect(self):\n        time.sleep(1.2)\n        return Resource({})\n",
        encoding="utf-8",
    )
    environ = {"PYTHONPATH": str(tmp_path), "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "slow,process"}
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint, **environ)
    assert code == 1
    assert "the resource detector slow takes 1.2 s at each start" in screen
    assert "-> export OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=process" in screen


def test_missing_exporter_package(python_without: Callable[[str, str], str], receiver: OtlpReceiver) -> None:
    """Where the exporter of the protocol is not installed, the package and its install line are told."""
    python = python_without("opentelemetry-exporter-otlp-proto-grpc", "opentelemetry/exporter/otlp/proto/grpc")
    code, screen = _doctor(python=python, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.http_endpoint)
    text = " ".join(screen.split())
    assert code == 1
    assert "it needs the package opentelemetry-exporter-otlp-proto-grpc; using http/protobuf" in text
    assert "-> pip install opentelemetry-exporter-otlp-proto-grpc" in text


def test_bad_file(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """A declarative file with a fault is told with the line of the fault."""
    pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
    path = tmp_path / "sdk.yaml"
    path.write_text('file_format: "1.0"\nattribute_limits:\n  attribute_count_limit: many\n', encoding="utf-8")
    code, screen = _doctor(OTEL_CONFIG_FILE=str(path), OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)
    text = " ".join(screen.split())
    assert code == 1
    assert "attribute_count_limit) (line 3); using the variables and the defaults" in text
    assert f"-> mend {path}, or unset OTEL_CONFIG_FILE" in text


def test_what_a_file_names_and_nobody_has(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Plug-ins of a declarative file that are not installed are found, as a program would find them."""
    pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
    path = tmp_path / "sdk.yaml"
    path.write_text(
        'file_format: "1.0"\npropagator: {composite: [{no_propagator: }]}\n'
        "resource: {detection/development: {detectors: [{no_detector: }]}}\n"
        "tracer_provider:\n  sampler: {no_sampler: }\n  id_generator: {no_generator: }\n"
        f"  processors: [{{batch: {{exporter: {{otlp_grpc: {{endpoint: '{receiver.grpc_endpoint}'}}}}}}}}]\n"
        "logger_provider: {processors: [{batch: {exporter: {no_exporter: }}}]}\n",
        encoding="utf-8",
    )
    environ = {"OTEL_CONFIG_FILE": str(path), "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint}
    code, text = _doctor("--json", **environ)
    findings = [one["what"] for one in json.loads(text)["findings"]]
    assert code == 1
    assert len(findings) == 5
    for name in ("no_propagator", "no_detector", "no_sampler", "no_generator", "no_exporter"):
        assert len([what for what in findings if name in what]) == 1


def test_what_a_file_exports(tmp_path: Path, receiver: OtlpReceiver) -> None:
    """Of a declarative file each OTLP exporter is tried where the file has it, and cures name the file."""
    pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
    path = tmp_path / "sdk.yaml"
    path.write_text(
        'file_format: "1.0"\ntracer_provider:\n  processors:\n    - simple: {exporter: {console: }}\n'
        f'    - batch: {{exporter: {{otlp_grpc: {{endpoint: "{receiver.http_endpoint}"}}}}}}\n'
        "meter_provider:\n  readers:\n"
        '    - periodic: {exporter: {otlp_http: {endpoint: "http://127.0.0.1:1/v1/metrics"}}}\n',
        encoding="utf-8",
    )
    code, screen = _doctor(OTEL_CONFIG_FILE=str(path))
    text = " ".join(screen.split())
    assert code == 1
    assert f"what listens at {receiver.http_endpoint} does not speak grpc" in text
    assert f"-> name the port of grpc in the endpoint in {path}; most Collectors have it at 4317" in text
    assert f"-> start the Collector there, or set the endpoint in {path} to where it is" in text
    document: dict[str, Any] = json.loads(_doctor("--json", OTEL_CONFIG_FILE=str(path))[1])
    assert set(document["sections"]["Collector"]) == {"traces", "metrics"}
    assert document["sections"]["A typical run"]["logs"] == f"none: {path} has no logger_provider"


def test_a_typing_error_in_a_name(receiver: OtlpReceiver) -> None:
    """A variable that nothing reads is told with the name that was meant."""
    environ = {"OTEL_TRACES_SAMPLR": "always_on", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.grpc_endpoint}
    code, screen = _doctor(**environ)
    assert code == 1
    assert "1. OTEL_TRACES_SAMPLR is set, but nothing reads a variable of that name" in screen
    assert "-> did you mean OTEL_TRACES_SAMPLER? Rename it, or unset it" in screen


@pytest.mark.parametrize(("name", "value"), [("OTEL_PROPAGATORS", "bogus"), ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "abc")])
def test_values_that_stop_others_do_not_stop_the_doctor(name: str, value: str, receiver: OtlpReceiver) -> None:
    """A value that OpenTelemetry could not even be imported with is told like any other."""
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint, **{name: value})
    assert code == 1
    assert f"1. {name}='{value}' is ignored" in screen
    assert len(receiver.spans) == 1


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_SDK_DISABLED": "true"},
        {"CODEANATOMY_OTEL_TEST_MODE": "true"},
        {f"OTEL_{signal}_EXPORTER": "none" for signal in ("TRACES", "METRICS", "LOGS")},
    ],
)
def test_nothing_is_sent_where_nothing_would_be(environ: dict[str, str]) -> None:
    """Where a program sends nothing the doctor sends nothing, and a dead Collector is no finding."""
    code, screen = _doctor(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **environ)
    assert (code, screen.splitlines()[0]) == (0, "codeanatomy-otel doctor: nothing to do")


def test_json_is_for_machines(receiver: OtlpReceiver) -> None:
    """`--json` has the findings with their cures, and the facts of each section."""
    code, text = _doctor("--json", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint, OTEL_BSP_MAX_QUEUE_SIZE="x")
    document: dict[str, Any] = json.loads(text)
    assert code == 1
    assert [finding["section"] for finding in document["findings"]] == ["Settings"]
    assert document["sections"]["Collector"]["traces"]["export"] == "accepted"
    assert document["sections"]["Instrumentors"]["hamilton"]["status"] == "loaded"
    assert document["sections"]["Resource"]["resource"]["service.name"] == "codeanatomy"
    assert document["sections"]["Python and packages"]["opentelemetry-sdk"]


def test_no_export_sends_nothing(receiver: OtlpReceiver) -> None:
    """`--no-export` tries the connection alone."""
    assert _doctor("--no-export", OTEL_EXPORTER_OTLP_ENDPOINT=receiver.grpc_endpoint)[0] == 0
    assert receiver.requests == ()
