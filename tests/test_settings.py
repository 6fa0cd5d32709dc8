"""The table of settings: complete, consistent, and one row a variable."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from codeanatomy_distro import settings
from codeanatomy_distro.setting import Setting, resolve

# Every variable under *Environment Variables* of the specification.
SPECIFIED = [
    "OTEL_SERVICE_NAME",
    "CODEANATOMY_SERVICE_VERSION",
    "CODEANATOMY_SERVICE_NAMESPACE",
    "OTEL_SERVICE_INSTANCE_ID",
    "CODEANATOMY_SERVICE_INSTANCE_ID",
    "CODEANATOMY_ENVIRONMENT",
    "DEPLOYMENT_ENVIRONMENT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_PYTHON_CONTEXT",
    "OTEL_PYTHON_ID_GENERATOR",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "CODEANATOMY_OTEL_SAMPLING_RULE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
    "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
    "OTEL_LOGS_EXPORTER",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BLRP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BLRP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BLRP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_METRIC_EXPORT_INTERVAL",
    "OTEL_METRIC_EXPORT_TIMEOUT",
    "OTEL_METRICS_EXEMPLAR_FILTER",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
    "OTEL_PYTHON_LOG_CORRELATION",
    "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED",
    "OTEL_LOG_LEVEL",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "CODEANATOMY_OTEL_AUTO_INSTRUMENTATION",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    "OTEL_PYTHON_EXCLUDED_URLS",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "CODEANATOMY_OTEL_TEST_MODE",
    "CODEANATOMY_OTEL_SYSTEM_METRICS",
    "CODEANATOMY_HAMILTON_TELEMETRY_PROFILE",
    "HAMILTON_TELEMETRY_PROFILE",
    "CODEANATOMY_HAMILTON_TRACKER_ENABLED",
    "HAMILTON_TRACKER_ENABLED",
    "CODEANATOMY_HAMILTON_CAPTURE_DATA_STATISTICS",
    "HAMILTON_CAPTURE_DATA_STATISTICS",
    "CODEANATOMY_HAMILTON_MAX_LIST_LENGTH_CAPTURE",
    "HAMILTON_MAX_LIST_LENGTH_CAPTURE",
    "CODEANATOMY_HAMILTON_MAX_DICT_LENGTH_CAPTURE",
    "HAMILTON_MAX_DICT_LENGTH_CAPTURE",
]


@pytest.mark.parametrize("name", SPECIFIED)
def test_every_variable_of_the_specification_has_a_row(name: str) -> None:
    """Each variable that the specification lists sets something here."""
    assert name in settings.by_name()


def test_no_variable_sets_two_things() -> None:
    """A variable belongs to one row."""
    every = [variable for setting in settings.TABLE for variable in setting.variables]
    assert len(every) == len(set(every))


def test_rows_are_written_alike() -> None:
    """Each help is a sentence; each default is one that its own kind reads, or none."""
    for setting in settings.TABLE:
        assert re.match(r"[A-Z].*[.]$", setting.help), setting.name
        if setting.default is not None and setting.default != ():
            assert setting.kind.parse(setting.kind.write(setting.default)) == setting.default, setting.name
        else:
            assert setting.default_text or setting.show(setting.default) == "(none)", setting.name


@given(
    setting=st.sampled_from(settings.TABLE), raw=st.text(alphabet=st.characters(exclude_characters="\0"), min_size=1)
)
@example_settings(max_examples=300, deadline=None)
def test_any_text_gives_a_value_or_one_problem(setting: Setting[object], raw: str) -> None:
    """Whatever a variable holds, its setting has a value, and at most one thing is wrong."""
    found, problems = resolve(setting, {setting.name: raw})
    assert len(problems) <= 1
    if not problems and raw.strip():
        assert found.value is not None


def test_current_sees_the_profile() -> None:
    """A profile's value holds for one who asks for that setting alone, and an explicit variable still wins."""
    profile = {"CODEANATOMY_OTEL_PROFILE": "development"}
    assert settings.current(settings.SYSTEM_METRICS, profile) is True
    assert settings.current(settings.SYSTEM_METRICS, {**profile, "CODEANATOMY_OTEL_SYSTEM_METRICS": "false"}) is False


def test_current_sees_the_options_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the program gave wins over the environment, by whichever name, but not over one that is given."""
    monkeypatch.setattr(settings, "_options", {})
    monkeypatch.setenv("CODEANATOMY_HAMILTON_USERNAME", "of the environment")
    settings.use_options({"HAMILTON_USERNAME": "of the program", "CODEANATOMY_OTEL_PROFILE": "development"})
    assert settings.current(settings.HAMILTON_USERNAME) == "of the program"
    assert settings.current(settings.SYSTEM_METRICS) is True
    assert settings.current(settings.HAMILTON_USERNAME, {}) is None
    settings.use_options({})
    assert settings.current(settings.HAMILTON_USERNAME) == "of the environment"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("http,db", ("http", "database")),
        ("DB/dup", ("database/dup",)),
        ("gen_ai_latest_experimental", ("gen_ai_latest_experimental",)),
    ],
)
def test_db_is_the_database_convention(raw: str, value: tuple[str, ...]) -> None:
    """`db`, which Python packages skip in silence, is read as `database`."""
    assert settings.current(settings.SEMCONV_STABILITY_OPT_IN, {"OTEL_SEMCONV_STABILITY_OPT_IN": raw}) == value
