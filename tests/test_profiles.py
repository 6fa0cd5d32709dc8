"""The operational profiles are the specification's, value for value."""

from __future__ import annotations

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.otel.config import resolve_otel_config
from codeanatomy_distro.profiles import PROFILES
from codeanatomy_distro.setting import Origin

# Copied by hand from the specification, *Operational Profiles*.
SPECIFIED = {
    "development": {
        "OTEL_TRACES_SAMPLER": "always_on",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "CODEANATOMY_OTEL_SYSTEM_METRICS": "true",
    },
    "ci": {"CODEANATOMY_OTEL_TEST_MODE": "true", "OTEL_SDK_DISABLED": "false"},
    "production": {
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": "0.01",
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        "OTEL_BSP_MAX_QUEUE_SIZE": "4096",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1024",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process,os,host,container,k8s",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    },
}


def test_profiles_are_the_specifications() -> None:
    """There are the three profiles, with exactly the values of the specification."""
    assert PROFILES == SPECIFIED


@pytest.mark.parametrize("name", SPECIFIED)
def test_a_profile_gives_its_values_and_nothing_else(name: str) -> None:
    """Under a profile its settings have its values, every other one its default, and nothing is wrong."""
    plain = resolve_otel_config({})
    config = resolve_otel_config({"CODEANATOMY_OTEL_PROFILE": name})
    assert config.problems == ()
    for setting in settings.TABLE:
        if setting.name in SPECIFIED[name]:
            assert config.resolved(setting).origin == Origin.PROFILE
            assert setting.kind.write(config[setting]) == SPECIFIED[name][setting.name]
        elif setting is not settings.PROFILE:
            assert config[setting] == plain[setting]


def test_an_explicit_variable_wins_over_the_profile() -> None:
    """What the user sets wins over the profile."""
    config = resolve_otel_config({"CODEANATOMY_OTEL_PROFILE": "prod", "OTEL_TRACES_SAMPLER_ARG": "0.5"})
    assert config.sampler_ratio == 0.5
    assert config[settings.BSP_MAX_QUEUE_SIZE] == 4096
