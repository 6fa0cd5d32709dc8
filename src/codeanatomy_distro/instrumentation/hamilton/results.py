"""What the result of a node says beyond its value: taken from the cache, or a data quality check that did not pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["CACHE_HIT", "CHECK_MESSAGE", "CHECK_PASSED", "IS_CHECK", "tell_result"]

CACHE_HIT: Final = "hamilton.cache.hit"
"""Whether the node's value came from Hamilton's cache; absent where its driver has none."""

CHECK_PASSED: Final = "hamilton.data_quality.passed"
"""Whether a data quality check passed. Hamilton reports a check that only warns as a success either way."""

CHECK_MESSAGE: Final = "hamilton.data_quality.message"

IS_CHECK: Final = "hamilton.data_quality.contains_dq_results"
_NEWEST_EVENTS: Final = 64  # of the cache's log, which threads share: how far back the node's own may lie


def tell_result(  # noqa: PLR0913, PLR0917
    span: Span,
    node: Any,  # noqa: ANN401
    adapters: Any,  # noqa: ANN401
    run_id: str,
    task_id: str | None,
    result: Any,  # noqa: ANN401
) -> None:
    """Put on `span` whether the node came from Hamilton's cache and, for a data quality check, whether it passed."""
    executes = adapters.sync_methods.get("do_node_execute")
    checks = node.tags.get(IS_CHECK)
    if not (executes or checks) or not span.is_recording():
        return
    try:
        for adapter in executes or ():
            if hasattr(adapter, "behaviors") and hasattr(adapter, "_logs"):
                hit = _was_hit(adapter, node.name, run_id, task_id)
                if hit is not None:
                    span.set_attribute(CACHE_HIT, hit)
        if checks and hasattr(result, "passes"):
            span.set_attribute(CHECK_PASSED, bool(result.passes))
            if not result.passes:
                span.set_attribute(CHECK_MESSAGE, str(getattr(result, "message", "")))
    except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
        report_failure("the description of a node's result", failure)


def _was_hit(cache: Any, name: str, run_id: str, task_id: str | None) -> bool | None:  # noqa: ANN401
    for event in reversed(cache._logs.get(run_id, ())[-_NEWEST_EVENTS:]):  # noqa: SLF001 - there is no public way
        if event.node_name == name and event.task_id == task_id:
            if event.event_type.value == "get_result":
                return bool(event.msg == "hit")
            if event.event_type.value in {"execute_node", "failed_execution"}:
                return False
    return None
