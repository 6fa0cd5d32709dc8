"""`codeanatomy-otel settings`: every setting, where its value comes from, and what is wrong."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from codeanatomy_distro import settings
from codeanatomy_distro.cli import main

DOCS = Path(__file__).parents[2] / "docs/settings.md"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Give the test an environment of its own."""
    own = {"PATH": os.environ["PATH"]}
    monkeypatch.setattr(os, "environ", own)
    return own


def _as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["settings", "--json", *arguments])
    return code, json.loads(capsys.readouterr().out)


def test_every_setting_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Each setting is shown with value, origin, default and meaning; without a fault the exit code is 0."""
    assert main(["settings"]) == 0
    shown = capsys.readouterr().out
    for setting in settings.TABLE:
        assert f"  {setting.name} = " in shown
        assert setting.help in shown
    assert "  OTEL_BSP_MAX_QUEUE_SIZE = 2048  [default]" in shown


def test_only_what_is_changed(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--changed` leaves the defaults out, and tells a value of an alias and of a profile."""
    assert main(["settings", "--changed"]) == 0
    assert capsys.readouterr().out == "every setting is at its default\n"
    environment |= {"DEPLOYMENT_ENVIRONMENT": "staging", "CODEANATOMY_OTEL_PROFILE": "development"}
    assert main(["settings", "--changed"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert lines == [
        "CODEANATOMY_ENVIRONMENT = staging  [variable DEPLOYMENT_ENVIRONMENT]",
        "CODEANATOMY_OTEL_PROFILE = development  [variable]",
        "OTEL_TRACES_SAMPLER = always_on  [profile]",
        "OTEL_BSP_SCHEDULE_DELAY = 1000  [profile]",
        "OTEL_METRIC_EXPORT_INTERVAL = 10000  [profile]",
        "CODEANATOMY_OTEL_SYSTEM_METRICS = true  [profile]",
    ]


@pytest.mark.parametrize("form", [[], ["--json"], ["--changed"]])
def test_secrets_are_masked(form: list[str], environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """No form of the output, and no fault that it tells, shows a secret."""
    environment |= {
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS": "hunter2",
        "CODEANATOMY_HAMILTON_API_KEY": "hunter2",
    }
    main(["settings", *form])
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err
    assert "****" in captured.out


def test_faults_and_unknown_names_are_told(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """A value that can't be used and a name that nothing reads are told on stderr, and the exit code is 1."""
    environment |= {"OTEL_BSP_MAX_QUEUE_SIZE": "many", "OTEL_TRACES_SAMPLR": "always_on", "CODEANATOMY_XYZZY": "1"}
    assert main(["settings"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "OTEL_BSP_MAX_QUEUE_SIZE='many' is ignored: expected a whole number; using 2048",
        "CODEANATOMY_XYZZY is read by nothing",
        "OTEL_TRACES_SAMPLR is read by nothing; did you mean OTEL_TRACES_SAMPLER?",
    ]


def test_json_has_everything(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` gives settings, problems and unknown names to machines."""
    environment |= {"OTEL_LOG_LEVEL": "loud", "OTEL_SERVICE_NAME": "mine", "OTEL_X": "1"}
    code, document = _as_json(capsys)
    assert code == 1
    assert len(document["settings"]) == len(settings.TABLE)
    name = next(one for one in document["settings"] if one["name"] == "OTEL_SERVICE_NAME")
    assert (name["value"], name["origin"], name["default"]) == ("mine", "variable", "codeanatomy")
    assert [one["variable"] for one in document["problems"]] == ["OTEL_LOG_LEVEL"]
    assert [one["name"] for one in document["unknown"]] == ["OTEL_X"]
    assert [one["name"] for one in _as_json(capsys, "--changed")[1]["settings"]] == ["OTEL_SERVICE_NAME"]


def test_control_characters_do_not_reach_the_terminal(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A value with an escape sequence is shown, not obeyed."""
    environment["OTEL_SERVICE_NAME"] = "a\x1b[31mb"
    main(["settings", "--changed"])
    assert r"OTEL_SERVICE_NAME = a\x1b[31mb" in capsys.readouterr().out


def test_the_reference_has_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """`--markdown` tells each variable, alias and default."""
    assert main(["settings", "--markdown"]) == 0
    page = capsys.readouterr().out
    for setting in settings.TABLE:
        assert f"### `{setting.name}`" in page
        assert all(f"`{alias}`" in page for alias in setting.aliases)


def test_the_committed_reference_is_current() -> None:
    """docs/settings.md is what the table gives."""
    assert main(["settings", "--markdown", "--check", str(DOCS)]) == 0


def test_a_stale_reference_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` fails for a page that differs, and for one that is not there."""
    page = tmp_path / "settings.md"
    assert main(["settings", "--check", str(page)]) == 1
    page.write_text("# Settings\n", encoding="utf-8")
    assert main(["settings", "--check", str(page)]) == 1
    assert str(page) in capsys.readouterr().err
