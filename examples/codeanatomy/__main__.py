"""The command: ``python -m codeanatomy PATH``."""

from __future__ import annotations

import argparse
import io
import logging
import multiprocessing
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from hamilton import driver
from hamilton.execution.executors import MultiProcessingExecutor, MultiThreadingExecutor

from codeanatomy import pipeline
from codeanatomy.extraction import Job
from codeanatomy.parsing import silence_warnings_of_sources
from codeanatomy.progress import ChunkProgress, Progress, ProgressLogHandler
from codeanatomy.tables import prepare_output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codeanatomy.extraction import ChunkReport

logger = logging.getLogger("codeanatomy")

DESCRIPTION = """\
Parse every Python file under PATH, and write as Parquet files its definitions, calls
and imports, and the graph they make: nodes, edges, degrees, cycles. A summary is printed.
"""
EXIT_CODES = """\
exit codes:
  0  done (what cannot be parsed is reported, and is no failure)
  1  with --fail-on-unparsable: something could not be read or parsed
  2  the command line is wrong, PATH is no readable directory, or DIR cannot be written
"""


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(
        prog="python -m codeanatomy",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", metavar="PATH", help="the directory to analyse")
    parser.add_argument(
        "-o",
        "--output",
        metavar="DIR",
        default="codeanatomy-output",
        help="where to write tables/ and graph/; an earlier run's files there are replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--executor",
        choices=("plain", "threads", "processes"),
        default="plain",
        help="what parses the files: this thread, a pool of threads, or a pool of processes (default: %(default)s)",
    )
    parser.add_argument(
        "--workers",
        metavar="N",
        type=positive,
        default=os.cpu_count() or 1,
        help="threads or processes in the pool (default: one for each processor)",
    )
    parser.add_argument(
        "--start-method",
        choices=multiprocessing.get_all_start_methods(),
        help="how the processes of the pool are started (default: Python's own choice)",
    )
    parser.add_argument(
        "--chunk-files",
        metavar="N",
        type=positive,
        default=100,
        help="files parsed as one piece of work, and written as one part of each table (default: %(default)s)",
    )
    parser.add_argument(
        "--max-file-size",
        metavar="MIB",
        type=positive,
        default=4,
        help="larger files are not parsed: a syntax tree takes many times its text in memory (default: %(default)s)",
    )
    parser.add_argument(
        "--fail-on-unparsable", action="store_true", help="exit with 1 when something could not be read or parsed"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="tell each step, and the time taken, on stderr")
    return parser


def positive(text: str) -> int:
    """A whole number above zero. Raises ValueError, as argparse expects, for anything else."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def build_driver(executor: str, workers: int, progress: Progress) -> driver.Driver:
    """The pipeline's driver: plain, or with a pool that takes the chunks."""
    builder = driver.Builder().with_modules(pipeline).with_config({"executor": executor})
    if executor == "plain":
        return builder.build()
    pool = MultiThreadingExecutor(workers) if executor == "threads" else MultiProcessingExecutor(workers)
    dynamic = builder.enable_dynamic_execution(allow_experimental_mode=True).with_remote_executor(pool)
    return dynamic.with_adapters(ChunkProgress(progress)).build()


def configure_logging(progress: Progress, *, verbose: bool) -> None:
    """Warnings on stderr; with ``verbose`` also what the program is doing. The records are made in either case."""
    handler = ProgressLogHandler(sys.stderr, progress)
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    logging.basicConfig(format="%(levelname)s: %(message)s", handlers=[handler])
    logger.setLevel(logging.INFO)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code. Raises SystemExit(2) for a wrong command line."""
    started = time.monotonic()
    parser = build_parser()
    options = parser.parse_args(arguments)
    job = Job(options.path, options.output, options.chunk_files, options.max_file_size * 1024 * 1024)
    try:
        os.scandir(job.root).close()
    except OSError as error:
        parser.error(f"cannot read the directory {job.root!r}: {error.strerror}")
    try:
        prepare_output(job.output)
    except OSError as error:
        parser.error(f"cannot write to {job.output!r}: {error.strerror}")
    progress = Progress(sys.stderr)
    configure_logging(progress, verbose=options.verbose)
    silence_warnings_of_sources()
    if options.start_method is not None:
        multiprocessing.set_start_method(options.start_method)
    try:
        results: dict[str, Any] = build_driver(options.executor, options.workers, progress).execute(
            ["summary", "parsed", "source_listing"], inputs={"job": job, "progress": progress}
        )
    finally:
        progress.clear()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may not fit the terminal's encoding
    print(results["summary"])
    logger.info("took %.1f s", time.monotonic() - started)
    report: ChunkReport = results["parsed"]
    incomplete = report.failed > 0 or bool(results["source_listing"].unlisted)
    return 1 if incomplete and options.fail_on_unparsable else 0


if __name__ == "__main__":
    sys.exit(main())
