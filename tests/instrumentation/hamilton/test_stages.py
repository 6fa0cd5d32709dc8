"""Nodes that are stages: their durations are recorded under the stage's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hamilton import driver

if TYPE_CHECKING:
    from codeanatomy_distro.testing import Telemetry

SOURCE = """
from hamilton.function_modifiers import tag

@tag(kind="stage", layer="inputs")
def extract(fail: bool) -> int:
    if fail:
        raise ValueError("no")
    return 1
"""


@pytest.mark.usefixtures("instrumented")
@pytest.mark.parametrize(("fail", "status"), [(False, "ok"), (True, "error")])
def test_stage_has_a_duration(telemetry: Telemetry, make_module: Any, *, fail: bool, status: str) -> None:
    """A stage's duration is recorded once, under its node's name, with how it ended."""
    pipeline = driver.Builder().with_modules(make_module(SOURCE)).build()
    try:
        pipeline.execute(["extract"], inputs={"fail": fail})
    except ValueError:
        assert fail
    (point,) = telemetry.metrics("codeanatomy.stage.duration")
    assert (point.attributes["stage"], point.attributes["status"], point.data.count) == ("extract", status, 1)
