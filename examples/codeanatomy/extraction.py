"""Reading and parsing a chunk of files into one part of every table: the work that a worker does."""

from __future__ import annotations

import logging
import multiprocessing
import stat
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from codeanatomy.parsing import PARSED, TOO_LARGE, UNREADABLE, ParsedFile, parse_source, silence_warnings_of_sources
from codeanatomy.sources import Chunk, SourceFile, printable
from codeanatomy.tables import FACT_TABLES, TableWriter, part_path, table_directory

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """What a run was asked to do. Small and picklable: every worker gets it."""

    root: str
    output: str
    chunk_files: int = 100
    max_file_bytes: int = 4 * 1024 * 1024


class ChunkReport(NamedTuple):
    """How many files of a chunk gave rows, and how many did not."""

    parsed: int
    failed: int


def extract_chunk(job: Job, chunk: Chunk) -> ChunkReport:
    """Parse the files of a chunk and write its part of the four tables; each file that fails is logged and counted.

    Memory is bounded by one file and one row group of each table. Raises OSError when a part cannot be written.
    """
    if multiprocessing.parent_process() is not None:
        silence_warnings_of_sources()
    failed = 0
    with ExitStack() as stack:
        writers = {
            table: stack.enter_context(TableWriter(part_path(table_directory(job.output, table), chunk.part), table))
            for table in FACT_TABLES
        }
        for file in chunk.files:
            size, parsed = _parse_file(job, file)
            if parsed.status != PARSED:
                failed += 1
                logger.warning("not parsed: %s: %s: %s", printable(file.path), parsed.status, parsed.error)
            name = (file.file_id, printable(file.path), file.module, file.is_package)
            writers["files"].add([(*name, parsed.status, parsed.error, size, parsed.lines)])
            writers["definitions"].add(parsed.definitions)
            writers["calls"].add(parsed.calls)
            writers["imports"].add(parsed.imports)
    return ChunkReport(len(chunk.files) - failed, failed)


def _parse_file(job: Job, file: SourceFile) -> tuple[int, ParsedFile]:
    """Read and parse one file, giving its size in bytes too (0 when it could not be read)."""
    try:
        source = read_source(Path(job.root, file.path), job.max_file_bytes)
    except OSError as error:
        return 0, ParsedFile(UNREADABLE, error.strerror or type(error).__name__)
    if len(source) > job.max_file_bytes:
        return len(source), ParsedFile(TOO_LARGE, f"more than {job.max_file_bytes:,} bytes")
    return len(source), parse_source(source, file)


def read_source(path: Path, limit: int) -> bytes:
    """The bytes of a regular file, never more than one over ``limit``. Raises OSError for anything else."""
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe or a device could block for ever
        message = "not a regular file"
        raise OSError(0, message)
    with path.open("rb") as stream:
        return stream.read(limit + 1)
