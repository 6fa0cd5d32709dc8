"""Generators of ids: the named one, or random ids and one message."""

from __future__ import annotations

import random

# Tests of our own parts look inside them.
# pyright: reportPrivateUsage=false
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from codeanatomy_distro.otel import id_generators
from codeanatomy_distro.otel.config import OtelConfig
from codeanatomy_distro.otel.id_generators import OwnRandomIdGenerator, create_id_generator

Make = Callable[..., OtelConfig]


@pytest.mark.parametrize("name", ["", "default", "random", "RANDOM"])
def test_the_usual_ones(config: Make, name: str) -> None:
    """Unset, ``default`` and ``random`` are random ids, without a message."""
    problems: list[Any] = []
    assert isinstance(create_id_generator(config(OTEL_PYTHON_ID_GENERATOR=name), problems), RandomIdGenerator)
    assert problems == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("no clock"), "it failed: OSError: no clock"),
        (ImportError("no module named aws"), "it needs a package that is not installed (no module named aws)"),
    ],
)
def test_one_that_fails(config: Make, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str) -> None:
    """A generator that can't be made is told, and ids are random ones."""

    def broken() -> Any:
        raise error

    monkeypatch.setitem(id_generators._BUILT_IN, "random", broken)
    problems: list[Any] = []
    found = create_id_generator(config(OTEL_PYTHON_ID_GENERATOR="random"), problems)
    assert found.generate_trace_id()
    assert [(problem.variable, problem.reason) for problem in problems] == [("OTEL_PYTHON_ID_GENERATOR", reason)]


def test_a_seeded_program_draws_its_own_numbers() -> None:
    """Ids neither take from the shared source nor follow its seed."""
    generator = OwnRandomIdGenerator()
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    drawn: list[float] = []
    ids: set[int] = set()
    for _ in range(3):
        drawn.append(random.random())
        ids |= {generator.generate_span_id(), generator.generate_trace_id()}
    assert drawn == expected
    random.seed(7)
    assert generator.generate_trace_id() not in ids
