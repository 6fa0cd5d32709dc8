"""One line of progress on a terminal, and nothing anywhere else."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, cast

from hamilton.execution.grouping import NodeGroupPurpose
from hamilton.lifecycle import TaskReturnHook

from codeanatomy.extraction import ChunkReport

if TYPE_CHECKING:
    from typing import TextIO

    _TextStreamHandler = logging.StreamHandler[TextIO]
else:
    _TextStreamHandler = logging.StreamHandler  # not a generic class before Python 3.11

REDRAW_SECONDS = 0.1
BAR_WIDTH = 30
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """Counts files found, then files done. Draws only when ``stream`` is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._visible = stream.isatty()
        self._drawn_at = 0.0
        self._on_screen = False
        self.total = 0
        self.done = 0

    def found(self, total: int) -> None:
        """So many files were found so far."""
        self.total = total
        self._draw(f"finding files: {total:,}")

    def advance(self, files: int) -> None:
        """So many more files are done; after the last one the graph is built."""
        self.done += files
        if self.done >= self.total:
            self._drawn_at = 0.0
            self._draw(f"building the graph of {self.total:,} files")
        else:
            bar = "#" * (BAR_WIDTH * self.done // self.total)
            self._draw(f"parsing [{bar:<{BAR_WIDTH}}] {self.done:,}/{self.total:,} files")

    def clear(self) -> None:
        """Take the line off the screen, so that something else can be written there."""
        if self._on_screen:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._on_screen = False

    def _draw(self, text: str) -> None:
        now = time.monotonic()
        if self._visible and now - self._drawn_at >= REDRAW_SECONDS:
            self._drawn_at = now
            self._on_screen = True
            self._stream.write(_CLEAR_LINE + text)
            self._stream.flush()


class ProgressLogHandler(_TextStreamHandler):
    """Writes log records on stderr, above the line of progress."""

    def __init__(self, stream: TextIO, progress: Progress) -> None:
        super().__init__(stream)
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._progress.clear()
        super().emit(record)


class ChunkProgress(TaskReturnHook):
    """Tells the progress, in the main process, of each chunk that comes back from a worker."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress

    def __reduce__(self) -> tuple[type[ChunkProgress], tuple[()]]:
        """Hamilton sends its adapters to the workers: there is no terminal to draw on there."""
        return (ChunkProgress, ())

    # Hamilton gives results of any type, and may give more arguments later.
    def run_after_task_return(self, *, purpose: NodeGroupPurpose, result: Any, **future_kwargs: Any) -> None:  # noqa: ANN401, ARG002
        """Count the files of the chunk, if this task was one."""
        if self._progress is None or purpose is not NodeGroupPurpose.EXECUTE_BLOCK or not isinstance(result, dict):
            return
        for value in cast("dict[str, object]", result).values():
            if isinstance(value, ChunkReport):
                self._progress.advance(value.parsed + value.failed)
