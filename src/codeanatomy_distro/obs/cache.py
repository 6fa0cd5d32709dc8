"""Cache and storage telemetry: a span, a count and a duration an operation, with words from closed sets.

The Collector makes span metrics of these spans with ``cache.policy``, ``cache.scope`` and ``cache.operation`` as
dimensions (specification, *Collector Configuration*), so no other word may become one.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from codeanatomy_distro.obs.constants import AttributeName, ScopeName
from codeanatomy_distro.obs.errors import is_failure
from codeanatomy_distro.obs.metrics import record_cache_operation, record_storage_operation
from codeanatomy_distro.obs.tracing import active_span

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.trace import Span

__all__ = [
    "CACHE_OPERATIONS",
    "CACHE_POLICIES",
    "CACHE_RESULTS",
    "CACHE_SCOPES",
    "CacheOperation",
    "cache_span",
    "storage_span",
]

CACHE_POLICIES: Final = frozenset(
    {"dataset_delta_staging", "cache_ledger", "metadata_snapshot", "cache_inventory", "none"}
)
CACHE_SCOPES: Final = frozenset({"dataset", "view", "ledger", "metadata"})
CACHE_OPERATIONS: Final = frozenset({"read", "write", "snapshot"})
CACHE_RESULTS: Final = frozenset({"hit", "miss", "ok", "error"})
_OTHER: Final = "other"


def _bounded(word: object, words: frozenset[str]) -> str:
    return word if isinstance(word, str) and word in words else _OTHER


class CacheOperation:
    """A cache operation under way; set `result` to ``hit`` or ``miss`` where the operation has one."""

    def __init__(self, span: Span) -> None:
        self.span = span
        self.result = "ok"


@contextmanager
def cache_span(operation: str, *, policy: str, scope: str, path: str | None = None) -> Generator[CacheOperation]:
    """Open the span ``cache.<operation>`` of scope ``codeanatomy.storage``; count and time the operation when it ends.

    A word that is in none of the closed sets becomes ``other``. `path` goes on the span alone.
    """
    operation = _bounded(operation, CACHE_OPERATIONS)
    policy = _bounded(policy, CACHE_POLICIES)
    scope = _bounded(scope, CACHE_SCOPES)
    attributes = {
        AttributeName.CACHE_POLICY: policy,
        AttributeName.CACHE_SCOPE: scope,
        AttributeName.CACHE_OPERATION: operation,
    }
    if path is not None:
        attributes["cache.path"] = path
    started = time.perf_counter()
    failed = False
    with active_span(f"cache.{operation}", scope=ScopeName.STORAGE, attributes=attributes) as span:
        under_way = CacheOperation(span)
        try:
            yield under_way
        except BaseException as error:
            failed = is_failure(error)
            raise
        finally:
            result = "error" if failed else _bounded(under_way.result, CACHE_RESULTS)
            span.set_attribute(AttributeName.CACHE_RESULT, result)
            seconds = time.perf_counter() - started
            record_cache_operation(seconds, policy=policy, scope=scope, operation=operation, result=result)


@contextmanager
def storage_span(operation: str) -> Generator[Span]:
    """Open the span ``storage.operation`` for `operation` (a word from a small set); count and time it when it ends."""
    started = time.perf_counter()
    status = "ok"
    attributes = {AttributeName.STORAGE_OPERATION: operation}
    with active_span("storage.operation", scope=ScopeName.STORAGE, attributes=attributes) as span:
        try:
            yield span
        except BaseException as error:
            status = "error" if is_failure(error) else "ok"
            raise
        finally:
            record_storage_operation(time.perf_counter() - started, operation=operation, status=status)
