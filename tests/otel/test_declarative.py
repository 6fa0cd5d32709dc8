"""Declarative files: read with the place of each fault, and asked what they say of each setting."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.otel.declarative import read_config_file
from codeanatomy_distro.setting import Origin
from codeanatomy_distro.setting_kinds import BadValue

pytest.importorskip("opentelemetry.configuration")

DEFAULTS_FILE = Path(__file__).parents[2] / "tools/otel/sdk-config.yaml"
MINIMAL = 'file_format: "1.0"\n'


def _written(folder: Path, text: str | bytes, name: str = "sdk.yaml") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def test_the_file_of_defaults_says_our_defaults() -> None:
    """Each setting that the file of defaults gives has the value that it has without a file."""
    plain = resolve_otel_config({})
    config = resolve_otel_config({"OTEL_CONFIG_FILE": str(DEFAULTS_FILE)})
    assert config.problems == ()
    of_the_file = [setting for setting in settings.TABLE if config.resolved(setting).origin == Origin.FILE]
    assert len(of_the_file) > 30
    for setting in of_the_file:
        if setting.name.endswith("_ENDPOINT"):
            assert config[setting] == "http://localhost:4317"
        elif setting.name.endswith("_EXPORTER"):
            assert config[setting] == ("otlp_proto_grpc",)
        elif setting.default is not None:
            assert config[setting] == plain[setting], setting.name
        else:
            assert setting.kind.write(config[setting]) in {"none", "128", "0.1"}, setting.name


def test_a_file_says_its_settings(tmp_path: Path) -> None:
    """What a file says is found by the settings, also where it is a name, a list or a pair; the rest is as it was."""
    path = _written(
        tmp_path,
        """
file_format: "1.0"
disabled: false
log_level: warn
resource:
  attributes:
    - {name: service.name, value: from-file}
propagator:
  composite_list: tracecontext
tracer_provider:
  sampler: {always_off: }
  limits: {event_count_limit: 7}
  processors:
    - batch: {schedule_delay: 8, exporter: {otlp_http: {endpoint: "http://h:1/v1/traces", headers_list: "a=b"}}}
meter_provider:
  readers:
    - periodic: {exporter: {console: {temporality_preference: low_memory}}}
""",
    )
    config = resolve_otel_config(
        {"OTEL_CONFIG_FILE": path, "OTEL_SERVICE_NAME": "from-variable", "OTEL_LOG_LEVEL": "error"}
    )
    expected = {
        settings.SERVICE_NAME: "from-file",
        settings.LOG_LEVEL: "WARNING",
        settings.PROPAGATORS: ("tracecontext",),
        settings.TRACES_SAMPLER: "always_off",
        settings.SPAN_EVENT_COUNT_LIMIT: 7,
        settings.BSP_SCHEDULE_DELAY: 8,
        settings.SIGNAL_EXPORTER["traces"]: ("otlp_proto_http",),
        settings.SIGNAL_ENDPOINT["traces"]: "http://h:1/v1/traces",
        settings.SIGNAL_HEADERS["traces"]: (("a", "b"),),
        settings.SIGNAL_EXPORTER["metrics"]: ("console",),
        settings.TEMPORALITY: "lowmemory",
        settings.SPAN_LINK_COUNT_LIMIT: 128,
    }
    assert {setting: config[setting] for setting in expected} == expected
    assert config.resolved(settings.SERVICE_NAME).origin == Origin.FILE
    assert config.resolved(settings.SPAN_LINK_COUNT_LIMIT).origin == Origin.DEFAULT


def test_variables_are_put_into_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file takes values from variables, with a default where they are not set."""
    monkeypatch.setenv("A_LIMIT", "9")
    limits = ("attribute_limits:", "  attribute_count_limit: ${A_LIMIT}", "  attribute_value_length_limit: ${NONE:-5}")
    text = MINIMAL + "\n".join(limits)
    config = resolve_otel_config({"OTEL_CONFIG_FILE": _written(tmp_path, text)})
    assert (config[settings.ATTRIBUTE_COUNT_LIMIT], config[settings.ATTRIBUTE_VALUE_LENGTH_LIMIT]) == (9, 5)


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("", ["empty"]),
        ("- a list\n", ["mapping"]),
        ("tracer_provider: {}\n", ["file_format"]),
        ('file_format: "2.0"\n', ["file_format '2.0'"]),
        ('file_format: "x"\n', ["file_format"]),
        (MINIMAL + "tracer_provider:\n  processors: [\n", ["line 4"]),
        (
            MINIMAL + "tracer_provider:\n  processors:\n    - batch: {exporter: {console: }, max_queue_size: -1}\n",
            ["max_queue_size", "line 4"],
        ),
        (MINIMAL + "tracer_provider:\n  sampler: {always_on: }\n", ["processors", "line 3"]),
        (MINIMAL + "attribute_limits: {attribute_count_limit: many}\n", ["attribute_count_limit", "line 2"]),
        (b"\xff\xfe\x00", ["can't be read"]),
        ("a: &a {b: *a}\n", [""]),
        ("[" * 1000, [""]),
    ],
)
def test_a_bad_file_is_one_problem_with_its_place(
    text: str | bytes, reasons: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that can't be used is one line that says why and where, and the variables hold as if there were none."""
    environ = {"OTEL_CONFIG_FILE": _written(tmp_path, text), "OTEL_SERVICE_NAME": "mine"}
    with caplog.at_level(logging.DEBUG):
        config = resolve_otel_config(environ)
    (problem,) = config.problems
    assert problem.variable == "OTEL_CONFIG_FILE"
    assert "\n" not in str(problem)
    assert all(reason in problem.reason for reason in reasons), problem.reason
    assert (config.file, config[settings.SERVICE_NAME]) == (None, "mine")
    assert not caplog.records


@pytest.mark.parametrize("name", ["no-such-file.yaml", "", "x" * 300, "folder"])
def test_a_file_that_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    """A path of no file is refused."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadValue, match="no such file"):
        read_config_file(str(tmp_path / name))


def test_the_older_name_works_and_is_told(tmp_path: Path) -> None:
    """OTEL_EXPERIMENTAL_CONFIG_FILE is read, and told to be an old name."""
    config = resolve_otel_config({"OTEL_EXPERIMENTAL_CONFIG_FILE": _written(tmp_path, MINIMAL)})
    assert config.file is not None
    assert [str(problem) for problem in config.problems] == [
        (
            "OTEL_EXPERIMENTAL_CONFIG_FILE is an old name of OTEL_CONFIG_FILE: set OTEL_CONFIG_FILE instead; "
            "its value is used"
        )
    ]


def test_another_version_of_the_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package whose functions take other arguments is told with the install line; the variables hold."""
    from codeanatomy_distro.otel import declared_parts  # of a package that may be absent

    def older(config: object, more: object, still_more: object) -> None:
        """Take what it does not get."""

    monkeypatch.setattr(declared_parts, "_ALONE", (older,))
    config = resolve_otel_config({"OTEL_CONFIG_FILE": _written(tmp_path, MINIMAL), "OTEL_SERVICE_NAME": "mine"})
    (problem,) = config.problems
    assert "is not a version that we know: pip install 'codeanatomy-distro[file-config]'" in problem.reason
    assert (config.file, config[settings.SERVICE_NAME]) == (None, "mine")


def test_what_nothing_reads_is_told(tmp_path: Path) -> None:
    """Parts of a file that have no effect are named in one line, and the rest holds."""
    text = MINIMAL + (
        "distribution: {codeanatomy: {}}\n"
        "meter_provider: {readers: [{periodic: {exporter: {console: }, cardinality_limits: {default: 7}}}]}\n"
    )
    config = resolve_otel_config({"OTEL_CONFIG_FILE": _written(tmp_path, text)})
    (problem,) = config.problems
    assert str(problem).startswith("OTEL_CONFIG_FILE=")
    assert str(problem).endswith(
        "/sdk.yaml' is used in part: nothing here reads distribution, "
        "meter_provider.readers[].periodic.cardinality_limits; using all else that it says"
    )
    assert config[settings.SIGNAL_EXPORTER["metrics"]] == ("console",)


def test_a_section_that_is_misspelt_is_told(tmp_path: Path) -> None:
    """A section of an unknown name, whose signal would be off without a word, is named."""
    text = MINIMAL + "tracer_provder: {processors: [{simple: {exporter: {console: }}}]}\n"
    (problem,) = resolve_otel_config({"OTEL_CONFIG_FILE": _written(tmp_path, text)}).problems
    assert "used in part: nothing here reads tracer_provder" in str(problem)


def test_a_newer_version_is_read_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file of a newer minor version holds; that some of it may not be known is one line of ours."""
    config = resolve_otel_config({"OTEL_CONFIG_FILE": _written(tmp_path, MINIMAL.replace("1.0", "1.99"))})
    assert config.file is not None
    (problem,) = config.problems
    assert "is used in part: Configuration file_format '1.99' has a newer minor version" in str(problem)
    assert not caplog.records


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="it takes a file that nobody can read from")
def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    """What the system says of a file that it does not let us read is the reason."""
    (tmp_path / "sdk.yaml").symlink_to("/proc/self/mem")  # permissions would not stop root
    (problem,) = resolve_otel_config({"OTEL_CONFIG_FILE": str(tmp_path / "sdk.yaml")}).problems
    assert problem.reason == "it can't be read (Input/output error)"


RULES = '[{"rule": "ours", "ratio": 1}]'


@pytest.mark.parametrize("sampler", ["{codeanatomy: }", "{parent_based: {root: {codeanatomy: {ratio: 0.5}}}}"])
def test_the_rules_of_the_variable_are_those_of_the_files_sampler(sampler: str, tmp_path: Path) -> None:
    """Where the file names the sampler of rules and says none, the variable's hold, whatever sampler it names."""
    text = f"{MINIMAL}tracer_provider: {{processors: [{{simple: {{exporter: {{console: }}}}}}], sampler: {sampler}}}\n"
    environ = {"OTEL_CONFIG_FILE": _written(tmp_path, text), "CODEANATOMY_OTEL_SAMPLING_RULES": RULES}
    config = resolve_otel_config({**environ, "OTEL_TRACES_SAMPLER": "always_off"})
    assert config.problems == ()
    assert config[settings.TRACES_SAMPLER] == "codeanatomy"
    assert [rule.rule for rule in config.sampling_rules] == ["ours"]
    assert config.sampler_ratio == (0.5 if "0.5" in sampler else 0.1)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("ratio: 7", "ratio of the sampler: the sampler codeanatomy takes a ratio: must be from 0 to 1; using 0.1"),
        ("rules: [{rule: x}]", "rules of the sampler: rule 1: it has no ratio; using no rules"),
        ("rati: 1", "nothing here reads tracer_provider.sampler.codeanatomy.rati; using all else that it says"),
    ],
)
def test_what_is_wrong_with_the_files_sampler_is_told_of_the_file(options: str, told: str, tmp_path: Path) -> None:
    """A bad option of our sampler is told as a part of the file, not as a variable that nobody has set."""
    sampler = f"{{codeanatomy: {{{options}}}}}"
    text = f"{MINIMAL}tracer_provider: {{processors: [{{simple: {{exporter: {{console: }}}}}}], sampler: {sampler}}}\n"
    (problem,) = resolve_otel_config({"OTEL_CONFIG_FILE": _written(tmp_path, text)}).problems
    assert str(problem).endswith(f"/sdk.yaml' is used in part: {told}")


@pytest.mark.parametrize("missing", ["opentelemetry.configuration", "yaml", "jsonschema"])
def test_without_the_package_the_install_line_is_told(missing: str, tmp_path: Path) -> None:
    """Where the package or one that it needs is missing, the message has the line that installs it."""
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from codeanatomy_distro.otel.config import resolve_otel_config\n"
        f"print(*resolve_otel_config({{'OTEL_CONFIG_FILE': {_written(tmp_path, MINIMAL)!r}}}).problems)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'codeanatomy-distro[file-config]'" in done.stdout
    assert done.stdout.rstrip().endswith("using the variables and the defaults")
