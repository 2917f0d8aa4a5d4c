"""SpoolingOutput: every event goes to a spool at once, and from there to its event file as fast as the store takes it.

If the process dies before an event file is complete, what it lacks is still in the spool: see ``spool``. Then
``resume_spools``, ``recordfs spool resume`` or the next writer that spools uploads it.
"""

from __future__ import annotations

import contextlib
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from recordfs.errors import AlreadyExistsError, DeadlineExceededError, RecordFSError, UnavailableError
from recordfs.events.names import new_file_name
from recordfs.events.output import USELESS, EventOutput, OutputOptions
from recordfs.events.spool import Spool, SpoolNote, delete_replaced, spool_directory
from recordfs.events.worker import Worker
from recordfs.events.writer import open_new_file
from recordfs.open_files.letting_go import give_up
from recordfs.paths import basename, join

if TYPE_CHECKING:
    from recordfs.filesystem import WritableFile

__all__ = ["SPOOL_SECONDS", "SpoolingOutput"]

CHUNK = 1 << 20
"""Bytes that are read of an image at once."""

SPOOL_SECONDS = 1.0
"""Seconds after which an event is in its image at the latest: what a process that is killed loses."""

LONGEST_WAIT = 3600.0
"""Seconds after which it is looked in any case: locks cannot wait for as long as a float can say."""

EAGER_BYTES = 256 << 10
"""So many new bytes go to the event file before it is time."""


class _SpoolQueue:
    """What of a spool's image is not uploaded yet.

    It has the methods that a Worker expects of a queue; its counts are bytes. One thread appends, and one drains. There
    is no lock that ``urge`` could hold: a signal's handler that comes in the middle of it may wait for the drain.
    """

    dropped = 0

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._calls: SimpleQueue[bool] = SimpleQueue()
        """What the draining thread waits for: whether it was urged to, or else there is much."""
        self._urgent = False
        self._read = self._told = 0
        self.added = 0
        self.closed = False

    def append(self, data: bytes) -> None:
        """Write bytes to the end, all or, if it raises, none."""
        self._spool.write(data, self.added)
        self.added += len(data)
        if self._has_many:
            self._calls.put(False)

    @property
    def _has_many(self) -> bool:
        return self.added - self._read >= EAGER_BYTES

    def drain(self, framer: _Upload, patience: float) -> int:
        """Give the target the next bytes: at once if there are many, or after ``urge``; else after so many seconds.

        Returns:
            How many more the target has been given than after the last call; fewer, if it began again between them.
        """
        self._wait(patience)
        begin, end = self._read, min(self.added, self._read + CHUNK)
        data = self._spool.read(begin, end - begin)
        framer.take_in(data)
        end = begin + len(data)
        more, self._told = end - self._told, end
        self._read = end
        if end == self.added:
            self._urgent = False
        return more

    def _wait(self, patience: float) -> None:
        deadline = time.monotonic() + min(patience, LONGEST_WAIT)
        with contextlib.suppress(Empty):
            while not self._calls.empty():
                self._urgent |= self._calls.get_nowait()
            while not self._urgent and not self._has_many:
                self._urgent |= self._calls.get(timeout=max(0.0, deadline - time.monotonic()))

    def rewind(self) -> None:
        """Begin again: the bytes are to go into another event file. The draining thread calls it."""
        self._read = 0
        self._urgent = True

    def urge(self) -> None:
        """Have ``drain`` take what there is at once."""
        self._calls.put(True)

    def close(self) -> None:
        """Have the event file ended: everything was appended."""
        self.closed = True

    def reopen(self) -> bool:
        """Return False: nothing is appended to a file that was ended."""
        return False

    def end(self) -> bool:
        """Return whether all of the image was uploaded, and that is all that there will be."""
        return self.closed and self._read >= self.added

    def done(self) -> None:
        """Do nothing: the image is bounded by the event file."""


class _Upload:
    """The event file that a spool goes to. It has the methods that a Worker expects of an output."""

    wants_flush = False

    def __init__(self, options: OutputOptions, path: str, successors: dict[str, str]) -> None:
        self._options = options
        self._note = SpoolNote(path)
        self._spool = Spool.make(spool_directory(), self._note)
        self._successors = successors
        self._file: WritableFile | None = None
        self._unsent = b""
        self._has_unflushed = False
        self.queue = _SpoolQueue(self._spool)

    @property
    def path(self) -> str:
        """The event file."""
        return self._note.target

    @property
    def framer(self) -> _Upload:
        return self

    @property
    def is_dirty(self) -> bool:
        return bool(self._unsent) or self._has_unflushed

    def take_in(self, data: bytes) -> None:
        self._unsent += data

    def open(self) -> WritableFile:
        if self._file is None:
            self._file = open_new_file(self._options.file_system, self.path)
        return self._file

    def write(self) -> None:
        if self._unsent:
            try:
                self.open().append(self._unsent)
            except USELESS as error:
                self._begin_again(error)
                raise
            self._unsent = b""
            self._has_unflushed = True

    def flush(self) -> None:
        self.write()
        if self._file is not None and self._has_unflushed:
            try:
                self._file.flush()
            except USELESS as error:
                self._begin_again(error)
                raise
            self._has_unflushed = False

    def close(self) -> None:
        self.write()
        try:
            self.open().close()
        except USELESS as error:
            self._begin_again(error)
            raise
        self._has_unflushed = False
        delete_replaced(self._spool, self._options.file_system, self.path, self._note.replaced)
        self.give_up_spool()

    def give_up_spool(self) -> None:
        """Delete the spool: the event file is complete, or there will be none."""
        self._spool.remove()

    def _begin_again(self, error: RecordFSError) -> None:
        """Upload the whole image to another file: this one takes nothing more.

        The whole, because the places in its index are those of the image. This one is deleted once the other is
        complete.
        """
        if self._file is not None:
            give_up(self._file, error)
        self._file = None
        self._unsent = b""
        self._has_unflushed = False
        old = self.path
        self._note = self._note.redirected(
            join(self._options.logdir, new_file_name(self._options.suffix, after=basename(old)))
        )
        self._successors[old] = self.path
        self._spool.write_note(self._note)
        self.queue.rewind()


class _SpooledFile:
    """An event file whose bytes go to a spool first."""

    def __init__(self, options: OutputOptions, flush_seconds: float, after: str, successors: dict[str, str]) -> None:
        path = join(options.logdir, new_file_name(options.suffix, after=basename(after)))
        self._upload = _Upload(options, path, successors)
        try:
            self._upload.open()
        except (UnavailableError, DeadlineExceededError, AlreadyExistsError):
            pass  # the worker tries again, and tells
        except BaseException:
            self._upload.give_up_spool()
            raise
        self.worker = Worker(self._upload.queue, self._upload, flush_seconds, path)
        self.worker.start()
        self.is_ended = False

    @property
    def name(self) -> str:
        return self._upload.path

    def append(self, data: bytes) -> None:
        self._upload.queue.append(data)

    def flush(self) -> None:
        """Do nothing: the image has every byte, and its worker flushes the event file when it is time."""

    def close(self) -> None:
        self.is_ended = True
        self.worker.ask_for_end()


class SpoolingOutput(EventOutput):
    """Event files that are spooled: writing never waits for the store; ``settle`` does.

    Args:
        options: Where the files go, and what they are. Files are not ended for the sake of what a flush costs.
        flush_seconds: Seconds between two flushes of an event file that nobody asked for.
    """

    def __init__(self, options: OutputOptions, flush_seconds: float) -> None:
        self._spooled: list[_SpooledFile] = []
        self._spool_seconds = flush_seconds
        self._successors: dict[str, str] = {}
        """What replaced an event file that took nothing more. Each entry is made once, by the thread of its upload."""
        super().__init__(options._replace(resent_bytes=0), self._open_spooled)

    def _open_spooled(self, after: str) -> _SpooledFile:
        file = _SpooledFile(self._options, self._spool_seconds, after, self._successors)
        self._spooled.append(file)
        return file

    def present_paths(self) -> list[str]:
        """Return where the files so far are: those that replaced others in the place of these."""
        found = []
        for path in self.paths:
            while path in self._successors:
                path = self._successors[path]
            found.append(path)
        return found

    def settle(self, timeout: float | None = None) -> None:
        """Return when everything that was flushed is visible, and what was closed complete.

        Raises:
            DeadlineExceededError: It is not after so many seconds.
            What uploading failed with; the spool keeps the events.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        for file in list(self._spooled):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if file.is_ended:
                file.worker.finish(left)
                # A signal's handler, or another thread, may have settled it meanwhile.
                with contextlib.suppress(ValueError):
                    self._spooled.remove(file)
            else:
                file.worker.flush(left)
