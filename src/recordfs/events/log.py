"""EventLog: the runs below a log directory, as TensorBoard sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs.errors import NotFoundError, RecordFSError
from recordfs.events.columns import Columns, ColumnsReport, columns_of_files, report_of
from recordfs.events.file_columns import FileColumns, ReadOptions, read_index
from recordfs.events.follow import RunFollower
from recordfs.events.purge import Purge, check_purge
from recordfs.events.run_files import EventFile, files_of_runs
from recordfs.events.run_reader import RunReader
from recordfs.events.stored import read_event_files
from recordfs.paths import scheme_of
from recordfs.registry import resolve, warn_of_url_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from recordfs.events.cache import ColumnCache
    from recordfs.events.index import TagEntry
    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput

__all__ = ["EventLog", "RunSummary"]


class RunSummary(NamedTuple):
    """What a run holds.

    Attributes:
        run: Its name: its directory, relative to the log directory; ``"."`` for that itself.
        files: Its event files, in the order in which they are read.
        tags: Its tags in the order in which they first appeared.
        first_wall_time: The time of its first event, in seconds since 1970; None where it has none.
        report: What was lost.
    """

    run: str
    files: tuple[EventFile, ...]
    tags: list[TagEntry]
    first_wall_time: float | None
    report: ColumnsReport


class EventLog:
    """The runs below a log directory: every directory that holds an event file.

    Args:
        logdir: The directory, on any filesystem; or an event file, which is a run of its own.
        cache: As for ``recordfs.events.columns``.
        file_system: The filesystem of ``logdir``, instead of the registered one.
        options: For the registered filesystem.

    Nothing is read before it is asked for; ``refresh`` lists again. What is wrong with one run never ends another: each
    has its own report and its own errors. May be used from several threads.

    Raises:
        NotFoundError: There is nothing at the path.
        Otherwise as listing does.
    """

    def __init__(
        self,
        logdir: PathInput,
        *,
        cache: ColumnCache | Literal["remote"] | None = "remote",
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._file_system, self.logdir = resolve(logdir, file_system=file_system, options=options)
        self._cache: ColumnCache | Literal["remote"] | None = cache
        self._files: dict[str, list[EventFile]] = {}
        self.refresh()
        if not scheme_of(self.logdir):
            folders = {run.partition(":/")[0]: run for run in self._files if ":/" in run}
            for run in folders.values():  # one a folder, whatever there is below it
                warn_of_url_folder(f"{self.logdir}/{run}")

    def refresh(self) -> None:
        """List the directory again.

        Raises:
            As listing does; what was known stays then.
        """
        files: dict[str, list[EventFile]] = {}
        for file in files_of_runs(self._file_system, self.logdir):
            files.setdefault(file.run, []).append(file)
        self._files = files

    @property
    def runs(self) -> list[str]:
        """The names of the runs, sorted."""
        return list(self._files)

    def files(self, run: str) -> tuple[EventFile, ...]:
        """Return the event files of a run, in the order in which they are read.

        Raises:
            NotFoundError: There is no such run.
        """
        try:
            return tuple(self._files[run])
        except KeyError:
            some = ", ".join(list(self._files)[:10]) or "none"
            raise NotFoundError(f"there is no run {run!r}; there are: {some}", path=self.logdir) from None

    def _read(self, run: str, options: ReadOptions) -> tuple[list[FileColumns], list[str]]:
        """Return the columns of the files of a run, and the paths of those that are there no more."""
        paths = [file.path for file in self.files(run)]
        return read_event_files(self._file_system, paths, options, self._cache)

    def summary(self, run: str) -> RunSummary:
        """Return the tags of a run, each with its last point.

        Raises:
            NotFoundError: There is no such run.
            Otherwise as reading its files.
        """
        read, deleted = self._read(run, ReadOptions([]) if self._is_indexed(run) else ReadOptions())
        tags: dict[tuple[str, bool], TagEntry] = {}
        for file in read:
            for entry in file.tags:
                known = tags.get((entry.tag, entry.is_scalar))
                if known is not None:
                    entry = entry._replace(
                        metadata=known.metadata or entry.metadata,
                        point_count=known.point_count + entry.point_count,
                        max_step=max(known.max_step, entry.max_step),
                        max_wall_time=max(known.max_wall_time, entry.max_wall_time),
                    )
                tags[entry.tag, entry.is_scalar] = entry
        times = [file.first_wall_time for file in read if file.first_wall_time is not None]
        report = report_of(read, deleted)
        return RunSummary(run, self.files(run), list(tags.values()), times[0] if times else None, report)

    def _is_indexed(self, run: str) -> bool:
        """Tell whether the tags of a run are known without its points: else a scan has to see all of them."""
        for file in self.files(run):
            try:
                with self._file_system.new_random_access_file(file.path) as opened:
                    size = opened.size()
                    index = read_index(opened, size)
            except RecordFSError:
                return False  # reading it will tell
            else:
                if index is None or index.place.record_end < size:
                    return False
        return True

    def columns(self, run: str, tags: Sequence[str] | str | None = None, *, purge: Purge = "none") -> Columns:
        """Return the scalars of a run; see ``recordfs.events.columns``.

        Raises:
            NotFoundError: There is no such run.
            Otherwise as ``recordfs.events.columns``.
        """
        check_purge(purge)
        wanted = None if tags is None else [tags] if isinstance(tags, str) else list(tags)
        return columns_of_files(*self._read(run, ReadOptions(wanted)), purge)

    def events(self, run: str) -> RunReader:
        """Return an iterator over the events of a run, file after file.

        Damage and files that were deleted meanwhile do not end it: its ``reports`` and ``deleted`` tell of them.

        Raises:
            NotFoundError: There is no such run.
        """
        return RunReader([file.path for file in self.files(run)], self._file_system)

    def follow(self, run: str, timeout: float | None = None) -> RunFollower:
        """Return an iterator over the events of a live run: those of its last file, and what comes.

        Args:
            run: The run.
            timeout: End after so many seconds without an event; None waits for ever.

        Raises:
            NotFoundError: There is no such run.
            Otherwise as opening its last file.
        """

        def list_files() -> tuple[EventFile, ...]:
            self.refresh()
            return self.files(run)

        return RunFollower(list_files, self._file_system, timeout)
