"""Scopes: which one a layer belongs to, and whose tracer is kept."""

from __future__ import annotations

# Tests of our own parts look inside them.
# pyright: reportPrivateUsage=false
import threading
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from codeanatomy_distro.obs.scopes import distro_version, get_logger, get_meter, get_tracer, scope_for_layer


@pytest.mark.parametrize(
    ("layer", "scope"),
    [
        ("inputs", "codeanatomy.extract"),
        ("plan", "codeanatomy.planning"),
        ("execution", "codeanatomy.execution"),
        ("storage", "codeanatomy.storage"),
        ("outputs", "codeanatomy.pipeline"),
        ("quality", "codeanatomy.pipeline"),
        ("anything", "codeanatomy.pipeline"),
        ("", "codeanatomy.pipeline"),
        (None, "codeanatomy.pipeline"),
    ],
)
def test_layers_have_scopes(layer: str | None, scope: str) -> None:
    """A layer tag has the scope that the names page gives it, and the pipeline's where it gives none."""
    assert scope_for_layer(layer) == scope


def test_version_is_the_distributions() -> None:
    """Scopes bear the version of the installed distribution."""
    assert distro_version() == version("codeanatomy-distro")


def test_telemetry_bears_scope_and_version(telemetry: Any) -> None:
    """Spans, metrics and log records come from the scope asked for, in our version."""
    get_tracer("codeanatomy.cpg").start_span("s").end()
    get_logger("codeanatomy.diagnostics").emit(body="b")
    span, record = telemetry.span("s"), telemetry.logs()[0]
    assert (span.instrumentation_scope.name, span.instrumentation_scope.version) == (
        "codeanatomy.cpg",
        distro_version(),
    )
    assert record.instrumentation_scope.name == "codeanatomy.diagnostics"
    assert get_meter().name == "codeanatomy.obs"


def test_a_tracer_is_kept_per_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second lookup gives the very same tracer, and another provider is served by its own."""
    providers = [TracerProvider(shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)]
    found: list[trace.Tracer] = []
    for provider in providers:
        monkeypatch.setattr(trace, "get_tracer_provider", lambda provider=provider: provider)
        found.append(get_tracer("codeanatomy.x"))
        assert get_tracer("codeanatomy.x") is found[-1]
    assert found[0] is not found[1]


def test_a_late_lookup_leaves_no_tracer_of_the_old_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that looks up while another provider is set puts nothing of the old one among those of the new."""
    looking, go_on = threading.Event(), threading.Event()

    class Slow(TracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
            looking.set()
            go_on.wait(5)
            return super().get_tracer(*args, **kwargs)

    old, new = Slow(shutdown_on_exit=False), TracerProvider(shutdown_on_exit=False)
    current: list[trace.TracerProvider] = [old]
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: current[0])
    late = threading.Thread(target=get_tracer, args=("codeanatomy.race",))
    late.start()
    looking.wait(5)
    current[0] = new
    get_tracer("codeanatomy.other")
    go_on.set()
    late.join(5)
    span = get_tracer("codeanatomy.race").start_span("s")
    assert getattr(span, "resource", None) is new.resource
