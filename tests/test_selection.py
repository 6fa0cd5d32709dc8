"""What is said when something else was chosen than the user can have meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeanatomy_distro.otel import bootstrap
from codeanatomy_distro.selection import report_selection

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = {"OTEL_PYTHON_DISTRO": "codeanatomy", "OTEL_PYTHON_CONFIGURATOR": "codeanatomy"}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[..., list[str]]:
    """Return what is told under an environment, when our configurator did or did not run."""

    def report(*, configured: bool, **variables: str) -> list[str]:
        caplog.clear()
        for name in ("OTEL_PYTHON_DISTRO", "OTEL_PYTHON_CONFIGURATOR", "OTEL_SDK_DISABLED"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(bootstrap, "is_configured", lambda: configured)
        report_selection()
        return [record.getMessage() for record in caplog.records]

    return report


def test_nothing_is_said_where_ours_was_chosen(told: Callable[..., list[str]]) -> None:
    """Where our configurator ran there is nothing to say: it has told itself what it found wrong."""
    assert told(configured=True) == []
    assert told(configured=True, OTEL_PYTHON_DISTRO="bogus") == []


def test_another_that_was_found_first_is_told_with_the_cure(told: Callable[..., list[str]]) -> None:
    """Where another was chosen by chance, one line says how to choose ours, and how to be rid of the line."""
    (line,) = told(configured=False)
    assert "OTEL_PYTHON_DISTRO=codeanatomy and OTEL_PYTHON_CONFIGURATOR=codeanatomy" in line


def test_an_unknown_name_is_told(told: Callable[..., list[str]]) -> None:
    """A name that nothing bears is told with what happens instead, in one line."""
    (line,) = told(configured=False, OTEL_PYTHON_CONFIGURATOR="bogus")
    assert line.startswith("OTEL_PYTHON_CONFIGURATOR='bogus' is ignored: no configurator of that name is installed")


def test_nothing_is_said_where_telemetry_is_off(told: Callable[..., list[str]]) -> None:
    """Off means off."""
    assert told(configured=False, OTEL_SDK_DISABLED="true") == []
