"""Hamilton runs under way: what a node's span needs to know of its run, wherever the node runs.

A run is found by Hamilton's own run id, which every call that executes a node or a task carries.
"""

from __future__ import annotations

from collections import deque
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, Span

from codeanatomy_distro.obs.constants import AttributeName
from codeanatomy_distro.obs.errors import Identity, identify_error, mark_told
from codeanatomy_distro.obs.metrics import task_duration_recorder
from codeanatomy_distro.obs.run_context import get_run_id, get_stage, reset_run_id, set_run_id
from codeanatomy_distro.obs.scopes import get_tracer
from codeanatomy_distro.obs.worker_context import Carrier, create_carrier, parent_context, root_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from codeanatomy_distro.instrumentation.hamilton.nodes import NodeInfo
    from codeanatomy_distro.instrumentation.hamilton.tracker import TrackedRun

__all__ = ["MOST_ENDED_RUNS", "RUNS", "Place", "Run", "current_place", "forget_place", "runs_of_set"]

MOST_ENDED_RUNS: Final = 256
"""Runs remembered after their end, for nodes that start late: a pool's thread may outlive a run that failed."""

_MOST_TIMINGS: Final = 100_000  # nodes of one run whose times are kept, for the critical path
_TRIVIAL_SECONDS: Final = 0.001
_MOST_UNRECORDED: Final = 64
_NO_PLACE: Final = context.set_value(
    "codeanatomy-no-exemplar", value=True, context=Context()
)  # an empty one is not taken
_RUN_KEY: Final = context.create_key("codeanatomy-hamilton-run")


class Run:
    """One execution of a graph, as its nodes see it."""

    __slots__ = (
        "attributes",
        "carrier",
        "context",
        "described",
        "is_worker",
        "links",
        "over",
        "recorders",
        "recording",
        "run_id",
        "set_ids",
        "stage",
        "submitted",
        "timings",
        "told",
        "tracers",
        "traces_nodes",
        "tracked",
        "unrecorded",
        "user_run_id",
        "with_nodes",
    )

    def __init__(self, run_id: str, span: Span, parent: Context, link: Link | None) -> None:
        self.run_id = run_id
        self.context = trace.set_span_in_context(span, context.set_value(_RUN_KEY, run_id, parent))
        self.recording = span.is_recording()
        self.links: tuple[Link, ...] = () if link is None else (link,)
        """Links of the spans that begin elsewhere: in another thread, task or process than the run's own."""
        self.user_run_id = get_run_id()
        self.stage = get_stage()
        self.attributes: dict[str, Any] = {
            AttributeName.HAMILTON_RUN_ID: run_id,
            AttributeName.HAMILTON_EXECUTION_RUN_ID: run_id,
        }
        if self.user_run_id is not None:
            self.attributes[AttributeName.RUN_ID] = self.user_run_id
        self.described: dict[int, NodeInfo] = {}
        self.tracers: dict[str, trace.Tracer] = {}
        self.recorders: dict[tuple[str, str], Callable[..., None]] = {}
        self.unrecorded: deque[tuple[float, str, str, Context | None]] = deque()
        self.timings: deque[tuple[NodeInfo, str | None, int, int]] = deque(maxlen=_MOST_TIMINGS)
        """For each node that ran here: the task it ran in, and when it began and ended (performance counter, ns)."""
        self.submitted: dict[str, tuple[int, datetime]] = {}
        """When each task was submitted that has neither returned nor begun here (performance counter, ns; date)"""
        self.told: list[Identity] = []
        self.over = False
        """Whether nothing here will say any more that the run ends: it has ended, or it is another process's."""
        self.carrier: tuple[str, ...] | None = None
        self.set_ids: frozenset[int] = frozenset()
        """The adapter sets of the run's driver, which go with its tasks to other processes."""
        self.with_nodes = True
        self.traces_nodes = True
        """Whether a node's span is open while Hamilton executes it; not where that only schedules it."""
        self.is_worker = False
        self.tracked: TrackedRun | None = None
        """The run as the Hamilton UI is told of it, where it is."""

    @classmethod
    def adopt(cls, run_id: str, carried: tuple[str, ...]) -> Run:
        """Return and remember the run `run_id` as a worker process sees it; `carried` are a carrier's fields."""
        carrier = Carrier(*carried)
        root = root_of(carrier)
        run_token = set_run_id(carrier.run_id) if carrier.run_id else None
        try:
            parent = parent_context(carrier)
            run = cls(run_id, trace.get_current_span(parent), parent, None if root is None else Link(root))
        finally:
            if run_token is not None:
                reset_run_id(run_token)
        run.become_worker()
        run.carrier = carried
        run.register()
        run.end()  # nothing here will say so: it is remembered among the last ones
        return run

    def become_worker(self) -> None:
        """Say that this process only works for the run; another one holds its graph span."""
        self._let_span_go()
        self.recording = trace.get_current_span(self.context).get_span_context().trace_flags.sampled
        self.is_worker = True
        self.over = True
        self.unrecorded = deque()  # of a forked child's parent, which records them itself
        self.tracked = None

    def _let_span_go(self) -> None:
        span_context = trace.get_current_span(self.context).get_span_context()
        self.context = trace.set_span_in_context(NonRecordingSpan(span_context), self.context)

    def register(self) -> None:
        """Let the run be found by its id."""
        RUNS[self.run_id] = self

    def end(self) -> None:
        """Keep of the run only what a straggler needs, and that only while it is among the last to have ended."""
        self.over = True
        self.record_tasks()
        self._let_span_go()
        self.described = {}
        self.timings = _NO_TIMINGS
        self.submitted = {}
        self.told = []
        self.set_ids = frozenset()
        _ended.append(self.run_id)
        while len(_ended) > MOST_ENDED_RUNS:
            RUNS.pop(_ended.popleft(), None)

    def carry(self) -> tuple[str, ...]:
        """Return what a worker in another process needs, as plain texts, which load where we are not installed."""
        if self.carrier is None:
            root = self.links[0].context if self.links else None
            self.carrier = tuple(create_carrier(self.context, root, self.user_run_id))
        return self.carrier

    def enter(self) -> tuple[Token[Context], Token[Place | None], Token[str | None] | None]:
        """Make this run the current one where it is not: in a pool's thread or in another process."""
        here = context.get_current()
        carried_over = here.get(_RUN_KEY) == self.run_id  # by somebody else, such as a threading instrumentor
        place = current_place.set((self, self.links))
        run_token = None if self.user_run_id is None else set_run_id(self.user_run_id)
        return context.attach(here if carried_over else self.context), place, run_token

    @staticmethod
    def leave(tokens: tuple[Token[Context], Token[Place | None], Token[str | None] | None]) -> None:
        """Undo `enter`."""
        attached, place, run_token = tokens
        context.detach(attached)
        current_place.reset(place)
        if run_token is not None:
            reset_run_id(run_token)

    def tracer(self, scope: str) -> trace.Tracer:
        """Return the tracer of `scope`, looked up once a run."""
        found = self.tracers.get(scope)
        if found is None:
            found = self.tracers[scope] = get_tracer(scope)
        return found

    def record_task(self, seconds: float, task_kind: str, status: str, place: Context | None = None) -> None:
        """Record how long a task took; `place` is the context to record it in, which its exemplar names.

        Of tasks that take next to no time there may be thousands, and recording one takes longer than the task: those
        are recorded some at a time, which takes half as long, and all of them before the run ends.
        """
        self.unrecorded.append((seconds, task_kind, status, place))
        if seconds > _TRIVIAL_SECONDS or len(self.unrecorded) >= _MOST_UNRECORDED or self.over:
            self.record_tasks()

    def record_tasks(self) -> None:
        """Record the durations that `record_task` has kept back."""
        unrecorded, recorders = self.unrecorded, self.recorders
        while unrecorded:
            try:
                seconds, task_kind, status, place = unrecorded.popleft()
            except IndexError:  # another thread took the last one
                return
            recorder = recorders.get((task_kind, status))
            if recorder is None:
                recorder = recorders[task_kind, status] = task_duration_recorder(task_kind=task_kind, status=status)
            # An exemplar names the last measurement of its bucket: the others need no place, which saves an offer.
            recorder(seconds, context=_NO_PLACE if unrecorded else place)

    def tell(self, error: BaseException) -> None:
        """Remember that a span told `error`, which may reach the graph's span in another thread or task."""
        self.told.append(identify_error(error))

    def recall(self, error: BaseException) -> None:
        """Before `error` is told to the graph's span: mark it as told if a node's span told it, here or elsewhere."""
        if identify_error(error) in self.told or (self.carrier is not None and _is_from_elsewhere(error)):
            mark_told(error)


def _is_from_elsewhere(error: BaseException) -> bool:
    """Whether `error` was raised in another process: a copy of it arrived here, which the worker's span has told."""
    if type(error.__cause__).__name__ == "_RemoteTraceback" or any(
        kind.__name__ == "RayTaskError" for kind in type(error).__mro__
    ):
        return True
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__name__", "").startswith("distributed."):
            return True
        frame = frame.tb_next
    return False


Place = tuple[Run, tuple[Link, ...]]
"""The run that the current context works for, and the links of the spans that begin in it."""

RUNS: Final[dict[str, Run]] = {}
"""Runs by Hamilton's id: those under way and the last that ended."""

_ended: Final[deque[str]] = deque()
_NO_TIMINGS: Final[deque[tuple[NodeInfo, str | None, int, int]]] = deque(maxlen=0)  # one for all that have ended
current_place: Final[ContextVar[Place | None]] = ContextVar("codeanatomy_hamilton_place", default=None)


def runs_of_set(adapter_set: object) -> dict[str, tuple[str, ...]]:
    """Return the carriers, by run id, of the runs under way that use `adapter_set`."""
    identity = id(adapter_set)
    return {run_id: run.carry() for run_id, run in list(RUNS.items()) if identity in run.set_ids}


def forget_place() -> None:
    """In a forked child: what is under way here belongs to the parent process, for which this one may only work."""
    current_place.set(None)
    for run in RUNS.values():
        run.become_worker()
