"""RunReader: the events of a run, file after file, over what is damaged and what was deleted meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import NotFoundError
from recordfs.events.reader import EventFileReader
from recordfs.open_files.letting_go import ClosesOnExit

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Self

    from recordfs.events.event import Event
    from recordfs.events.reader import EventsReport
    from recordfs.filesystem import FileSystem

__all__ = ["RunReader"]


class RunReader(ClosesOnExit):
    """Iterates once over the events of a run's files. For one thread.

    Args:
        paths: The event files, as a listing has shown them, in the order in which they are read.
        file_system: Their filesystem.

    Attributes:
        deleted: The files that somebody deleted after they were listed, and before they were read.

    Iterating raises:
        NotFoundError: All files were deleted.
        Otherwise as EventFileReader.
    """

    def __init__(self, paths: Sequence[str], file_system: FileSystem) -> None:
        self._paths = paths
        self._file_system = file_system
        self._readers: list[tuple[str, EventFileReader]] = []
        self.deleted: list[str] = []
        self._events = self._read()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._events)

    def _read(self) -> Generator[Event]:
        missing: NotFoundError | None = None
        for path in self._paths:
            try:
                with EventFileReader(path, file_system=self._file_system) as reader:
                    self._readers.append((path, reader))
                    yield from reader
            except NotFoundError as error:
                if self._file_system.file_exists(path):
                    raise
                missing = error
                self.deleted.append(path)
        if missing is not None and len(self.deleted) == len(self._paths):
            raise missing

    @property
    def reports(self) -> list[tuple[str, EventsReport]]:
        """The files that were opened so far, each with what was read of it and what was lost."""
        return [(path, reader.report) for path, reader in self._readers]

    def close(self) -> None:
        """Close the file that is being read. Idempotent. Iterating ends then."""
        self._events.close()
