"""The time that a forked worker waits for a back end that others of its program have waited for."""

from __future__ import annotations

import os
import sys

import pytest

from codeanatomy_distro.otel.patience import Patience

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork")


@pytest.fixture
def patience() -> Patience:
    """Return that of a worker."""
    found = Patience()
    found.share()
    found.become_worker()
    return found


def test_each_wait_in_vain_halves_the_next(patience: Patience) -> None:
    """It halves with each, to a tenth of a second at least, and never takes more than there is."""
    found: list[float] = []
    for _ in range(8):
        found.append(patience.of(2.0))
        patience.waited_in_vain()
    assert found == [2.0, 1.0, 0.5, 0.25, 0.125, 0.1, 0.1, 0.1]
    assert patience.of(0.05) == 0.05
    for _ in range(300):  # a byte holds no more than 255
        patience.waited_in_vain()
    assert patience.of(2.0) == 0.1


def test_a_delivery_gives_all_the_time_again(patience: Patience) -> None:
    """Whatever came before, who comes after a delivery has the whole time."""
    patience.waited_in_vain()
    patience.delivered()
    assert patience.of(2.0) == 2.0


def test_the_first_process_keeps_its_time() -> None:
    """What workers have waited for in vain does not shorten the time of the process that forked them."""
    patience = Patience()
    patience.share()
    patience.waited_in_vain()
    assert patience.of(2.0) == 2.0


def test_a_process_that_never_forked_shares_nothing() -> None:
    """Without a page there is nothing to tell, nor to learn."""
    patience = Patience()
    patience.become_worker()
    patience.waited_in_vain()
    patience.delivered()
    assert patience.of(2.0) == 2.0


def test_what_a_child_learns_the_next_knows(patience: Patience) -> None:
    """The page is one for all processes that one has forked."""
    child = os.fork()
    if not child:
        patience.waited_in_vain()
        os._exit(0)
    os.waitpid(child, 0)
    assert patience.of(2.0) == 1.0
