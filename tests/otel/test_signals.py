"""Signals that end the process: an export first, then what would have happened anyway."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SET_UP = """
lifecycle = Lifecycle(parts, deadline=1)
lifecycle.before_exit(lambda number: print("exports", number, flush=True))
lifecycle.install()
"""
IMPORTS = """
import _thread, ctypes, faulthandler, os, pathlib, signal, sys, threading, time
from codeanatomy_distro.otel.lifecycle import Lifecycle
parts = []
"""
KILL = """
os.kill(os.getpid(), signal.SIGTERM)
print("goes on")
"""


@pytest.fixture
def run_with(run_alone: Callable[..., Any]) -> Callable[..., Any]:
    """Run a program that does something before a lifecycle is installed, and something after."""

    def run(*, before: str = "", after: str = KILL) -> Any:
        return run_alone(IMPORTS + textwrap.dedent(before) + SET_UP + textwrap.dedent(after))

    return run


def test_the_default_action_comes_after_the_export(run_with: Callable[..., Any]) -> None:
    """The process exports, told which signal it is, and ends by that signal."""
    ended = run_with(after="os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)")
    assert (ended.stdout, ended.code) == ("exports 15\n", -15)


def test_a_main_thread_in_native_code_is_not_waited_for(run_with: Callable[..., Any]) -> None:
    """A process whose main thread never comes back to Python exports and ends all the same."""
    ended = run_with(
        after="""
        libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(64)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)
        """
    )
    assert (ended.stdout, ended.code) == ("exports 15\n", -15)


def test_an_earlier_handler_decides(run_with: Callable[..., Any]) -> None:
    """A handler of the program's own runs and its exit is the process's; the last export is that exit's."""
    ended = run_with(before="signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))")
    assert (ended.stdout, ended.code) == ("exports None\n", 7)


def test_a_later_handler_decides(run_with: Callable[..., Any]) -> None:
    """A handler that the program sets afterwards replaces ours."""
    ended = run_with(after="signal.signal(signal.SIGTERM, lambda *_: print('handled'))" + KILL)
    assert (ended.stdout, ended.code) == ("handled\ngoes on\nexports None\n", 0)


def test_an_ignored_signal_stays_ignored(run_with: Callable[..., Any]) -> None:
    """Where the program, or who started it, ignores the signal, nothing is exported for it."""
    ended = run_with(before="signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    assert (ended.stdout, ended.code) == ("goes on\nexports None\n", 0)


def test_an_event_loops_wake_up_pipe_is_left_to_it(run_with: Callable[..., Any]) -> None:
    """Where somebody listens for signals already, their pipe stays; the signal is exported for all the same."""
    ended = run_with(
        before="reading, writing = os.pipe(); os.set_blocking(writing, False); signal.set_wakeup_fd(writing)",
        after="""
        found = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(found)
        print(found == writing)
        os.kill(os.getpid(), signal.SIGTERM)
        """,
    )
    assert (ended.stdout, ended.code) == ("exports 15\nTrue\n", -15) or ended.stdout == "True\nexports 15\n"


def test_a_signal_that_the_program_waits_for_is_left_to_it(run_with: Callable[..., Any]) -> None:
    """A program that blocks a signal and takes it with `sigwait` gets it, though threads of ours could be asked."""
    ended = run_with(
        after="""
        signal.alarm(60)
        def blocked(task):
            (line,) = [one for one in (task / "status").read_text().splitlines() if one.startswith("SigBlk:")]
            return int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        tasks = pathlib.Path("/proc/self/task")
        while tasks.is_dir() and not all(blocked(task) for task in tasks.iterdir()):
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGTERM)
        print(int(signal.sigwait({signal.SIGTERM})))
        """
    )
    assert (ended.stdout, ended.code) == ("15\nexports None\n", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells which signals are handled")
def test_a_handler_that_python_does_not_know_of_is_kept(run_with: Callable[..., Any]) -> None:
    """One that `faulthandler` has set before us takes the signal as it did, and the program goes on."""
    ended = run_with(before="faulthandler.register(signal.SIGTERM)")
    assert (ended.stdout, ended.code) == ("goes on\nexports None\n", 0)
    assert "most recent call first" in ended.stderr


def test_set_up_from_another_thread_all_stays_as_it_was(run_with: Callable[..., Any]) -> None:
    """Only the main thread may set handlers; from another, those that stand are kept."""
    ended = run_with(
        before="""
        before = signal.getsignal(signal.SIGTERM)
        class Lifecycle(Lifecycle):
            def install(self):
                thread = threading.Thread(target=super().install)
                thread.start()
                thread.join()
        """,
        after="print(signal.getsignal(signal.SIGTERM) is before)",
    )
    assert (ended.stdout, ended.code) == ("True\nexports None\n", 0)


def test_a_forked_child_hears_its_own_signals(run_with: Callable[..., Any]) -> None:
    """A signal of the child's ends the child, after its own export, and is not heard by the parent."""
    ended = run_with(
        after="""
        child = os.fork()
        if not child:
            lifecycle.before_exit(lambda number: print("child exports", number, flush=True))
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        """
    )
    assert (ended.stdout, ended.code) == ("child exports 15\n-15\nexports None\n", 0)


def test_a_signal_amid_the_last_export_neither_stops_nor_repeats_it(run_with: Callable[..., Any]) -> None:
    """At whichever step of the exit a signal comes, what the process has is exported once, long before the deadline,
    and the process ends by that signal.
    """
    ended = run_with(
        after="""
        lifecycle._deadline = 30

        def leave(step):
            lifecycle.before_exit(lambda _: print("exports", flush=True))
            steps = iter(range(1, step + 1))
            def opcode(_frame, event, _argument):
                if event == "opcode" and next(steps, 0) == step:
                    signal.raise_signal(signal.SIGTERM)
                return opcode
            def call(frame, *_):
                if frame.f_code in {Lifecycle.shutdown.__code__, Lifecycle._leave.__code__, Lifecycle._begin.__code__}:
                    frame.f_trace = opcode  # 3.13 wants it first
                    frame.f_trace_opcodes = True
                    return opcode
            sys._getframe().f_trace_opcodes = True  # 3.12 looks whether there are any before it sends the event
            sys.settrace(call)
            lifecycle.shutdown()
            os._exit(0)

        code, step = -signal.SIGTERM, 0
        while code == -signal.SIGTERM:
            step += 1
            child = os.fork()
            if not child:
                signal.alarm(20)
                leave(step)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(step, code, flush=True)
        os._exit(0)
        """
    )
    *exports, last = ended.stdout.splitlines()
    assert len(exports) > 20
    assert (exports, last) == (["exports"] * len(exports), f"{len(exports)} 0")


@pytest.mark.parametrize(
    "then",
    ["time.sleep(30)", "ctypes.CDLL = lambda _: time.sleep(60); sys.exit(3)"],  # the thread that ends it is slow
    ids=["waits", "ends"],
)
def test_a_signal_amid_a_measurement_leaves_the_metrics_to_be_exported(run_with: Callable[..., Any], then: str) -> None:
    """A measurement that the signal interrupts holds a lock of the meter's; what was measured before arrives all the
    same, long before the deadline. The process ends by the signal, though its program ends while it is let go on.
    """
    ended = run_with(
        before="""
        from opentelemetry.sdk.metrics import Counter, MeterProvider, SimpleFixedSizeExemplarReservoir
        from opentelemetry.sdk.metrics.view import View
        from codeanatomy_distro.otel.delivery import ExporterFactory
        from codeanatomy_distro.otel.metric_reader import ExportingMetricReader
        from codeanatomy_distro.otel.outcome import ARRIVED

        class Printing:
            cancels = False
            def export(self, batch, timeout):
                for metric in batch.resource_metrics[0].scope_metrics[0].metrics:
                    print(metric.name, metric.data.data_points[0].value, flush=True)
                return ARRIVED
            def shutdown(self): pass

        def kill(aggregation):
            if measuring:
                os.kill(os.getpid(), signal.SIGTERM)
            return SimpleFixedSizeExemplarReservoir

        measuring = False
        reader = ExportingMetricReader(ExporterFactory(Printing), interval=60, temporality={}, aggregation={})
        views = [View(instrument_name="killed", exemplar_reservoir_factory=kill)]
        provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
        reader.attach(provider)
        parts = [reader]
        """,
        after=f"""
        lifecycle._deadline = 30
        signal.alarm(20)
        meter = provider.get_meter("test")
        before, killed = meter.create_counter("before"), meter.create_counter("killed")
        before.add(1)
        measuring = True
        killed.add(1)
        {then}
        """,
    )
    assert "before 1" in ended.stdout.splitlines()
    assert (ended.code, ended.stderr) == (-15, "")


def test_a_signal_amid_the_start_of_a_thread_leaves_the_item_to_be_exported(run_with: Callable[..., Any]) -> None:
    """The first item starts the thread that exports it; where a signal comes in the midst of that, it arrives too."""
    ended = run_with(
        before="""
        from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue
        from codeanatomy_distro.otel.delivery import ExporterFactory
        from codeanatomy_distro.otel.outcome import ARRIVED

        class Printing:
            cancels = False
            def export(self, batch, timeout):
                print(batch, flush=True)
                return ARRIVED
            def shutdown(self): pass

        class Thread(threading.Thread):
            def start(self):
                if self.name == "codeanatomy-items":
                    _thread.interrupt_main(signal.SIGTERM)  # as if another thread had got it
                super().start()

        threading.Thread = Thread
        queue = BatchQueue("items", ExporterFactory(Printing), BatchLimits())
        parts = [queue]
        """,
        after="""
        lifecycle._deadline = 30
        signal.alarm(20)
        queue.put(1)
        time.sleep(30)
        """,
    )
    assert "[1]" in ended.stdout.splitlines()
    assert (ended.code, ended.stderr) == (-15, "")
