"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A time limit on single examples fails tests for the load of the machine, not for what they prove.
settings.register_profile("project", deadline=None)
settings.load_profile("project")
