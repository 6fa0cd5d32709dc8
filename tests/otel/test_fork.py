"""Around a fork: the parent goes on with what it has, the child begins with nothing, and neither holds a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codeanatomy_distro.testing.receiver import OtlpReceiver

if TYPE_CHECKING:
    from collections.abc import Callable


def test_parent_and_child_each_export_their_own(run_alone: Callable[..., Any]) -> None:
    """What is queued at the fork leaves once, from the parent; signals that were blocked meanwhile are so no more."""
    ended = run_alone("""
        import os, signal, sys
        from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue
        from codeanatomy_distro.otel.delivery import ExporterFactory
        from codeanatomy_distro.otel.lifecycle import Lifecycle
        from codeanatomy_distro.otel.outcome import ARRIVED
        class Exporter:
            cancels = False
            def export(self, batch, timeout):
                os.write(1, f"{'parent' if os.getpid() == parent else 'child'} {batch}\\n".encode())
                return ARRIVED
            def shutdown(self):
                pass
        parent = os.getpid()
        queue = BatchQueue("numbers", ExporterFactory(Exporter), BatchLimits(delay=60))
        lifecycle = Lifecycle([queue], deadline=5)
        lifecycle.install()
        queue.put(1)
        child = os.fork()
        if not child:
            queue.put(2)
            assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
            sys.exit(3)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])
        queue.put(code)
    """)
    assert (ended.stdout, ended.stderr, ended.code) == ("child [2]\nparent [1, 3]\n", "", 0)


def test_workers_do_not_each_wait_for_a_back_end_that_is_down(run_alone: Callable[..., Any]) -> None:
    """A forked worker has half the time of the one before it, which delivered nothing; all of it once one delivers.

    The process that was there first keeps its whole deadline.
    """
    ended = run_alone("""
        import os, sys
        from codeanatomy_distro.otel.batching import BatchLimits, BatchQueue
        from codeanatomy_distro.otel.delivery import ExporterFactory
        from codeanatomy_distro.otel.lifecycle import Lifecycle
        from codeanatomy_distro.otel.outcome import ARRIVED, Outcome
        class Exporter:
            cancels = False
            first = True
            def export(self, batch, timeout):
                if self.first:
                    self.first = False
                    os.write(1, f"{timeout}\\n".encode())
                return ARRIVED if batch == ["up"] else Outcome(arrived=False, retryable=True)
            def shutdown(self):
                pass
        queue = BatchQueue("items", ExporterFactory(Exporter), BatchLimits(delay=60))
        lifecycle = Lifecycle([queue], deadline=1.6)
        lifecycle.install()
        for item in ("down", "down", "down", "up", "down"):
            child = os.fork()
            if not child:
                queue.put(item)
                sys.exit()
            os.waitpid(child, 0)
        queue.put("down")
    """)
    first, second, third, delivering, after, parents = map(float, ended.stdout.split())
    assert ended.code == 0
    assert first > 0.8 >= second > 0.4 >= third > 0.2 >= delivering
    assert after > 0.8
    assert parents > 0.8


def test_a_lifecycle_that_is_gone_takes_no_part(run_alone: Callable[..., Any]) -> None:
    """Fork hooks stay for ever, but keep nothing alive and do nothing for what has ended."""
    ended = run_alone("""
        import gc, os, weakref
        from codeanatomy_distro.otel import fork
        from codeanatomy_distro.otel.lifecycle import Lifecycle
        lifecycle = Lifecycle([], deadline=1)
        fork.watch(lifecycle)
        seen = weakref.ref(lifecycle)
        del lifecycle
        gc.collect()
        child = os.fork()
        if not child:
            os._exit(0)
        print(seen(), os.waitpid(child, 0)[1])
    """)
    assert ended.stdout == "None 0\n"


def test_a_fork_waits_until_grpc_has_ended(run_alone: Callable[..., Any]) -> None:
    """As long as a connection is open its threads are there; once it is closed they end, and that is waited for."""
    with OtlpReceiver() as receiver:
        ended = run_alone(f"""
            import sys
            from codeanatomy_distro.otel.fork import _wait_for_grpc
            from codeanatomy_distro.otel.otlp_grpc import GrpcSender
            assert not sys.platform.startswith("linux") or _wait_for_grpc(0)
            sender = GrpcSender("traces", "{receiver.grpc_endpoint}")
            arrived = sender.send(b"", 10).arrived
            open_ended = _wait_for_grpc(0.02)
            sender.close()
            print(arrived, open_ended, _wait_for_grpc(10))
        """)
    assert (ended.stdout, ended.stderr) == ("True False True\n", "")
