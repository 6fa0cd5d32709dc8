"""The start is frozen by the command alone."""

from __future__ import annotations

import gc

from codeanatomy_distro.frozen_start import freeze_start


def test_nothing_is_frozen_by_a_program_that_runs() -> None:
    """Called from code of the program, however deep, it leaves the collector as it is."""
    before = gc.get_freeze_count()
    freeze_start()
    assert gc.get_freeze_count() == before
