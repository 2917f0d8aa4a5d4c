"""EventsWriter: one event file, written by the caller's own thread."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from recordfs._core import EventFramer, encode_message
from recordfs.errors import AlreadyExistsError, ClosedFileError, InvalidArgumentError, NotFoundError
from recordfs.events.names import new_file_name
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.paths import basename, dirname, join
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

__all__ = ["EventsWriter", "serialized_event"]

ATTEMPTS = 20
"""Names that are tried before a directory in which every one of them is taken counts as broken."""

CHUNK = 256 << 10
"""So many bytes are framed before they go to the file."""


def serialized_event(event: Any) -> bytes:
    """Return the bytes of an event: bytes, or of anything with ``SerializeToString``.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(event, bytes):
        return event
    serialize = getattr(event, "SerializeToString", None)
    if serialize is not None:
        return bytes(serialize())
    if isinstance(event, (bytearray, memoryview)):
        return bytes(event)
    raise TypeError(f"an event has to be bytes or have SerializeToString, found {type(event).__name__}")


def version_event(wall_time: float) -> bytes:
    """Return the event that every file begins with."""
    writer = encode_message([(1, "b", "recordfs.events")])
    return encode_message([(1, "d", wall_time), (3, "b", "brain.Event:2"), (10, "b", writer)])


def session_start_events(wall_time: float, step: int) -> list[bytes]:
    """Return the events that say that a job goes on at a step, so that what was logged at later ones counts no longer.

    Two, because TensorBoard's Python loader takes the first start of a run for its beginning and removes nothing: see
    ``_CheckForRestartAndMaybePurge`` in ``tensorboard/backend/event_processing/plugin_event_accumulator.py``.
    """
    start = encode_message([(1, "v", 1)])
    return [encode_message([(1, "d", wall_time), (2, "v", step), (7, "b", start)])] * 2


class EventsWriter(ClosesOnExit):
    """Writes events to one file, which it makes; the first record says the version of the format.

    Args:
        file_prefix: Directory and beginning of the file's name, such as ``"logs/run/events"``. The name goes on with
            ``.out.tfevents.<seconds>.<host>.<pid>.<n>.<random>``. Missing directories are made.
        filename_suffix: What the name ends with.
        index: Whether the file gets an index, at ``close`` and at a flush after every 8 MiB. It takes at most a tenth
            of the file, and no reader of events sees it.
        after: The name of a file that the new one has to sort after.
        file_system: The filesystem of ``file_prefix``, instead of the registered one.
        options: For the registered filesystem.

    Attributes:
        path: The file.

    The file is made exclusively: no file that is there is ever written to. May be used from several threads.

    Raises:
        InvalidArgumentError: The prefix does not end with ``events``, by which TensorBoard's tools know such files.
        AlreadyExistsError: Twenty names in a row were taken.
        Otherwise as opening a file does.
    """

    def __init__(
        self,
        file_prefix: PathInput,
        filename_suffix: str = "",
        *,
        index: bool = True,
        after: str = "",
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        file_system, prefix = resolve(file_prefix, file_system=file_system, options=options)
        self._lock = threading.Lock()
        self._framer = EventFramer(index=index)
        self._file: WritableFile | None = None
        self._file = make_event_file(file_system, prefix, filename_suffix, after)
        self.path = self._file.name
        self._framer.add(version_event(time.time()))

    def write_event(self, event: Any) -> None:
        """Append an event: bytes, or anything with ``SerializeToString``.

        Raises:
            InvalidArgumentError: It is not an Event: it would end TensorBoard's loader for ever.
            ClosedFileError: The writer is closed.
            As ``WritableFile.append``. The event is kept then, and written by the next call.
        """
        payload = serialized_event(event)
        with self._lock:
            file = self._opened()
            try:
                self._framer.add(payload)
            except ValueError as error:
                raise InvalidArgumentError(str(error), path=self.path) from None
            if self._framer.pending >= CHUNK:
                self._hand_on(file)

    def flush(self) -> bool:
        """Return when all events so far can be read by others; always True.

        Raises:
            As ``WritableFile.flush``. Nothing is lost then: the next call tries again.
        """
        with self._lock:
            file = self._opened()
            self._framer.flush()
            self._hand_on(file)
            file.flush()
        return True

    def sync(self) -> None:
        """Flush, and return when the events survive a power cut where the store can promise that."""
        with self._lock:
            file = self._opened()
            self._framer.flush()
            self._hand_on(file)
            file.sync()

    def tell(self) -> int:
        """Return the size of the file with everything written so far, in bytes."""
        return self._framer.offset

    @property
    def closed(self) -> bool:
        """Whether ``close`` has succeeded."""
        return self._file is None

    def close(self) -> bool:
        """Write the index, publish everything and close the file. Idempotent; always True.

        Raises:
            As ``WritableFile.close``. The writer stays open then if it can be tried again.
        """
        with self._lock:
            file = self._file
            if file is not None:
                self._framer.finish()
                self._hand_on(file)
                file.close()
                self._file = None
        return True

    def _opened(self) -> WritableFile:
        if self._file is None:
            raise ClosedFileError("the writer is closed", path=self.path)
        return self._file

    def _hand_on(self, file: WritableFile) -> None:
        self._unsent = self._unsent + self._framer.take() if self._unsent else self._framer.take()
        if self._unsent:
            file.append(self._unsent)
            self._unsent = b""

    _unsent = b""
    """Bytes that the file has not taken yet, because an append failed."""


def make_event_file(file_system: FileSystem, prefix: str, suffix: str, after: str) -> WritableFile:
    """Make a file that was not there, under a name that nobody else takes.

    Args:
        file_system: The filesystem.
        prefix: Directory and ``events``.
        suffix: What the name ends with.
        after: A file that it has to sort after, or ``""``.

    Raises:
        InvalidArgumentError: The prefix does not end with ``events``.
        Otherwise as ``new_writable_file``.
    """
    if not basename(prefix).endswith("events"):
        raise InvalidArgumentError('the prefix of an event file ends with "events"', path=prefix)
    beginning = prefix[: -len("events")]
    for attempt in range(ATTEMPTS):
        try:
            return open_new_file(file_system, beginning + new_file_name(suffix, after=basename(after)))
        except AlreadyExistsError:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("every attempt returns or raises")


def open_new_file(file_system: FileSystem, path: str) -> WritableFile:
    """Open a file that must not be there, where the filesystem can tell, and make missing directories."""
    exclusive = file_system.capabilities(path).exclusive_create
    try:
        return file_system.new_writable_file(path, exclusive=exclusive)
    except NotFoundError:
        file_system.recursively_create_dir(dirname(path))
        return file_system.new_writable_file(path, exclusive=exclusive)


def events_prefix(logdir: str) -> str:
    """Return the prefix of the event files in a directory."""
    return join(logdir, "events")
