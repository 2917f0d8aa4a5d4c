"""EventOutput: the event files of one writer, one after the other, and the bytes that the open one has not taken yet.

Invariants, whatever raises at whatever point:

- Every event that was framed is in ``_unsent``, or the open file took it.
- Every event that the open file took after its last flush is in ``_unflushed`` as well, so that it can go into another
  file if this one cannot be written to any more.
"""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from recordfs._core import EventFramer
from recordfs.errors import (
    AbortedError,
    AlreadyExistsError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    RecordFSError,
)
from recordfs.events.event import decode_event
from recordfs.events.writer import events_prefix, make_event_file, session_start_events, version_event
from recordfs.filesystem.files import WritableFile
from recordfs.open_files.letting_go import give_up
from recordfs.records.reader import RecordReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystem import FileSystem

__all__ = ["EventOutput", "OutputOptions"]

FLUSH_BYTES = 16 << 20
"""So many bytes at most are kept to be written again: a flush comes then, whether it is time or not."""

ROLL_BYTES = 384 << 10
"""Where a flush sends bytes again, a file is ended at a flush when it has this much, or a sixteenth of all so far."""

ROLL_SHARE = 16

USELESS = (AbortedError, AlreadyExistsError, FailedPreconditionError, InvalidArgumentError, NotFoundError)
"""Errors of a file after which it takes nothing any more; another one may."""


class OutputFile(Protocol):
    """What events are written to: a WritableFile, or a file that is spooled."""

    @property
    def name(self) -> str:
        """The full path of the event file."""
        ...

    def append(self, data: bytes) -> None:
        """Take all of the data, or raise and take nothing."""
        ...

    def flush(self) -> None:
        """Return when everything appended is visible."""
        ...

    def close(self) -> None:
        """Publish everything."""
        ...


class OutputOptions(NamedTuple):
    """Where event files go, and what they are.

    Attributes:
        file_system: The filesystem.
        logdir: The directory.
        suffix: What the files' names end with.
        has_index: Whether they get an index.
        max_file_bytes: A file is ended when it has this much, at the next event; None: by what a flush costs.
        resent_bytes: How many bytes before its end a flush may send again: see ``Capabilities.flush_resends``.
        purge_step: The step at which the job goes on, or None.
        after: The path of an event file that theirs have to sort after, or ``""``.
    """

    file_system: FileSystem
    logdir: str
    suffix: str = ""
    has_index: bool = True
    max_file_bytes: int | None = None
    resent_bytes: int = 0
    purge_step: int | None = None
    after: str = ""


class EventOutput:
    """Event files of one writer. For one thread.

    Args:
        options: Where they go, and what they are.
        open_file: Opens a file exclusively, given the name of one that it has to sort after.

    Attributes:
        framer: Frames the events of the file that is open, or of the next one.
        logdir: The directory of the files.
        paths: The files so far, as they were opened.
    """

    def __init__(self, options: OutputOptions, open_file: Callable[[str], OutputFile] | None = None) -> None:
        self.framer = EventFramer(index=options.has_index)
        self.logdir = options.logdir
        self.paths: list[str] = []
        self._options = options
        self._open_file = open_file or self._make_file
        self._file: OutputFile | None = None
        self._unsent = b""
        self._unflushed: list[bytes] = []
        self._unflushed_bytes = 0
        self._earlier_bytes = 0
        self._begin_file(options.purge_step)

    @property
    def is_dirty(self) -> bool:
        """Whether something was written after the last flush."""
        return bool(self._unsent or self._unflushed or self.framer.offset > self._clean_offset)

    @property
    def wants_flush(self) -> bool:
        """Whether so much was written after the last flush that one has to come."""
        return self._unflushed_bytes >= FLUSH_BYTES

    def open(self) -> None:
        """Open the next file, if none is open.

        Raises:
            As opening a file does. It can be tried again.
        """
        if self._file is None:
            earlier = self.present_paths()
            self._file = self._open_file(earlier[-1] if earlier else self._options.after)
            self.paths.append(self._file.name)

    def write(self) -> None:
        """Hand what is framed to the file; end it, if it is long enough.

        Raises:
            As opening, appending to and closing files do. Nothing is lost then: the next call tries again.
        """
        if not self.is_dirty:
            return
        self.open()
        self._hand_on()
        limit = self._options.max_file_bytes
        if limit is not None and self.framer.offset >= limit:
            self._end_file()

    def flush(self) -> None:
        """Return when everything that was framed is visible.

        Raises:
            As ``write``, and as flushing a file does.
        """
        self.write()
        if self._file is None or not self.is_dirty:
            return
        if self._options.resent_bytes and self.framer.offset >= self._roll_bytes():
            self._end_file()
            return
        self.framer.flush()
        self._hand_on()
        self._with_file(lambda file: file.flush())
        self._forget_unflushed()
        self._clean_offset = self.framer.offset

    def close(self) -> None:
        """Publish everything and end the file, if there is one. Idempotent.

        Raises:
            As ``write``, and as closing a file does.
        """
        self.write()
        if self._file is not None:
            self._end_file()

    def settle(self, timeout: float | None = None) -> None:
        """Return when everything that was flushed is visible: it is, where ``flush`` waits for that."""

    def present_paths(self) -> list[str]:
        """Return where the files so far are."""
        return list(self.paths)

    def _roll_bytes(self) -> int:
        return max(ROLL_BYTES, (self._earlier_bytes + self.framer.offset) // ROLL_SHARE)

    def _end_file(self) -> None:
        self.framer.finish()
        self._hand_on()
        self._with_file(lambda file: file.close())
        self._forget_unflushed()
        self._earlier_bytes += self.framer.offset
        self._file = None
        self._begin_file(None)

    def _begin_file(self, purge_step: int | None) -> None:
        """Frame what a file begins with. It is opened when there is more."""
        self.framer.begin_file()
        now = time.time()
        self.framer.add(version_event(now))
        if purge_step is not None:
            for event in session_start_events(now, purge_step):
                self.framer.add(event)
        self._clean_offset = self.framer.offset

    def _hand_on(self) -> None:
        self._unsent += self.framer.take()
        if self._unsent:
            self._with_file(self._append_unsent)

    def _append_unsent(self, file: OutputFile) -> None:
        if self._unsent:
            file.append(self._unsent)
            self._unflushed.append(self._unsent)
            self._unflushed_bytes += len(self._unsent)
            self._unsent = b""

    def _forget_unflushed(self) -> None:
        self._unflushed.clear()
        self._unflushed_bytes = 0

    def _with_file(self, use: Callable[[OutputFile], None]) -> None:
        """Use the open file; if it turns out to be of no use any more, use another, which gets what this one lost."""
        assert self._file is not None
        try:
            use(self._file)
        except USELESS as error:
            self._replace_file(error)
            self._append_unsent(self._file)
            use(self._file)

    def _replace_file(self, error: RecordFSError) -> None:
        """Open another file, and frame for it what the old one did not flush."""
        assert self._file is not None
        old = self._file
        try:
            self._file = self._open_file(old.name)
        except RecordFSError as failure:
            failure.add_note(f"another event file was to be opened, because {error}")
            raise
        self.paths.append(self._file.name)
        if isinstance(old, WritableFile):
            give_up(old, error)
        with RecordReader(io.BytesIO(b"".join([*self._unflushed, self._unsent, self.framer.take()]))) as reader:
            events = [event for event in map(decode_event, reader) if not event.is_index]
        self._forget_unflushed()
        self._begin_file(None)
        for event in events:
            if event.kind != "file_version":
                self.framer.add(event.record)
        self._unsent = self.framer.take()

    def _make_file(self, after: str) -> OutputFile:
        options = self._options
        return make_event_file(options.file_system, events_prefix(options.logdir), options.suffix, after)
