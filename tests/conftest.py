"""What holds for all tests."""

from __future__ import annotations

import signal

import pytest
from hypothesis import settings

# A time limit on single examples fails tests for the load of the machine, not for what they prove.
settings.register_profile("project", deadline=None)
settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Have Ctrl-C work in tests and their programs where a shell runs them in its background, which ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
