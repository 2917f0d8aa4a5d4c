"""RunFollower: the events of a live run, from its last file on through the files that its writer begins after it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from recordfs.errors import DeadlineExceededError, InvalidArgumentError, NotFoundError, UnavailableError
from recordfs.events.reader import EventFileReader
from recordfs.open_files.letting_go import ClosesOnExit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from recordfs.events.event import Event
    from recordfs.events.reader import EventsReport
    from recordfs.events.run_files import EventFile
    from recordfs.filesystem import FileSystem

__all__ = ["RunFollower"]

LOOK_SECONDS = 1.0
"""Seconds without an event after which it looks for a file that sorts later."""


class RunFollower(ClosesOnExit):
    """Iterates over the events of a run's last file, waits for more, and goes on to each file that sorts later.

    Writers end a file before they begin another, as at a restart or by size, so that a file is read to its end and then
    left for good, as TensorBoard does. A store that cannot be reached is asked again. For one thread.

    Args:
        list_files: Lists the event files of the run, in the order in which they are read.
        file_system: Their filesystem.
        timeout: End after so many seconds without an event; None waits for ever.

    Iterating raises:
        As EventFileReader with ``follow``; a store that cannot be reached only once the time is over.

    Raises:
        NotFoundError: The run has no file.
        InvalidArgumentError: The timeout is below 0 or NaN.
        Otherwise as listing and opening do.
    """

    def __init__(
        self, list_files: Callable[[], Sequence[EventFile]], file_system: FileSystem, timeout: float | None = None
    ) -> None:
        if timeout is not None and not timeout >= 0:
            raise InvalidArgumentError(f"a timeout has to be a number of seconds, at least 0, found {timeout}")
        self._list_files = list_files
        self._file_system = file_system
        self._timeout = timeout
        self._reports: list[tuple[str, EventsReport]] = []
        files = list_files()
        if not files:
            raise NotFoundError("the run has no event file")
        self._open(files[-1].path, is_last=True)

    def _open(self, path: str, *, is_last: bool) -> None:
        patience = LOOK_SECONDS if self._timeout is None else min(LOOK_SECONDS, self._timeout)
        self._reader = EventFileReader(path, follow=is_last, follow_timeout=patience, file_system=self._file_system)
        self._path = path

    def __iter__(self) -> Iterator[Event]:
        last_event = time.monotonic()
        while True:
            try:
                for event in self._reader:
                    yield event
                    last_event = time.monotonic()
                later = [file.path for file in self._list_files() if file.path > self._path]
                if later:
                    # What was written before the other was begun, and after this one was read.
                    yield from self._reader
                    self._go_on_to(later[0], is_last=len(later) == 1)
                    continue
            except (UnavailableError, DeadlineExceededError):
                if self._is_over(last_event):
                    raise
            if self._is_over(last_event):
                return

    def _is_over(self, last_event: float) -> bool:
        return self._timeout is not None and time.monotonic() - last_event >= self._timeout

    def _go_on_to(self, path: str, *, is_last: bool) -> None:
        former, path_of_former = self._reader, self._path
        self._open(path, is_last=is_last)
        self._reports.append((path_of_former, former.report))
        former.close()

    @property
    def reports(self) -> list[tuple[str, EventsReport]]:
        """The files so far, each with what was read of it and what was lost."""
        return [*self._reports, (self._path, self._reader.report)]

    def close(self) -> None:
        """Close the file that is followed. Idempotent."""
        self._reader.close()
