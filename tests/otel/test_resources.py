"""The resource: each attribute from its sources, in their order."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource

from codeanatomy_distro.obs.scopes import distro_version
from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config
from codeanatomy_distro.otel.resources import (
    CodeAnatomyResourceDetector,
    build_resource,
    create_resource,
    merge_resource_overrides,
    new_instance_id,
)

Make = Callable[..., OtelConfig]


@pytest.mark.parametrize(
    ("environ", "argument", "expected"),
    [
        ({}, None, "codeanatomy"),
        ({}, "argument", "argument"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.name=attributes"}, "argument", "attributes"),
        ({"OTEL_SERVICE_NAME": "variable"}, "argument", "variable"),
        ({"OTEL_SERVICE_NAME": "variable", "OTEL_RESOURCE_ATTRIBUTES": "service.name=attributes"}, None, "variable"),
        ({"OTEL_SERVICE_NAME": "  ", "OTEL_RESOURCE_ATTRIBUTES": "service.name="}, None, "codeanatomy"),
    ],
)
def test_service_name(config: Make, environ: dict[str, str], argument: str | None, expected: str) -> None:
    """Who operates the program has the last word on its name, the program the one before, the distro the first."""
    assert build_resource(config(**environ), service_name=argument).attributes["service.name"] == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, distro_version()),
        ({"OTEL_SERVICE_NAME": "pytest"}, version("pytest")),
        ({"OTEL_SERVICE_NAME": "no such package"}, None),
        ({"OTEL_SERVICE_NAME": "pytest", "CODEANATOMY_SERVICE_VERSION": "1"}, "1"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.version=2"}, "2"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "service.version=2", "CODEANATOMY_SERVICE_VERSION": "1"}, "1"),
    ],
)
def test_service_version(config: Make, environ: dict[str, str], expected: str | None) -> None:
    """The version is the variable's, else that of the installed package named like the service, else not there."""
    assert build_resource(config(**environ)).attributes.get("service.version") == expected


def test_the_other_attributes(config: Make) -> None:
    """Namespace, instance and environment come from their variables; attributes of no variable of their own stand."""
    found = build_resource(
        config(
            CODEANATOMY_SERVICE_NAMESPACE="n",
            CODEANATOMY_SERVICE_INSTANCE_ID="second",
            OTEL_SERVICE_INSTANCE_ID="first",
            DEPLOYMENT_ENVIRONMENT="plain",
            CODEANATOMY_ENVIRONMENT="own",
            OTEL_RESOURCE_ATTRIBUTES="team=a%20b,service.namespace=lost,k8s.pod.name=p",
        )
    ).attributes
    assert found["service.namespace"] == "n"
    assert found["service.instance.id"] == "first"
    assert found["deployment.environment.name"] == "own"
    assert (found["team"], found["k8s.pod.name"]) == ("a b", "p")
    assert found["telemetry.sdk.name"] == "opentelemetry"
    assert found["telemetry.distro.name"] == "codeanatomy-distro"
    assert found["telemetry.distro.version"] == distro_version()


def test_instances_differ(config: Make) -> None:
    """Without an id of its own each resource gets a random one, long enough never to meet another."""
    ids = {str(build_resource(config()).attributes["service.instance.id"]) for _ in range(100)}
    assert len(ids) == 100
    assert len(new_instance_id()) >= 32


def test_what_is_not_known_is_left_out(config: Make) -> None:
    """No attribute says None or nothing."""
    found = build_resource(config()).attributes
    assert "service.namespace" not in found
    assert "deployment.environment.name" not in found
    assert all(found.values())


def test_overrides_win(config: Make) -> None:
    """What the program overrides wins over variables and detectors, in any type that an attribute has."""
    found = create_resource(
        config(OTEL_SERVICE_NAME="variable", OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="process"),
        [],
        overrides={"service.name": "override", "process.pid": 1, "list": ["a"], "none": None},
    ).attributes
    assert (found["service.name"], found["process.pid"], found["list"]) == ("override", 1, ("a",))
    assert "none" not in found
    resource = Resource({"a": 1})
    assert merge_resource_overrides(resource, None) is resource


def test_variables_win_over_detectors(config: Make) -> None:
    """A resource attribute that the user gives is not overwritten by what a detector finds."""
    environ = {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process", "OTEL_RESOURCE_ATTRIBUTES": "process.owner=me"}
    assert create_resource(config(**environ), []).attributes["process.owner"] == "me"


@given(st.text(), st.text(), st.dictionaries(st.text(), st.text()))
def test_any_variable_gives_a_resource(name: str, version_text: str, attributes: dict[str, str]) -> None:
    """Whatever the variables hold there is a resource with a name and an instance."""
    pairs = ",".join(f"{key}={value}" for key, value in attributes.items())
    environ = {
        "OTEL_SERVICE_NAME": name,
        "CODEANATOMY_SERVICE_VERSION": version_text,
        "OTEL_RESOURCE_ATTRIBUTES": pairs,
    }
    found = build_resource(resolve_otel_config(environ)).attributes
    assert found["service.name"]
    assert found["service.instance.id"]


def test_our_detector_is_our_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """A declarative file that names our detector gets the identity that `configure_otel` begins with."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert CodeAnatomyResourceDetector().detect().attributes["service.name"] == "mine"
