"""Runs in the Hamilton UI (specification, *Hamilton UI Telemetry*), each with the tags that lead to its trace.

It follows the spans, so that it covers every way of executing that they cover, and sends from another thread.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from opentelemetry.trace import SpanContext, format_span_id, format_trace_id

from codeanatomy_distro.instrumentation.hamilton.tracker_sender import Sender
from codeanatomy_distro.instrumentation.hamilton.tracker_values import cut
from codeanatomy_distro.instrumentation.patching import report_failure
from codeanatomy_distro.obs.constants import AttributeName

if TYPE_CHECKING:
    from codeanatomy_distro.instrumentation.hamilton.profiles import TrackerOptions
    from codeanatomy_distro.instrumentation.hamilton.tracker_http import Http

__all__ = ["NO_RESULT", "SPAN_ID_TAG", "TRACE_ID_TAG", "TrackedRun", "Tracker", "create_tracker"]

TRACE_ID_TAG: Final = "otel.trace_id"
SPAN_ID_TAG: Final = "otel.span_id"

_MOST_UPDATES: Final = 20_000  # waiting to be sent for one run
NO_RESULT: Final = object()
"""In the place of a result that is not at hand."""

Attributes = list[dict[str, Any]] | Callable[[], list[dict[str, Any]]]


def create_tracker(options: TrackerOptions) -> Tracker | None:
    """Return the tracker that `options` ask for; None when they ask for none or the UI's SDK is not installed."""
    if not options.enabled or find_spec("hamilton_sdk") is None:
        return None
    return Tracker(options)


class Tracker:
    """Records runs in one project of the Hamilton UI."""

    def __init__(self, options: TrackerOptions) -> None:
        self.options = options
        self.sender = Sender(options.api_url)
        self.loaded = False
        """Whether the UI's SDK is there to tell results with."""
        self._http: Http | None = None
        self._templates: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self.sender.send(self._connect)

    def start_run(  # noqa: PLR0913, PLR0917
        self,
        graph: Any,  # noqa: ANN401
        modules: Sequence[Any],
        outputs: Sequence[str],
        inputs: Mapping[str, Any] | None,
        span_context: SpanContext,
        run_id: str | None,
    ) -> TrackedRun | None:
        """Return the new run of `graph`; None once the tracker has given up."""
        if not self.sender.alive:
            return None
        tags: dict[str, str] = {}
        if run_id is not None:
            tags[AttributeName.RUN_ID] = run_id
        if span_context.is_valid:
            tags[TRACE_ID_TAG] = format_trace_id(span_context.trace_id)
            tags[SPAN_ID_TAG] = format_span_id(span_context.span_id)
        sent_inputs = cut(inputs or {}, self.options.limits)
        run = TrackedRun(self)
        began = _now()

        def start(http: Http) -> None:
            template = self._register(graph, modules)
            if template is not None:
                run.server_id = http.start_run(template, began, tags, sent_inputs, outputs)

        self.send(start)
        return run

    def _register(self, graph: Any, modules: Sequence[Any], *, again: bool = False) -> int | None:  # noqa: ANN401
        if graph not in self._templates:
            # Imported here for start-up cost: it is loaded already.
            from codeanatomy_distro.instrumentation.hamilton import tracker_sdk

            try:
                with self.sender.calling():
                    self._templates[graph] = tracker_sdk.register_graph(self.options, graph, modules)
            except OSError:  # also what `requests` raises: the server's fault, not the graph's
                if again:
                    raise
                # Two processes that register a new graph at once are one too many for the server: the other's is there.
                return self._register(graph, modules, again=True)
            except Exception as failure:  # noqa: BLE001 - ours must not reach the user's program
                report_failure("the registration of a graph in the Hamilton UI", failure)
                return None
        return self._templates[graph]

    def send(self, job: Any) -> None:  # noqa: ANN401
        """Run `job` with the connection, on the sender's thread."""
        self.sender.send(lambda: job(self._http))

    def _connect(self) -> None:
        # Imported here for start-up cost, the second when the server has answered: the SDK takes most of a second.
        from codeanatomy_distro.instrumentation.hamilton.tracker_http import Http as Connection

        http = Connection(self.options, self.sender.calling)
        http.check()
        from codeanatomy_distro.instrumentation.hamilton import tracker_sdk

        self._http = http
        self.loaded = bool(tracker_sdk.__name__)


class TrackedRun:
    """One run under way."""

    def __init__(self, tracker: Tracker) -> None:
        self.server_id: int | None = None
        self._tracker = tracker
        self._lock = threading.Lock()
        self._updates: dict[str, dict[str, Any]] = {}
        self._attributes: list[Attributes] = []
        self._waiting = False

    def begin_node(self, node: Any, task_id: str | None) -> datetime:  # noqa: ANN401
        """Tell that `node` has begun, and return when."""
        began = _now()
        self._tell(node, task_id, {"status": "RUNNING", "start_time": began, "end_time": None}, [])
        return began

    def end_node(
        self,
        node: Any,  # noqa: ANN401
        task_id: str | None,
        began: datetime,
        error: BaseException | None,
        result: Any = NO_RESULT,  # noqa: ANN401
    ) -> None:
        """Tell that `node` has ended, with what may be told of its error or its result."""
        update = {"status": "SUCCESS" if error is None else "FAILURE", "start_time": began, "end_time": _now()}
        attributes: list[Attributes] = []
        if error is not None:
            attributes.append(_error_attributes(_node_name(node, task_id), error))
        elif result is not NO_RESULT:
            describe = partial(_result_attributes, node, _node_name(node, task_id), result)
            # Here, so that the program may change the result afterwards; until the SDK is loaded, when it is.
            attributes.append(describe() if self._tracker.loaded else describe)
        self._tell(node, task_id, update, attributes)

    def end(self, error: BaseException | None) -> None:
        """Tell that the run has ended."""
        ended, status = _now(), "SUCCESS" if error is None else "FAILURE"

        def end(http: Http) -> None:
            self._flush(http)
            if self.server_id is not None:
                http.end_run(self.server_id, ended, status)

        self._tracker.send(end)

    def _tell(self, node: Any, task_id: str | None, update: dict[str, Any], attributes: list[Attributes]) -> None:  # noqa: ANN401
        name = _node_name(node, task_id)
        with self._lock:
            if len(self._updates) >= _MOST_UPDATES:
                return
            self._updates[name] = {
                "node_template_name": node.name,
                "node_name": name,
                "realized_dependencies": [dependency.name for dependency in node.dependencies],
                **update,
            }
            self._attributes.extend(attributes)
            waiting, self._waiting = self._waiting, True
        if not waiting:
            self._tracker.send(self._flush)

    def _flush(self, http: Http) -> None:
        with self._lock:
            updates, self._updates = self._updates, {}
            attributes, self._attributes = self._attributes, []
            self._waiting = False
        if self.server_id is not None and (updates or attributes):
            told = [item for group in attributes for item in (group() if callable(group) else group)]
            http.update_run(self.server_id, list(updates.values()), told)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _node_name(node: Any, task_id: str | None) -> str:  # noqa: ANN401
    return node.name if task_id is None else f"{task_id}-{node.name}"


def _result_attributes(node: Any, name: str, result: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    # Imported here for start-up cost: the SDK is loaded by now.
    from codeanatomy_distro.instrumentation.hamilton.tracker_sdk import result_attributes

    try:
        return result_attributes(node, name, result)
    except Exception as failure:  # noqa: BLE001
        report_failure("the description of a result for the Hamilton UI", failure)
        return []


def _error_attributes(name: str, error: BaseException) -> list[dict[str, Any]]:
    trace = traceback.format_exception(type(error), error, error.__traceback__)
    return [
        {
            "node_name": name,
            "name": "stack_trace",
            "type": "error",
            "schema_version": 1,
            "value": {"stack_trace": trace},
            "attribute_role": "error",
        }
    ]
