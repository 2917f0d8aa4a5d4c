"""Python's own file objects under the contract of recordfs files, so that readers and writers know only one kind.

The caller opened these objects and closes them; an adapter never does.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Protocol

from recordfs.errors import FailedPreconditionError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

    from recordfs.filesystem import RandomAccessFile, WritableFile

__all__ = [
    "BorrowedFile",
    "BorrowedWritableFile",
    "ReadableFile",
    "SupportsRead",
    "SupportsWrite",
    "WritableFileObject",
    "is_file_object",
    "name_of",
]

_SKIP_SIZE = 64 * 1024


class SupportsRead(Protocol):
    """A binary file object that can be read; ``readinto``, ``seek`` and ``tell`` are used where it has them."""

    def read(self, size: int, /) -> bytes | None:
        """Return up to ``size`` bytes, ``b""`` at the end."""


class SupportsWrite(Protocol):
    """A binary file object that can be written to; ``flush``, ``fileno`` and ``tell`` are used where it has them."""

    def write(self, data: bytes, /) -> object:
        """Take bytes, and return how many if not all."""


def name_of(file: Any) -> str:
    """Return what messages call a file object: its name if that is text, else its type."""
    name = getattr(file, "name", None)
    if isinstance(name, (str, bytes, os.PathLike)):
        return os.fsdecode(name)
    return f"<{type(file).__name__}>"


def is_file_object(given: object, method: str) -> bool:
    """Tell an open file with this method from a path.

    Some files know their path too (fsspec's local ones), and some path classes can read and write (py.path): only what
    is open says whether it is closed.
    """
    return hasattr(given, method) and (hasattr(given, "closed") or not isinstance(given, os.PathLike))


def _check_binary(file: Any) -> None:
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"records are bytes, but {name_of(file)} is a text file: open it in binary mode")


class BorrowedFile:
    """A RandomAccessFile that its owner goes on using: closing this does nothing to it."""

    def __init__(self, file: RandomAccessFile) -> None:
        self.read_into = file.read_into
        self.size = file.size

    def close(self) -> None:
        """Let the owner close it."""


class ReadableFile:
    """A readable binary file object, read in order from where it stands.

    Args:
        file: Has ``readinto`` or ``read``; short counts are fine. If it can ``seek``, an interrupted read is repeated.

    Offsets count from where the object stood. One thread at a time.
    """

    def __init__(self, file: Any) -> None:
        _check_binary(file)
        self._file = file
        self._name = name_of(file)
        self._readinto = getattr(file, "readinto", None)
        self._seekable = bool(getattr(file, "seekable", bool)())
        self._base = file.tell() if self._seekable else 0
        self._position = 0
        # Set while the object is read: if it raises, only a seek can tell where it stands.
        self._uncertain = False

    def size(self) -> int:
        """Return -1: the object may be growing, or know no end."""
        return -1

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Read into a buffer and return how many bytes came; 0 if there are none now.

        Raises:
            UnavailableError: The object is non-blocking and has nothing now.
            FailedPreconditionError: An earlier read was interrupted and the object cannot seek back.
            TypeError: The object gives text.
        """
        if offset != self._position or self._uncertain:
            self._go_to(offset)
        self._uncertain = True
        count = self._read_once(buffer)
        self._position += count
        self._uncertain = False
        return count

    def _read_once(self, buffer: Buffer) -> int:
        if self._readinto is not None:
            count = self._readinto(buffer)
        else:
            with memoryview(buffer) as view:
                data = self._file.read(len(view))
                if isinstance(data, str):
                    raise TypeError(f"records are bytes, but {self._name} gives text")
                count = None if data is None else len(data)
                if count:
                    view[:count] = data
        if count is None:
            self._uncertain = False
            raise UnavailableError("the file is non-blocking and has no bytes now; try again", path=self._name)
        return int(count)

    def _go_to(self, offset: int) -> None:
        if self._seekable:
            self._file.seek(self._base + offset)
        elif self._uncertain or offset < self._position:
            raise FailedPreconditionError(
                "a read was interrupted, and this file object cannot seek back to what may be lost of it",
                path=self._name,
            )
        else:
            with memoryview(bytearray(_SKIP_SIZE)) as scratch:
                while self._position < offset:
                    with scratch[: offset - self._position] as part:
                        self._uncertain = True
                        count = self._read_once(part)
                        self._position += count
                        self._uncertain = False
                        if not count:
                            return
        self._position = offset
        self._uncertain = False

    def close(self) -> None:
        """Let the caller close the object."""


class WritableFileObject:
    """A writable binary file object as a WritableFile: appends are taken whole or, if they raise, not at all.

    Where the object takes only a part of an append and then fails, the rest is kept here and goes first the next time,
    so that a full disk loses nothing once there is room. One thread at a time.

    Args:
        file: Has ``write``; it may take fewer bytes than it is given. ``flush`` and ``fileno`` are used if there.
    """

    def __init__(self, file: Any) -> None:
        _check_binary(file)
        self._file = file
        self.name = name_of(file)
        self._write = file.write
        # A raw file says None when it would block; other objects that return None have taken everything.
        self._none_is_nothing = isinstance(file, io.RawIOBase)
        self._seekable = bool(getattr(file, "seekable", bool)())
        self._base = file.tell() if self._seekable else 0
        self._written = 0
        self._rest = b""
        self._lost = False

    def tell(self) -> int:
        """Return how many bytes were taken.

        Raises:
            FailedPreconditionError: An interrupted write left nobody knowing how many.
        """
        if self._lost:
            raise FailedPreconditionError(
                "a write was interrupted, and how much of it was written is unknown", path=self.name
            )
        return self._written + len(self._rest)

    def append(self, data: Buffer) -> None:
        """Take all of ``data``."""
        self.append_parts([data])

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """Take several buffers, one behind another.

        Raises:
            UnavailableError: The object is non-blocking and takes nothing now.
            Whatever the object raises. ``tell`` says whether the bytes were taken: they are once the first of them
            was written.
        """
        self._write_rest()
        begin = self._written
        try:
            for part in parts:
                with memoryview(part) as view, view.cast("B") as data:
                    self._write_all(data)
        except BaseException as error:
            self._find_position(error)
            done = self._written - begin
            if done and not self._lost:
                self._rest = b"".join(parts)[done:]
            raise

    def _write_rest(self) -> None:
        if not self._rest:
            return
        begin = self._written
        try:
            with memoryview(self._rest) as rest:
                self._write_all(rest)
        except BaseException as error:
            self._find_position(error)
            self._rest = self._rest[self._written - begin :]
            raise
        self._rest = b""

    def _write_all(self, data: memoryview) -> None:
        done = 0
        while done < len(data):
            with data[done:] as part:
                count = self._write(part)
                if count is None:
                    if self._none_is_nothing:
                        raise UnavailableError(
                            "the file is non-blocking and takes no bytes now; try again", path=self.name
                        )
                    count = len(part)
            done += count
            self._written += count

    def _find_position(self, error: BaseException) -> None:
        """Find out how much was written, after a write that raised."""
        if isinstance(error, BlockingIOError):
            self._written += getattr(error, "characters_written", 0)
        elif self._seekable:
            self._written = self._file.tell() - self._base
        elif not isinstance(error, Exception):
            # A signal's exception may come before or after the bytes were handed on, and a pipe cannot be asked.
            self._lost = True

    def flush(self) -> None:
        """Hand everything to the operating system, or wherever the object's ``flush`` takes it."""
        self._write_rest()
        flush = getattr(self._file, "flush", None)
        if flush is not None:
            flush()

    def sync(self) -> None:
        """Flush, and bring the bytes to the disk if the object has a descriptor."""
        self.flush()
        try:
            descriptor = self._file.fileno()
        except (AttributeError, OSError):
            return  # such an object has no disk to sync to
        os.fsync(descriptor)

    def close(self) -> None:
        """Flush. The caller closes the object."""
        self.flush()

    def discard(self) -> None:
        """Write only the rest of an append that was taken in part: the object stays the caller's."""
        self._write_rest()


class BorrowedWritableFile:
    """A WritableFile that its owner goes on using: closing this flushes it."""

    def __init__(self, file: WritableFile) -> None:
        self.name = file.name
        self.append = file.append
        self.append_parts = file.append_parts
        self.flush = file.flush
        self.sync = file.sync
        self.tell = file.tell
        self.close = file.flush

    def discard(self) -> None:
        """Leave the file, and what it took, to its owner."""
