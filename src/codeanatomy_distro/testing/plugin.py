"""The pytest plug-in: a fixture `telemetry` that holds what the code under test recorded.

It is loaded into every pytest run of an environment that holds this package, so it imports nothing until it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from codeanatomy_distro.testing.capture import Telemetry

__all__ = ["telemetry"]


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Capture spans, metrics and log records in memory for one test, under a run id of its own."""
    from codeanatomy_distro.testing.capture import capture  # not needed by tests that do not ask for it

    with capture() as captured:
        yield captured
