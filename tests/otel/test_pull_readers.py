"""Readers that are asked for metrics: made in place of exporters, and given redacted metrics."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource

from codeanatomy_distro import settings
from codeanatomy_distro.otel import exporters, providers
from codeanatomy_distro.otel.config import OtelConfig, resolve_otel_config
from codeanatomy_distro.setting import Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from codeanatomy_distro.setting import Problem

ROW = settings.SIGNAL_EXPORTER["metrics"]


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., OtelConfig]:
    """Return the configuration of an exporter called ``plugin``, installed as what `load` gives."""

    def config(load: Callable[[], object], *names: str, **environ: str) -> OtelConfig:
        def entry_points(*, group: str, name: str) -> list[Any]:
            return (
                [SimpleNamespace(load=load, name=name)]
                if (group, name) == ("opentelemetry_metrics_exporter", "plugin")
                else []
            )

        monkeypatch.setattr(exporters, "entry_points", entry_points)
        return resolve_otel_config(environ).with_values({ROW: names or ("plugin",)}, Origin.OPTION)

    return config


def _meters(config: OtelConfig) -> tuple[Any, list[Problem], list[Any]]:
    problems: list[Problem] = []
    parts: list[Any] = []
    made = providers.create_meter_provider(providers.Ingredients(config, Resource({"a": "b"}), problems, parts))
    return made, problems, parts


@pytest.mark.parametrize(("redaction", "secret"), [("standard", False), ("off", True)])
def test_a_reader_gets_redacted_metrics(named: Callable[..., OtelConfig], redaction: str, secret: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A reader among the exporters is asked for metrics, redacted as the settings say; nothing exports for it."""
    made: list[InMemoryMetricReader] = []

    class Plugin(InMemoryMetricReader):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

    provider, problems, parts = _meters(named(lambda: Plugin, CODEANATOMY_OTEL_REDACTION=redaction))
    provider.get_meter("app").create_counter("x").add(1, {"api_key": "hunter2hunter2"})
    (reader,) = made
    assert ("hunter2hunter2" in str(reader.get_metrics_data())) == secret
    assert (problems, parts) == ([], [])


def test_a_reader_beside_an_exporter(named: Callable[..., OtelConfig]) -> None:
    """With an exporter beside it, each has its own way out."""
    provider, problems, parts = _meters(named(lambda: InMemoryMetricReader, "plugin", "otlp"))
    assert (len(parts), problems) == (1, [])
    provider.shutdown()


def test_a_reader_that_fails_is_told(named: Callable[..., OtelConfig]) -> None:
    """A reader that can't start is one problem; no exporter that nobody named takes its place."""

    class Broken(InMemoryMetricReader):
        def __init__(self) -> None:
            message = "the port is taken"
            raise OSError(message)

    _, problems, parts = _meters(named(lambda: Broken))
    assert [str(problem) for problem in problems] == [
        "OTEL_METRICS_EXPORTER='plugin' is ignored: it failed: OSError: the port is taken; using none"
    ]
    assert parts == []


def test_a_module_that_cannot_be_imported_is_no_reader(named: Callable[..., OtelConfig]) -> None:
    """What can't be loaded is told by the export that needs it, as for every other exporter."""

    def load() -> object:
        message = "no module named theirs"
        raise ImportError(message)

    provider, problems, parts = _meters(named(load))
    assert (problems, len(parts)) == ([], 1)
    provider.shutdown()
