"""Which runs and files a log directory has, kept up to date in the background.

One listing finds them all, one read a file says what is in it. Then the directory is listed again and again, and only
files whose size or version changed are read, by one request each. What could not be read is tried again; one run that
is slow or broken holds up no other.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import logging
import threading
import time
import weakref
from concurrent.futures import CancelledError, wait
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.events.cache import ColumnCache
from recordfs.events.run_files import files_of_runs
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.redaction import redact
from recordfs.registry import resolve
from recordfs.tensorboard.log_file import LogFile
from recordfs.tensorboard.request_threads import RequestThreads
from recordfs.tensorboard.sections import SectionStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Self, TypeVar

    from recordfs.filesystem import FileStatistics

    T = TypeVar("T")

__all__ = ["CatalogOptions", "LogCatalog", "LogDirectory"]

MOST_REQUESTS = 1024
"""Requests under way at once, however many were asked for: each has a thread."""

REST_SECONDS = 5.0
"""So long a file that could not be read in the background is left alone."""

MOST_PAUSE_SECONDS = 1.0
"""So long the background waits for answers before it reads the next chunk, however many are asked for."""

FEW = 10
"""A tenth of the files is few: an answer does not wait long for them when all others are there."""

PATIENCE_SECONDS = 2.0
"""So long it waits for them at least."""

FAREWELL_SECONDS = 2.0
"""So long the end of a process waits for requests that are under way."""

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
        requests: At most so many requests are under way at once; 1,024 at most.
        reload_seconds: So long after a look the next one begins; 0 looks once.
        answer_seconds: A question is answered after so long with what is known by then.
        scan_threads: So many files without an index are read in the background at once.
        held_bytes: Bytes of events that were scanned and are in memory; beyond that they go to the local disk.
        cache_bytes: The most that the columns of files without an index take on the local disk.
    """

    requests: int = 256
    reload_seconds: float = 5.0
    answer_seconds: float = 20.0
    scan_threads: int = 2
    held_bytes: int = 128 << 20
    cache_bytes: int = 4 << 30


class LogCatalog(ClosesOnExit):
    """The runs of one log directory or of several. Safe to use from many threads; ``close`` ends its threads.

    Args:
        directories: Where the runs are.
        options: How to look.
    """

    def __init__(self, directories: Sequence[LogDirectory], options: CatalogOptions | None = None) -> None:
        self.directories = list(directories)
        self.options = options or CatalogOptions()
        # By directory and path: a file may lie in two of the directories, and is of another run in each.
        self._files: dict[tuple[LogDirectory, str], LogFile] = {}
        self._runs: dict[str, list[LogFile]] = {}
        self._numbers: dict[int, LogFile] = {}
        self._next_number = itertools.count()
        # What each directory held when it could be listed last.
        self._listed: dict[LogDirectory, list[tuple[LogFile, FileStatistics | None]]] = {}
        self._asked_for: dict[str, None] = {}
        requests = min(max(1, self.options.requests), MOST_REQUESTS)
        # Looks and answers have threads of their own, so that neither waits for what hangs in the other.
        self._answers = RequestThreads(requests, "recordfs-tensorboard")
        self._looks = RequestThreads(requests, "recordfs-look")
        # Calls that took too long and are still under way, by the files' numbers.
        self._late_answers: dict[int, Future[Any]] = {}
        self._late_looks: dict[int, tuple[Future[None], LogFile]] = {}
        self._sections = SectionStore(ColumnCache(max_bytes=self.options.cache_bytes))
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._trouble: dict[str, str] = {}
        self._told_of_partial_runs = False
        # The lock is held for moments, never over a read.
        self._lock = threading.Lock()
        self._open_answers = 0
        self._nobody_waits = threading.Event()
        self._nobody_waits.set()
        self._being_scanned: set[int] = set()
        self._rests_until: dict[int, float] = {}
        self._threads: list[threading.Thread] = []

    def start(self) -> Self:
        """Begin to look, in the background."""
        self._threads.append(threading.Thread(target=self._reload, name="recordfs-reload", daemon=True))
        for _ in range(self.options.scan_threads):
            self._threads.append(threading.Thread(target=self._scan, name="recordfs-scan", daemon=True))
        for thread in self._threads:
            thread.start()
        # Functions of atexit run after other threads were waited for, such as those in which answers wait for us.
        register: Any = getattr(threading, "_register_atexit", atexit.register)
        catalog = weakref.ref(self)
        register(lambda: (found := catalog()) is not None and found.close())
        return self

    def close(self) -> None:
        """End the background threads. Requests that are under way get a moment; those that hang are left alone."""
        self._stopped.set()
        self._ready.set()
        deadline = time.monotonic() + FAREWELL_SECONDS
        for threads in (self._answers, self._looks):
            threads.close(max(0.0, deadline - time.monotonic()))
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def runs(self) -> dict[str, list[LogFile]]:
        """Return the files of each run, runs sorted by name; waits for the first look, at most ``answer_seconds``."""
        self._ready.wait(self.options.answer_seconds)
        return self._runs

    def file(self, number: int) -> LogFile | None:
        """Return the file of a number."""
        return self._numbers.get(number)

    def troubles(self) -> dict[str, str]:
        """Return what could not be read when it was tried last, by path."""
        damaged = {file.path: file.damage for file in list(self._files.values()) if file.damage}
        return {**damaged, **self._trouble}

    def partial_runs(self) -> list[str]:
        """Return the runs of which some events have not been looked at yet."""
        return [run for run, files in self._runs.items() if any(file.is_partial for file in files)]

    def prefer(self, runs: Iterable[str]) -> None:
        """Let the background read these runs first."""
        with self._lock:
            for run in runs:
                self._asked_for.pop(run, None)
                self._asked_for[run] = None

    def gather(self, work: Callable[[LogFile], T], files: Iterable[LogFile]) -> dict[int, T]:
        """Call a function for each file, many at a time.

        Returns:
            What it returned, by the files' numbers, without those that raised, took longer than ``answer_seconds``, or
            much longer than all others; these are told in the log.
        """
        futures: dict[Future[T], LogFile] = {}
        with self._answering():
            for file in files:
                before = self._late_answers.get(file.number)
                if before is None or before.done():
                    futures[self._answers.submit(work, file)] = file
            done, late = self._wait_for_most(futures)
        for future in late:
            if not future.cancel():
                self._late_answers[futures[future].number] = future
        if late:
            _log.warning("%d files have not answered; for these, this answer has what was known before", len(late))
        results = {}
        for future in done:
            file = futures[future]
            self._late_answers.pop(file.number, None)
            try:
                results[file.number] = future.result()
            except CancelledError:
                continue  # the catalog was closed meanwhile
            except Exception as error:  # noqa: BLE001 (the other files have answered)
                self._tell(file.path, error)
        return results

    @contextlib.contextmanager
    def _answering(self) -> Iterator[None]:
        """Keep the background from reading on while somebody waits for an answer."""
        with self._lock:
            self._open_answers += 1
            self._nobody_waits.clear()
        try:
            yield
        finally:
            with self._lock:
                self._open_answers -= 1
                if not self._open_answers:
                    self._nobody_waits.set()

    def _wait_for_most(self, futures: Iterable[Future[Any]]) -> tuple[set[Future[Any]], set[Future[Any]]]:
        """Wait for calls, at most ``answer_seconds``; return those that are done and those that are not.

        When only a few are not, they get as long again as the others took, and no longer: they may be hanging.
        """
        begin = time.monotonic()
        done: set[Future[Any]] = set()
        late = set(futures)
        few = max(1, len(late) // FEW)
        until = begin + self.options.answer_seconds
        while late and time.monotonic() < until and not self._stopped.is_set():
            were_many = len(late) > few
            ended, late = wait(late, min(0.25, max(0.0, until - time.monotonic())))
            done |= ended
            if were_many and len(late) <= few:
                now = time.monotonic()
                until = min(until, now + max(PATIENCE_SECONDS, now - begin))
        return done, late

    # Background

    def _reload(self) -> None:
        while not self._stopped.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 (the loop goes on, whatever went wrong in one turn)
                self._tell("the log directories", error)
            self._ready.set()
            if not self.options.reload_seconds or self._stopped.wait(self.options.reload_seconds):
                return

    def _look(self) -> None:
        """List, and look at what changed."""
        files: dict[tuple[LogDirectory, str], LogFile] = {}
        runs: dict[str, list[LogFile]] = {}
        for directory in self.directories:
            for file, statistics in self._list(directory):
                files[directory, file.path] = file
                runs.setdefault(file.run, []).append(file)
                if file.number not in self._late_looks and (statistics is None or file.needs(statistics)):
                    self._late_looks[file.number] = (self._looks.submit(_look_at, file, statistics), file)
        if not self._ready.is_set():
            # The first answer comes with everything that is there, or when a person has waited long enough.
            self._wait_for_most([future for future, _ in self._late_looks.values()])
        if self._stopped.is_set():
            return
        self._files, self._runs = files, dict(sorted(runs.items()))
        self._numbers = {file.number: file for file in files.values()}
        self._ready.set()
        self._tell_of_partial_runs()
        self._bound_memory()
        # What takes longer than a turn is looked for in the next.
        wait([future for future, _ in self._late_looks.values()], max(1.0, self.options.reload_seconds))
        if self._stopped.is_set():
            return
        for number, (future, file) in list(self._late_looks.items()):
            if not future.done():
                continue
            del self._late_looks[number]
            error = future.exception()
            if error is None:
                self._trouble.pop(file.path, None)
            else:
                self._tell(file.path, error)

    def _list(self, directory: LogDirectory) -> list[tuple[LogFile, FileStatistics | None]]:
        """Return the files of a directory; where it cannot be listed now, those that it had."""
        try:
            file_system, path = resolve(directory.path)
            found = []
            for one in files_of_runs(file_system, path):
                file = self._files.get((directory, one.path))
                if file is None:
                    run = _run_name(directory.prefix, _shown_name(one.run))
                    file = LogFile(file_system, one._replace(run=run), next(self._next_number), self._sections)
                found.append((file, one.statistics))
        except Exception as error:  # noqa: BLE001 (the other directories are there all the same)
            self._tell(directory.path, error)
            return self._listed.get(directory, [])
        self._trouble.pop(directory.path, None)
        self._listed[directory] = found
        return found

    def _scan(self) -> None:
        """Read files without an index, those that somebody looks at first."""
        while not self._stopped.is_set():
            self._nobody_waits.wait(MOST_PAUSE_SECONDS)
            file = self._next_partial()
            if file is None:
                if self._stopped.wait(0.2):
                    return
                continue
            try:
                if not file.scan():
                    self._rests_until[file.number] = time.monotonic() + 1.0  # somebody else is reading it
                elif not file.is_partial:
                    self._trouble.pop(file.path, None)
                self._bound_memory()
            except Exception as error:  # noqa: BLE001 (one file must not end the thread that reads all others)
                self._rests_until[file.number] = time.monotonic() + REST_SECONDS
                self._tell(file.path, error)
            finally:
                with self._lock:
                    self._being_scanned.discard(file.number)

    def _next_partial(self) -> LogFile | None:
        """Return a file to read on, which no other thread is given meanwhile."""
        runs = self._runs
        with self._lock:
            for run, was_asked_for in (
                *((run, True) for run in reversed(self._asked_for)),
                *((run, False) for run in runs),
            ):
                for file in runs.get(run, ()):
                    if file.was_scanned_before and not was_asked_for:
                        continue
                    resting = self._rests_until.get(file.number, 0.0) > time.monotonic()
                    if file.can_be_scanned and not resting and file.number not in self._being_scanned:
                        self._being_scanned.add(file.number)
                        return file
        return None

    def _bound_memory(self) -> None:
        """Move what was scanned to the disk where it is too much to hold, the largest parts first."""
        held = sorted(((file.held_bytes, file) for file in list(self._files.values())), key=lambda one: -one[0])
        total = sum(count for count, _ in held)
        for count, file in held:
            if total <= self.options.held_bytes or not count:
                break
            file.settle()
            total -= count - file.held_bytes

    def _tell_of_partial_runs(self) -> None:
        """Say once that there are event files without an index."""
        if self._told_of_partial_runs:
            return
        partial = [run for run, files in self._runs.items() if any(file.can_be_scanned for file in files)]
        if partial:
            self._told_of_partial_runs = True
            _log.warning(
                "%d of %d runs have event files without an index that are not read yet; samples of them are shown "
                "until they have been read in the background (`recordfs events index` indexes them once and for all)",
                len(partial),
                len(self._runs),
            )

    def _tell(self, path: str, error: BaseException) -> None:
        text = redact(f"{type(error).__name__}: {error}")
        if self._trouble.get(path) != text:
            self._trouble[path] = text
            _log.warning("%s cannot be read now, and is tried again: %s", redact(path), text)


def _look_at(file: LogFile, statistics: FileStatistics | None) -> None:
    """Look at a file; where its listing does not tell sizes, as a local one's, it is asked for first."""
    known = file.statistics() if statistics is None else statistics
    if file.needs(known):
        file.look(known)


def _shown_name(name: str) -> str:
    """Return the name of a run as a message can hold it: what is not UTF-8 in a local path is replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _run_name(prefix: str, run: str) -> str:
    if not prefix:
        return run
    return prefix if run == "." else f"{prefix}/{run}"
