"""A progress bar for long work, drawn only where a person looks on and only when the work is long."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self, TextIO

from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    import rich.progress

    from recordfs.records.sources import Position

__all__ = ["Progress", "WorkStoppedError"]


class WorkStoppedError(Exception):
    """The work that reports its progress is to end, because something else failed or the user wants it."""


_DELAY_SECONDS = 0.1
"""Work that ends sooner draws nothing, and does not pay for importing rich (about 100 ms)."""


class Progress:
    """How far a piece of work is. Use as a context manager; the bar is gone at its end.

    ``advance`` may be called from any thread, and very often: it draws at most ten times a second.

    Args:
        what: A word or two before the bar.
        total: How many units there are in all, None where nobody knows.
        unit: ``"bytes"``, drawn with a rate, or a noun in the plural.
        stream: The terminal; None draws nothing.
    """

    def __init__(self, what: str, total: int | None, unit: str, stream: TextIO | None) -> None:
        self.done = 0
        self._lock = threading.Lock()
        self._stopped = False
        self._what = what
        self._total = total
        self._unit = unit
        self._stream = stream
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None
        self._draw_after = time.monotonic() + _DELAY_SECONDS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def advance(self, units: int, what: str | None = None) -> None:
        """Note that ``units`` more are done, and what is being worked at.

        Raises:
            WorkStoppedError: ``stop`` has been called.
        """
        if self._stopped:
            raise WorkStoppedError
        with self._lock:
            self.done += units
            if what is not None:
                self._what = what
            now = time.monotonic()
            if self._stream is None or now < self._draw_after:
                return
            self._draw_after = now + 0.1
            if self._bar is None:
                self._start(self._stream)
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=self.done, description=_shortened(redact(self._what)))

    def stop(self) -> None:
        """Make every further ``advance`` raise, which ends work in other threads at its next report."""
        self._stopped = True

    def offsets(self, what: str) -> Callable[[int], None]:
        """Return a function that takes how far one file has been read, as the library's ``progress`` reports it."""
        last = 0

        def reached(offset: int) -> None:
            nonlocal last
            self.advance(offset - last, what)
            last = offset

        return reached

    def positions(self, paths: Sequence[str], lengths: Sequence[int] | None) -> Callable[[Position], None]:
        """Return a function that takes how far a ``RecordReader`` of several files has come.

        Args:
            paths: The files, in the order in which they are read.
            lengths: The bytes of each; None where nothing is drawn. A compressed file's offsets, which count what comes
                out of it, may be larger: it counts as done then.
        """
        number = before = last = 0

        def reached(position: Position) -> None:
            nonlocal number, before, last
            if lengths is None:
                return
            # A file that is named twice is read twice.
            while number + 1 < len(paths) and (position.path != paths[number] or position.offset < last):
                before += lengths[number]
                number += 1
                last = 0
            last = position.offset
            self.advance(before + min(position.offset, lengths[number]) - self.done, position.path)

        return reached

    def print_above(self, text: str) -> bool:
        """Print a line above the bar; returns False, and prints nothing, where no bar is drawn."""
        if self._bar is None:
            return False
        from rich.text import Text

        self._bar.console.print(Text.from_ansi(text), soft_wrap=True)
        return True

    def _start(self, stream: TextIO) -> None:
        """Draw the bar for the first time."""
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bar

        if self._unit == "bytes":
            amounts: list[ProgressColumn] = [DownloadColumn(binary_units=True), TransferSpeedColumn()]
        else:
            amounts = [MofNCompleteColumn(), TextColumn(self._unit)]
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *amounts,
            TimeRemainingColumn(compact=True),
            console=RichConsole(file=stream),
            transient=True,
        )
        self._task = self._bar.add_task(_shortened(redact(self._what)), total=self._total, completed=self.done)
        self._bar.start()


def _shortened(text: str) -> str:
    """Keep the end of a long path, which tells files apart."""
    return text if len(text) <= 40 else "…" + text[-39:]
