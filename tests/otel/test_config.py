"""The configuration: values with their origins, the problems list, and what is put before other readers."""

from __future__ import annotations

import logging

import pytest
from hypothesis import example, given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from codeanatomy_distro import settings
from codeanatomy_distro.otel.config import OtelConfig, report_problems, resolve_otel_config
from codeanatomy_distro.otel.sdk_environment import usable_environment
from codeanatomy_distro.setting import Origin, Problem
from codeanatomy_distro.setting_kinds import BadValue

TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "junk",
            "-1",
            "0",
            "1",
            "9" * 30,
            "NaN",
            "TRUE",
            "true",
            "é😀",
            "x" * 10240,
            "a=b",
            "[",
            "\udcff",
            "none",
            "*",
        ]
    ),
    st.text(alphabet=st.characters(exclude_characters="\0"), max_size=20),
)
# Those that are checked together.
RELATED = (
    (settings.BSP_MAX_QUEUE_SIZE, settings.BSP_MAX_EXPORT_BATCH_SIZE),
    (settings.BLRP_MAX_QUEUE_SIZE, settings.BLRP_MAX_EXPORT_BATCH_SIZE),
    (settings.TRACES_SAMPLER, settings.TRACES_SAMPLER_ARG, settings.SAMPLING_RULES),
    (settings.PROFILE, settings.TRACES_SAMPLER, settings.TRACES_SAMPLER_ARG),
    (settings.OTLP_PROTOCOL, settings.OTLP_ENDPOINT, settings.OTLP_INSECURE),
    (settings.SIGNAL_PROTOCOL["logs"], settings.SIGNAL_ENDPOINT["logs"], settings.SIGNAL_INSECURE["logs"]),
    (settings.SIGNAL_EXPORTER["metrics"], settings.OTLP_PROTOCOL),
    (settings.OTLP_CLIENT_KEY, settings.OTLP_CLIENT_CERTIFICATE),
    (settings.PYTHON_DISTRO, settings.PYTHON_CONFIGURATOR),
)
VALUES = st.one_of(
    TEXTS,
    st.integers(-1, 5000).map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "always_on", "traceidratio", "codeanatomy", "production", "ci", "grpc", "HTTP", "false", "console",
            "http://h:1", "https://h:1", "h:1", "unix:///run/x.sock", __file__, '[{"rule": "a", "ratio": 1}]', "none",
        ]
    ),
)  # fmt: skip
ENVIRONMENTS = st.one_of(
    st.dictionaries(st.sampled_from(sorted(settings.by_name())), TEXTS, max_size=8),
    st.sampled_from(RELATED).flatmap(lambda rows: st.fixed_dictionaries({row.name: VALUES for row in rows})),
)


def test_an_empty_environment_gives_the_defaults() -> None:
    """Without variables every value is its default, and nothing is wrong."""
    config = resolve_otel_config({})
    assert config.problems == ()
    assert all(config.resolved(setting).origin == Origin.DEFAULT for setting in settings.TABLE)
    assert config[settings.TRACES_SAMPLER] == "parentbased_traceidratio"
    assert config.sampler_ratio == 0.1


def test_each_origin_is_told() -> None:
    """An option wins over a variable, that over the profile, and that over the default; each says which it is."""
    environ = {"CODEANATOMY_OTEL_PROFILE": "development", "OTEL_BSP_SCHEDULE_DELAY": "7", "OTEL_LOG_LEVEL": "debug"}
    config = resolve_otel_config(environ, options={"OTEL_LOG_LEVEL": "error"})
    origins = {
        settings.LOG_LEVEL: ("ERROR", Origin.OPTION),
        settings.BSP_SCHEDULE_DELAY: (7, Origin.VARIABLE),
        settings.TRACES_SAMPLER: ("always_on", Origin.PROFILE),
        settings.BLRP_SCHEDULE_DELAY: (5000, Origin.DEFAULT),
    }
    for setting, (value, origin) in origins.items():
        assert (config[setting], config.resolved(setting).origin) == (value, origin)


def test_a_setting_of_one_signal_wins_over_the_general_one() -> None:
    """What is set for a signal holds for it, and the general setting for the others."""
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "GRPC"}
    config = resolve_otel_config(environ)
    protocols = {
        signal: config.for_signal(signal, settings.SIGNAL_PROTOCOL, settings.OTLP_PROTOCOL)
        for signal in ("traces", "logs")
    }
    assert protocols == {"traces": "http/protobuf", "logs": "grpc"}


@given(environ=ENVIRONMENTS)
@example({"CODEANATOMY_OTEL_PROFILE": "production", "OTEL_TRACES_SAMPLER_ARG": "junk"})
@example({"CODEANATOMY_OTEL_PROFILE": "production", "OTEL_TRACES_SAMPLER": ""})
@example({"CODEANATOMY_OTEL_PROFILE": "production", "OTEL_BSP_MAX_QUEUE_SIZE": "junk"})
@example({"OTEL_LOGS_EXPORTER": ","})
@example_settings(max_examples=200, deadline=None)
def test_nothing_that_a_user_sets_raises(environ: dict[str, str]) -> None:
    """Any environment is resolved, each bad variable is one problem, and what is put in its place is no problem."""
    config = resolve_otel_config(environ)
    variables = [problem.variable for problem in config.problems]
    assert len(variables) == len(set(variables))
    assert {name for name in _read(config) & environ.keys() if _is_bad(name, environ[name])} <= set(variables)
    assert set(variables) <= set(environ)
    mended = dict(environ)
    for name, usable in usable_environment(config).items():
        if usable is None:
            mended.pop(name, None)
        else:
            mended[name] = usable
    again = resolve_otel_config(mended)
    assert again.problems == ()
    for setting in settings.TABLE:
        assert again[setting] == config[setting], setting.name


def _read(config: OtelConfig) -> set[str]:
    """Return the variables that were read: of each setting the strongest that is set."""
    return {one.variable for one in config.values.values() if one.variable is not None}


def _is_bad(name: str, raw: str) -> bool:
    if not raw.strip():
        return False  # unset: what was read is the profile's
    try:
        settings.by_name()[name].kind.parse(raw.strip())
    except BadValue:
        return True
    return False


def test_usable_environment_changes_only_what_others_would_stumble_over() -> None:
    """Good values stay as they are; bad, blank and oddly spelt ones are replaced."""
    environ = {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "abc",
        "OTEL_EXPORTER_OTLP_TIMEOUT": " ",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "GRPC",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "db",
        "OTEL_PYTHON_EXCLUDED_URLS": "health,[",
        "OTEL_EXPERIMENTAL_CONFIG_FILE": "",
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_BSP_MAX_QUEUE_SIZE": "100",
        "PATH": " ",
    }
    assert usable_environment(resolve_otel_config(environ)) == {
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": None,
        "OTEL_EXPORTER_OTLP_TIMEOUT": None,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_SEMCONV_STABILITY_OPT_IN": "database",
        "OTEL_PYTHON_EXCLUDED_URLS": "health",
        "OTEL_EXPERIMENTAL_CONFIG_FILE": None,
    }


def test_each_problem_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A problem is one warning of our own logger, however often it is reported."""
    config = OtelConfig({}, (Problem("A_TEST_VARIABLE", "x", "expected y", "z"),))
    with caplog.at_level(logging.WARNING, "codeanatomy_distro"):
        report_problems(config)
        report_problems(config)
    assert [record.getMessage() for record in caplog.records] == ["A_TEST_VARIABLE='x' is ignored: expected y; using z"]


def test_configuration_is_frozen() -> None:
    """A configuration can't be changed after it was resolved."""
    config = resolve_otel_config({})
    with pytest.raises(TypeError):
        config.values["OTEL_SERVICE_NAME"] = None  # type: ignore[index]  # pyright: ignore[reportIndexIssue]
    with pytest.raises(AttributeError):
        config.problems = ()  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_a_bad_variable_of_others_is_left_to_them() -> None:
    """A bad value in a variable that is not ours alone stays there; ours, which is stronger, gets what is used."""
    environ = {"DEPLOYMENT_ENVIRONMENT": "a\udcff"}
    assert usable_environment(resolve_otel_config(environ)) == {"CODEANATOMY_ENVIRONMENT": "a?"}
