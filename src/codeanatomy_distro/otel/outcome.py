"""What became of one attempt to export a batch."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ARRIVED", "Outcome"]


class Outcome(NamedTuple):
    """`arrived` with `rejected` of its items refused one by one; or not, and then whether the same batch may be
    sent again.

    `retry_after` is how many seconds the receiver asked to be left alone for, if it did. `reason` is for a person.
    """

    arrived: bool
    rejected: int = 0
    retryable: bool = False
    retry_after: float | None = None
    reason: str = ""


ARRIVED = Outcome(arrived=True)
