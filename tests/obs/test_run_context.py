"""The run id: of a context, of the process, and new ones."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from codeanatomy_distro.obs.run_context import (
    clear_run_id,
    get_context_run_id,
    get_process_run_id,
    get_run_id,
    get_stage,
    new_run_id,
    reset_run_id,
    run_context,
    set_process_run_id,
    set_run_id,
    stage_context,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def process_run_id() -> Iterator[None]:
    """Put the process's run id back after each test."""
    before = get_process_run_id()
    set_process_run_id(None)
    yield
    set_process_run_id(before)


def test_the_run_id_of_a_context_wins_over_that_of_the_process() -> None:
    """The process's holds where a context has none of its own."""
    set_process_run_id("process")
    token = set_run_id("context")
    assert (get_run_id(), get_context_run_id()) == ("context", "context")
    clear_run_id()
    assert (get_run_id(), get_context_run_id()) == ("process", None)
    reset_run_id(token)
    assert get_run_id() == "process"


def test_a_block_has_a_run_of_its_own_and_leaves_nothing_behind() -> None:
    """Blocks nest, an exception passes, and afterwards all is as before."""

    def run() -> None:
        with run_context("outer") as outer:
            with run_context() as inner:
                assert get_run_id() == inner != outer
            assert get_run_id() == "outer"
            message = "passes"
            raise ValueError(message)

    with pytest.raises(ValueError, match="passes"):
        run()
    assert get_run_id() is None


def test_a_thread_without_context_names_the_run_of_its_process() -> None:
    """A bare thread sees no context, but the process's run."""
    set_process_run_id("process")
    seen: list[str | None] = []
    with run_context("context"):
        thread = threading.Thread(target=lambda: seen.append(get_run_id()))
        thread.start()
        thread.join()
    assert seen == ["process"]


def test_new_ids_are_uuids_of_version_7_and_in_the_order_of_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9562: version and variant bits, and the milliseconds in front."""
    times = iter([1_000_000, 2_000_000, 3_000_000])
    monkeypatch.setattr("codeanatomy_distro.obs.run_context.time.time_ns", lambda: next(times) * 1_000_000)
    ids = [new_run_id() for _ in range(3)]
    assert sorted(ids) == ids
    for milliseconds, text in zip((1_000_000, 2_000_000, 3_000_000), ids, strict=True):
        assert UUID(text).version == 7
        assert UUID(text).variant == "specified in RFC 4122"
        assert UUID(text).int >> 80 == milliseconds


def test_new_ids_differ() -> None:
    """Of a thousand ids made at once none is there twice."""
    assert len({new_run_id() for _ in range(1000)}) == 1000


def test_stages_nest() -> None:
    """The innermost stage is the current one."""
    with stage_context("outer"):
        with stage_context("inner"):
            assert get_stage() == "inner"
        assert get_stage() == "outer"
    assert get_stage() is None
