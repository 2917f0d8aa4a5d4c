"""Which runs and files a log directory has, kept up to date in the background.

One listing finds them all, one read a file says what is in it. Then the directory is listed again and again, and only
files whose size or version changed are read, by one request each. What could not be read is tried again; one run that
is slow or broken holds up no other.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import RecordFSError
from recordfs.events.run_files import files_of_runs
from recordfs.registry import resolve
from recordfs.tensorboard.log_file import LogFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from typing import Self, TypeVar

    from recordfs.filesystem import FileStatistics

    T = TypeVar("T")

__all__ = ["CatalogOptions", "LogCatalog", "LogDirectory"]

REST_SECONDS = 5.0
"""So long a file that could not be read in the background is left alone."""

_log = logging.getLogger("recordfs")


class LogDirectory(NamedTuple):
    """A directory of runs.

    Attributes:
        path: Its full path.
        prefix: What the names of its runs begin with; empty, or a name and a slash.
    """

    path: str
    prefix: str = ""


class CatalogOptions(NamedTuple):
    """How a log directory is looked at.

    Attributes:
        requests: At most so many requests are under way at once.
        reload_seconds: So long after a look the next one begins; 0 looks once.
        answer_seconds: A question is answered after so long with what is known by then.
        scan_threads: So many files without an index are read in the background at once.
    """

    requests: int = 256
    reload_seconds: float = 5.0
    answer_seconds: float = 20.0
    scan_threads: int = 2


class LogCatalog:
    """The runs of one log directory or of several. Safe to use from many threads; ``close`` ends its threads.

    Args:
        directories: Where the runs are.
        options: How to look.
    """

    def __init__(self, directories: Sequence[LogDirectory], options: CatalogOptions | None = None) -> None:
        self.directories = list(directories)
        self.options = options or CatalogOptions()
        self._files: dict[str, LogFile] = {}
        self._runs: dict[str, list[LogFile]] = {}
        self._numbers: dict[int, LogFile] = {}
        self._asked_for: dict[str, None] = {}
        self._pool = ThreadPoolExecutor(self.options.requests, thread_name_prefix="recordfs-tensorboard")
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._trouble: dict[str, str] = {}
        self._rests_until: dict[int, float] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> Self:
        """Begin to look, in the background."""
        self._threads.append(threading.Thread(target=self._reload, name="recordfs-reload", daemon=True))
        for _ in range(self.options.scan_threads):
            self._threads.append(threading.Thread(target=self._scan, name="recordfs-scan", daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """End the background threads; requests that are under way end by themselves."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runs(self) -> dict[str, list[LogFile]]:
        """Return the files of each run, runs sorted by name; waits for the first look, at most ``answer_seconds``."""
        self._ready.wait(self.options.answer_seconds)
        return self._runs

    def file(self, number: int) -> LogFile | None:
        """Return the file of a number."""
        return self._numbers.get(number)

    def troubles(self) -> dict[str, str]:
        """Return what could not be read when it was tried last, by path."""
        found = {file.path: file.trouble for file in list(self._files.values()) if file.trouble}
        return {**self._trouble, **found}

    def partial_runs(self) -> list[str]:
        """Return the runs of which some events have not been looked at yet."""
        return [run for run, files in self._runs.items() if any(file.is_partial for file in files)]

    def prefer(self, runs: Iterable[str]) -> None:
        """Let the background read these runs first."""
        for run in runs:
            self._asked_for[run] = None

    def gather(self, work: Callable[[LogFile], T], files: Iterable[LogFile]) -> dict[int, T]:
        """Call a function for each file, many at a time.

        Returns:
            What it returned, by the files' numbers, without those that raised or took longer than ``answer_seconds``;
            these are told in the log.
        """
        futures: dict[Future[T], LogFile] = {self._pool.submit(work, file): file for file in files}
        done, late = wait(futures, self.options.answer_seconds)
        if late:
            _log.warning(
                "%d files have not answered after %g s; shown without them", len(late), self.options.answer_seconds
            )
        results = {}
        for future in done:
            file = futures[future]
            try:
                results[file.number] = future.result()
            except RecordFSError as error:
                self._note(file, error)
        return results

    # Background

    def _reload(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 (a listing that fails is tried again, whatever the reason)
                self._tell(", ".join(directory.path for directory in self.directories), error)
            self._ready.set()
            if not self.options.reload_seconds or self._stopped.wait(self.options.reload_seconds):
                return

    def _look(self) -> None:
        """List, and look at what changed."""
        files: dict[str, LogFile] = {}
        runs: dict[str, list[LogFile]] = {}
        changed: list[tuple[LogFile, FileStatistics]] = []
        for directory in self.directories:
            file_system, path = resolve(directory.path)
            for found in files_of_runs(file_system, path):
                file = self._files.get(found.path)
                if file is None:
                    run = _run_name(directory.prefix, found.run)
                    file = LogFile(file_system, found._replace(run=run), len(self._numbers))
                    self._numbers[file.number] = file
                files[found.path] = file
                runs.setdefault(file.run, []).append(file)
                statistics = found.statistics
                if statistics is None:  # local listings do not tell the size
                    statistics = file_system.stat(found.path)
                if file.needs(statistics):
                    changed.append((file, statistics))
            self._trouble.pop(directory.path, None)
        futures = {self._pool.submit(file.look, statistics): file for file, statistics in changed}
        if not self._ready.is_set():
            # The first answer comes with everything that is there, or when a person has waited long enough.
            wait(futures, self.options.answer_seconds)
        self._files, self._runs = files, dict(sorted(runs.items()))
        self._ready.set()
        for future, file in futures.items():
            try:
                future.result()
                self._is_well(file)
            except Exception as error:  # noqa: BLE001 (one file must not end the loop that reads all others)
                self._note(file, error)

    def _scan(self) -> None:
        """Read files without an index, those that somebody looks at first."""
        while not self._stopped.is_set():
            file = self._next_partial()
            if file is None:
                if self._stopped.wait(0.5):
                    return
                continue
            try:
                file.scan()
                self._is_well(file)
            except Exception as error:  # noqa: BLE001 (as above)
                self._rests_until[file.number] = time.monotonic() + REST_SECONDS
                self._note(file, error)

    def _next_partial(self) -> LogFile | None:
        runs = self._runs
        for run in (*reversed(list(self._asked_for)), *runs):
            for file in runs.get(run, ()):
                if file.is_partial and self._rests_until.get(file.number, 0.0) < time.monotonic():
                    return file
        return None

    def _is_well(self, file: LogFile) -> None:
        """Forget what was wrong with a file."""
        file.trouble = None
        self._trouble.pop(file.path, None)
        self._rests_until.pop(file.number, None)

    def _note(self, file: LogFile, error: Exception) -> None:
        file.trouble = str(error)
        self._tell(file.path, error)

    def _tell(self, path: str, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if self._trouble.get(path) != text:
            self._trouble[path] = text
            _log.warning("%s cannot be read now, and is tried again: %s", path, text)


def _run_name(prefix: str, run: str) -> str:
    if not prefix:
        return run
    return prefix if run == "." else f"{prefix}/{run}"


def wait_until_whole(catalog: LogCatalog, seconds: float) -> bool:
    """Wait until every event of every file has been looked at; return whether that came about in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if catalog.runs() and not catalog.partial_runs():
            return True
        time.sleep(0.05)
    return False
