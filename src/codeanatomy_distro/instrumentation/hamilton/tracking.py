"""Whether runs are recorded in the Hamilton UI, and by which tracker; one a process, made when the first run begins."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import wrapt

from codeanatomy_distro.instrumentation.hamilton.profiles import Limits, TrackerOptions, resolve_tracker
from codeanatomy_distro.instrumentation.hamilton.tracker import NO_RESULT, TrackedRun, Tracker, create_tracker
from codeanatomy_distro.instrumentation.patching import report_failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from opentelemetry.trace import Span

__all__ = ["TRACKING", "TrackedNode", "Tracking"]

_CONSTANTS: Final = "hamilton_sdk.tracking.constants"
_NAMES: Final = {
    "CAPTURE_DATA_STATISTICS": "capture_statistics",
    "MAX_LIST_LENGTH_CAPTURE": "max_list_length",
    "MAX_DICT_LENGTH_CAPTURE": "max_dict_length",
}


class Tracking:
    """Holds the tracker while the instrumentor is on, and sets the limits in the UI's SDK, for all trackers."""

    def __init__(self) -> None:
        self._options: TrackerOptions | None = None
        self._tracker: Tracker | None = None
        self._before: dict[str, Any] = {}
        self._waiting = False
        self._lock = threading.Lock()

    def start(self) -> None:
        """Take the options that the environment gives now."""
        options = self._options = resolve_tracker()
        if not (options.enabled or options.governs):
            return
        if not self._waiting:
            self._waiting = True
            wrapt.register_post_import_hook(lambda _: self._limit(), _CONSTANTS)  # at once if it is imported
        elif _CONSTANTS in sys.modules:
            self._limit()

    def stop(self) -> None:
        """Send what is left and put the SDK's own limits back."""
        tracker, self._tracker, self._options = self._tracker, None, None
        if tracker is not None:
            tracker.sender.close()
        constants = sys.modules.get(_CONSTANTS)
        for name, value in self._before.items():
            setattr(constants, name, value)
        self._before.clear()

    def start_run(  # noqa: PLR0913, PLR0917
        self,
        driver: Any,  # noqa: ANN401
        graph: Any,  # noqa: ANN401
        outputs: Sequence[str],
        inputs: Mapping[str, Any] | None,
        span: Span,
        run_id: str | None,
    ) -> TrackedRun | None:
        """Return the run of `graph` as the UI is told of it; None where it is not."""
        options = self._options
        if options is None or not options.enabled:
            return None
        try:
            with self._lock:  # runs may begin at the same time
                tracker = self._tracker = self._tracker or create_tracker(options)
            if tracker is None:  # the UI's SDK is not installed
                self._options = None
                return None
            modules = getattr(driver, "graph_modules", ())
            return tracker.start_run(graph, modules, outputs, inputs, span.get_span_context(), run_id)
        except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
            report_failure("the tracking of a run in the Hamilton UI", failure)
            return None

    def _limit(self) -> None:
        if self._options is None or self._before:
            return
        constants = sys.modules[_CONSTANTS]
        limits: Limits = self._options.limits
        for name, field in _NAMES.items():
            self._before[name] = getattr(constants, name, None)
            setattr(constants, name, getattr(limits, field))


class TrackedNode:
    """One execution of a node that the UI is told of as well; `inner` is its span, or its time where it has none."""

    __slots__ = ("_began", "_inner", "_node", "_run", "_task_id", "span")

    def __init__(self, run: TrackedRun, node: Any, task_id: str | None, inner: Any) -> None:  # noqa: ANN401
        self._run = run
        self._node = node
        self._task_id = task_id
        self._inner = inner
        self.span: Span = inner.span
        self._began: datetime = run.begin_node(node, task_id)

    def end(self, error: BaseException | None = None, result: Any = NO_RESULT) -> None:  # noqa: ANN401
        """End the span, then tell the UI: what that takes is not the node's time."""
        self._inner.end(error)
        try:
            self._run.end_node(self._node, self._task_id, self._began, error, result)
        except Exception as failure:  # noqa: BLE001
            report_failure("the tracking of a node in the Hamilton UI", failure)


TRACKING: Final = Tracking()
"""The tracking of this process."""
