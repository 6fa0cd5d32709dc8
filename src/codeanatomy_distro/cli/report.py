"""``codeanatomy-otel report -- COMMAND``: run a program, receive its telemetry, show it."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codeanatomy_distro.testing.otlp import Protocol, Telemetry

__all__ = ["DESCRIPTION", "EPILOG", "HELP", "add_arguments", "main"]

HELP = "run a program and show the telemetry it sends"
DESCRIPTION = (
    "Run COMMAND under opentelemetry-instrument, receive its traces, metrics and logs on 127.0.0.1, and print them "
    "when it has ended. The program keeps its standard streams and its exit code; the report goes to standard error."
)
EPILOG = "example: codeanatomy-otel report --html run.html -- python -m my_pipeline data/"

_USAGE_ERROR = 2
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
"""Exit codes of shells for a program that cannot be run."""
_NARROWEST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``report`` to its parser."""
    parser.usage = "%(prog)s [options] [--] COMMAND [ARGUMENT ...]"
    parser.add_argument("--all", action="store_true", help="show every span, metric and log record, however many")
    parser.add_argument("--html", metavar="FILE", type=Path, help="also write the run as one self-contained web page")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write everything received as JSON")
    parser.add_argument(
        "--protocol",
        choices=("grpc", "http/protobuf"),
        default="grpc",
        help="how the program sends (default: %(default)s)",
    )
    parser.add_argument("--width", metavar="COLUMNS", type=_width, help="width of the report (default: the terminal's)")
    parser.add_argument("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="the program with its arguments")


def _width(text: str) -> int:
    width = int(text)
    if width < _NARROWEST:
        message = f"at least {_NARROWEST} columns"
        raise argparse.ArgumentTypeError(message)
    return width


def main(options: argparse.Namespace) -> int:
    """Run the command of ``options`` and show what it sent; return its exit code.

    Without a command, or with a file that cannot be written, nothing runs and the code is 2; 126 and 127 mean, as in a
    shell, that the command could not be executed or found.
    """
    # Here and below: imports inside functions for start-up cost; `codeanatomy-otel --help` loads neither gRPC nor rich.
    from codeanatomy_distro.cli.report_child import run_child
    from codeanatomy_distro.cli.report_environment import child_environment, instrumented
    from codeanatomy_distro.environment import environment
    from codeanatomy_distro.testing.receiver import OtlpReceiver

    command: list[str] = list(options.command)
    if command[:1] == ["--"]:
        del command[0]
    if not command:
        return _fail("no command to run; " + EPILOG, _USAGE_ERROR)
    protocol = cast("Protocol", options.protocol)
    environ = environment()
    with ExitStack() as stack:
        try:
            # Opened before the run: an hour's run must not end in a report that cannot be written.
            page, dump = (_opened(stack, path) for path in (options.html, options.json))
        except OSError as error:
            return _fail(f"cannot write {error.filename}: {error.strerror}", _USAGE_ERROR)
        try:
            with OtlpReceiver() as receiver:
                child_environ = child_environment(environ, receiver.endpoint(protocol), protocol)
                exit_code = run_child(instrumented(command, child_environ), child_environ)
        except FileNotFoundError as error:
            return _fail(f"command not found: {error}", _NOT_FOUND)
        except PermissionError as error:
            return _fail(f"cannot run {error.filename}: {error.strerror}", _NOT_EXECUTABLE)
        run = _Run(receiver.telemetry, command, exit_code, environ)
        _print(run, options)
        _write(run, page, dump)
    return exit_code


@dataclass(frozen=True)
class _Run:
    telemetry: Telemetry
    command: list[str]
    exit_code: int
    environ: Mapping[str, str]


def _opened(stack: ExitStack, path: Path | None) -> IO[str] | None:
    return None if path is None else stack.enter_context(path.open("w", encoding="utf-8"))


def _print(run: _Run, options: argparse.Namespace) -> None:
    # Start-up cost: `--help` needs none of this, nor does a command that fails to start.
    from rich.console import Console

    from codeanatomy_distro.cli.report_environment import set_aside
    from codeanatomy_distro.cli.run_view import create_run_view
    from codeanatomy_distro.cli.run_view_text import print_run

    console = Console(stderr=True, width=options.width)
    with console.capture() as capture:
        console.print()
        hints: list[str] = []
        if run.telemetry:
            view = create_run_view(run.telemetry)
            print_run(view, console, show_all=options.all)
            hints += _one_trace(run, len(view.traces))
        else:
            console.print(_why_nothing(run), highlight=False, markup=False)
        if replaced := set_aside(run.environ):
            hints.append(f"Set aside for this report: {', '.join(replaced)}")
        for hint in hints:
            console.print(hint, highlight=False, markup=False, style="dim")
    try:
        sys.stderr.write(capture.get())
        sys.stderr.flush()
    except BrokenPipeError:
        # Whoever read the report has seen enough; the exit code is still the program's.
        return


def _write(run: _Run, page: IO[str] | None, dump: IO[str] | None) -> None:
    # Start-up cost, as above.
    from codeanatomy_distro.cli.report_page import create_page
    from codeanatomy_distro.cli.run_view import create_run_view
    from codeanatomy_distro.testing.otlp_json import write_json

    if page:
        view = create_run_view(run.telemetry)
        page.write(create_page(view, command=shlex.join(run.command), exit_code=run.exit_code))
    if dump:
        write_json(run.telemetry, dump)


def _one_trace(run: _Run, traces: int) -> list[str]:
    """Return what would make one trace of a run that had several, if that is not set."""
    from codeanatomy_distro import settings  # start-up cost, as above
    from codeanatomy_distro.obs.constants import SpanName

    if traces <= 1 or settings.current(settings.ROOT_SPAN, run.environ):
        return []
    return [
        f"With {settings.ROOT_SPAN.name}={SpanName.ROOT} these {traces} traces would be one, under a span of the run."
    ]


def _why_nothing(run: _Run) -> str:
    """Return what to say when nothing was received: the likeliest reason first."""
    from codeanatomy_distro import settings  # start-up cost, as above

    said = "The program sent no telemetry."
    if settings.current(settings.SDK_DISABLED, run.environ):
        return f"{said} {settings.SDK_DISABLED.name} is set, which switches it off."
    program = shutil.which(run.command[0], path=run.environ.get("PATH"))
    ours = Path(sys.executable)
    if program and "python" in Path(program).name and Path(program).parent != ours.parent:
        return f"{said} It ran with {program}; is codeanatomy-distro installed there? This command runs with {ours}."
    if run.exit_code:
        return f"{said} It ended with exit code {run.exit_code}, perhaps before it did anything."
    return f"{said} It may have recorded nothing, or its sampler ({settings.TRACES_SAMPLER.name}) dropped everything."


def _fail(message: str, exit_code: int) -> int:
    print(f"codeanatomy-otel report: {message}", file=sys.stderr)
    return exit_code
