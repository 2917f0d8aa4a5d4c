"""Adapters between open files of the contract and Python's own file objects, in both directions.

``FileObjectReader``, ``FileObjectWriter`` and ``FactoryWriter`` make files of the contract out of what Python programs
have open; ``BorrowedReader`` and ``BorrowedWriter`` stand for a file that its owner goes on using. ``InputStream``,
``OutputStream`` and ``WholeFileStream`` make Python's file objects out of files of the contract, and ``open_input`` and
``open_output`` open such by a path.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from recordfs.errors import FailedPreconditionError, UnavailableError, UnimplementedError
from recordfs.filesystem.files import RandomAccessFile, WritableFile, give_up
from recordfs.filesystems._foreign_writes import count_taken
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Buffer

__all__ = [
    "BorrowedReader",
    "BorrowedWriter",
    "FactoryWriter",
    "FileObjectReader",
    "FileObjectWriter",
    "InputStream",
    "OutputStream",
    "SupportsAppendParts",
    "SupportsRead",
    "SupportsReadInto",
    "SupportsWrite",
    "WholeFileStream",
    "is_file_object",
    "name_of",
    "open_input",
    "open_output",
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


@runtime_checkable
class SupportsReadInto(Protocol):
    """What is read of a RandomAccessFile; somebody else's class may have it too."""

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """As RandomAccessFile."""

    def size(self) -> int:
        """As RandomAccessFile; -1 where it is not known."""


@runtime_checkable
class SupportsAppendParts(Protocol):
    """What is written to a WritableFile; somebody else's class may have it too."""

    def append(self, data: Buffer) -> None:
        """As WritableFile."""

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """As WritableFile."""

    def flush(self) -> None:
        """As WritableFile."""

    def sync(self) -> None:
        """As WritableFile."""

    def tell(self) -> int:
        """As WritableFile."""


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


class BorrowedReader(RandomAccessFile):
    """A file that its owner goes on using: closing this does nothing to it."""

    def __init__(self, file: SupportsReadInto) -> None:
        super().__init__(name_of(file))
        self._file = file

    def _read(self, offset: int, n: int) -> bytes:
        data = bytearray(n)
        done = 0
        with memoryview(data) as view:
            while done < n:
                with view[done:] as rest:
                    count = self._file.read_into(offset + done, rest)
                if not count:
                    break
                done += count
        return bytes(data[:done])

    def _read_into(self, offset: int, view: memoryview) -> int:
        return self._file.read_into(offset, view)

    def _size(self) -> int:
        return self._file.size()


class BorrowedWriter(WritableFile):
    """A file that its owner goes on using: closing this flushes it, and discarding it leaves it alone."""

    _closes_when_collected = False  # its owner does

    def __init__(self, file: SupportsAppendParts) -> None:
        super().__init__(name_of(file))
        self._file = file

    def _append(self, data: memoryview) -> None:
        self._file.append(data)

    def _append_parts(self, parts: list[memoryview]) -> None:
        self._file.append_parts(parts)

    def _flush(self) -> None:
        self._file.flush()

    def _sync(self) -> None:
        self._file.sync()

    def _tell(self) -> int:
        return self._file.tell()

    def _close(self) -> None:
        self._file.flush()

    def _discard(self) -> None:
        """Leave the file, and what it took, to its owner."""

    def publish(self, *, overwrite: bool = False) -> None:
        """Forward to a file of the contract."""
        if isinstance(self._file, WritableFile):
            self._check_open()
            self._file.publish(overwrite=overwrite)
        else:
            super().publish(overwrite=overwrite)


class FileObjectReader(RandomAccessFile):
    """A readable binary file object, read in order from where it stands. The caller opened it and closes it.

    Offsets count from where the object stood. One thread at a time.

    Args:
        file: Has ``readinto`` or ``read``; short counts are fine. If it can ``seek``, an interrupted read is repeated.

    Raises:
        TypeError: It is a text file.
    """

    def __init__(self, file: Any) -> None:
        _check_binary(file)
        super().__init__(name_of(file))
        self._file = file
        self._readinto = getattr(file, "readinto", None)
        self._seekable = bool(getattr(file, "seekable", bool)())
        self._base = file.tell() if self._seekable else 0
        self._position = 0
        # Set while the object is read: if it raises, only a seek can tell where it stands.
        self._uncertain = False

    def can_begin_again(self) -> bool:
        """Tell whether offset 0 can be read: nothing was read yet, or the object can seek."""
        return self._seekable or not (self._position or self._uncertain)

    def _size(self) -> int:
        """Return -1: the object may be growing, or know no end."""
        return -1

    def _read(self, offset: int, n: int) -> bytes:
        data = bytearray()
        with memoryview(bytearray(min(n, _SKIP_SIZE))) as scratch:
            while len(data) < n:
                with scratch[: n - len(data)] as part:
                    count = self._read_into(offset + len(data), part)
                    data += part[:count]
                if not count:
                    break
        return bytes(data)

    def _read_into(self, offset: int, view: memoryview) -> int:
        """Read into a view and return how many bytes came; 0 if there are none now.

        Raises:
            UnavailableError: The object is non-blocking and has nothing now.
            FailedPreconditionError: An earlier read was interrupted and the object cannot seek back.
            TypeError: The object gives text.
        """
        if offset != self._position or self._uncertain:
            self._go_to(offset)
        self._uncertain = True
        count = self._read_once(view)
        self._position += count
        self._uncertain = False
        return count

    def _read_once(self, view: memoryview) -> int:
        if self._readinto is not None:
            count = self._readinto(view)
        else:
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


class FileObjectWriter(WritableFile):
    """A writable binary file object: appends are taken whole or, if they raise, not at all. The caller closes it.

    Where the object takes only a part of an append and then fails, the rest is kept here and goes first the next time,
    so that a full disk loses nothing once there is room. One thread at a time.

    Its state, at any moment and wherever an interrupt (or two) may have torn a call:

    - ``_written`` bytes are in the object, unless ``_uncertain`` is set: then a call to ``write`` may have written
      more, and only the object can tell.
    - ``_rest`` follows them: bytes that were taken and are still to be written, from ``_rest_begin`` on.
    - While an append is under way, ``_under_way`` is where it begins and ends. Found set by a later call, it was torn:
      all of its bytes are written, or none, or the rest is kept; otherwise nobody has the rest, and the file is lost.

    Args:
        file: Has ``write``; it may take fewer bytes than it is given. ``flush`` and ``fileno`` are used if there.

    Raises:
        TypeError: It is a text file.
    """

    _closes_when_collected = False  # the caller does

    def __init__(self, file: Any) -> None:
        _check_binary(file)
        super().__init__(name_of(file))
        self._file = file
        self._write = file.write
        # A raw file says None when it would block; other objects that return None have taken everything.
        self._none_is_nothing = isinstance(file, io.RawIOBase)
        self._seekable = bool(getattr(file, "seekable", bool)())
        self._base = file.tell() if self._seekable else 0
        self._written = 0
        self._uncertain = False
        self._rest, self._rest_begin = b"", 0
        self._under_way: tuple[int, int] | None = None
        self._lost = False

    def _tell(self) -> int:
        """Return how many bytes were taken.

        Raises:
            FailedPreconditionError: An interrupted write left nobody knowing how many.
        """
        self._settle()
        return max(self._written, self._rest_begin + len(self._rest))

    def _append(self, data: memoryview) -> None:
        self._append_parts([data])

    def _append_parts(self, parts: list[memoryview]) -> None:
        """Take several buffers, one after another.

        Raises:
            UnavailableError: The object is non-blocking and takes nothing now.
            InternalError: The object's ``write`` returned what is no count of bytes.
            Whatever the object raises. ``tell`` says whether the bytes were taken: they are once the first of them
            was written.
        """
        self._write_rest()
        begin = self._written
        self._under_way = (begin, begin + sum(map(len, parts)))
        try:
            for part in parts:
                self._write_all(part)
        except BaseException:
            self._find_position()
            if self._written > begin:
                # One line without a call between its assignments: no interrupt can tear it.
                whole = b"".join(parts)
                self._rest, self._rest_begin, self._under_way = whole, begin, None
            else:
                self._under_way = None
            raise
        self._under_way = None

    def _write_rest(self) -> None:
        """Write what an earlier append left."""
        self._settle()
        with memoryview(self._rest) as rest:
            while (done := self._written - self._rest_begin) < len(rest):
                with rest[done:] as part:
                    self._write_once(part)
        self._rest, self._rest_begin = b"", self._written

    def _write_all(self, data: memoryview) -> None:
        done = 0
        while done < len(data):
            with data[done:] as part:
                done += self._write_once(part)

    def _write_once(self, part: memoryview) -> int:
        """Hand bytes to the object once, and return how many it took: at least one."""
        self._uncertain = True
        try:
            count = self._write(part)
        except BlockingIOError as error:
            written = self._written + getattr(error, "characters_written", 0)
            self._written, self._uncertain = written, False
            raise
        except Exception:
            self._uncertain = self._seekable  # a pipe that raised took nothing of the call; others can be asked
            raise
        if count is None and self._none_is_nothing:
            self._uncertain = False
            raise UnavailableError("the file is non-blocking and takes no bytes now; try again", path=self._name)
        taken = count_taken(count, len(part), self._name)
        written = self._written + taken
        self._written, self._uncertain = written, False
        return taken

    def _find_position(self) -> None:
        """Ask the object where it stands, after a write that was torn; leave it uncertain if it cannot tell."""
        if self._uncertain and self._seekable:
            written = self._file.tell() - self._base
            self._written, self._uncertain = written, False

    def _settle(self) -> None:
        """Find out what became of a write that was torn.

        Raises:
            FailedPreconditionError: Nobody can know, or nobody has its bytes any more.
        """
        self._find_position()
        if self._under_way is not None and not self._uncertain:
            if self._written in self._under_way:
                self._under_way = None
            else:
                self._lost = True
        if self._uncertain or self._lost:
            raise FailedPreconditionError(
                "a write was interrupted, and how much of it was written is unknown", path=self._name
            )

    def _flush(self) -> None:
        """Hand everything to the operating system, or wherever the object's ``flush`` takes it."""
        self._write_rest()
        flush = getattr(self._file, "flush", None)
        if flush is not None:
            flush()

    def _sync(self) -> None:
        """Flush, and bring the bytes to the disk if the object has a descriptor."""
        self._flush()
        try:
            descriptor = self._file.fileno()
        except (AttributeError, OSError):
            return  # such an object has no disk to sync to
        os.fsync(descriptor)

    def _close(self) -> None:
        try:
            self._flush()
        except FailedPreconditionError:
            self._end()  # trying again would not help
            raise

    def _discard(self) -> None:
        """Write only the rest of an append that was taken in part: the object stays the caller's."""
        try:
            self._write_rest()
        finally:
            self._end()


class FactoryWriter(WritableFile):
    """What a writer factory opened, owned by this. One thread at a time.

    Its ``write`` gets bytes objects, because such writers may keep what they are given, and has taken all of it unless
    it raises; what it returns is not looked at.

    Args:
        writer: Has ``write`` and ``close``, and may have ``flush`` and ``fileno``.
        path: What it was opened for.
    """

    _closes_when_collected = False  # what opened it does

    def __init__(self, writer: Any, path: str) -> None:
        super().__init__(path)
        self._writer = writer
        self._written = 0

    def _append(self, data: memoryview) -> None:
        self._writer.write(bytes(data))
        self._written += len(data)

    def _append_parts(self, parts: list[memoryview]) -> None:
        """Write several buffers in one call."""
        whole = b"".join(parts)
        self._writer.write(whole)
        self._written += len(whole)

    def _tell(self) -> int:
        return self._written

    def _flush(self) -> None:
        flush = getattr(self._writer, "flush", None)
        if flush is not None:
            flush()

    def _sync(self) -> None:
        """Flush, and bring the bytes to the disk if the writer has a descriptor."""
        self._flush()
        if hasattr(self._writer, "fileno"):
            os.fsync(self._writer.fileno())

    def _close(self) -> None:
        self._writer.close()

    def _discard(self) -> None:
        raise UnimplementedError("what a writer factory opened cannot be discarded; close it", path=self._name)


class InputStream(io.RawIOBase):
    """A file of the contract as Python's raw binary file; wrap it in ``io.BufferedReader`` for small reads.

    Args:
        file: Is closed with it.
        size: Its size in bytes, where it ends for this stream.
    """

    def __init__(self, file: RandomAccessFile, size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._position = 0

    @property
    def name(self) -> str:
        """The file's full path."""
        return self._file.name

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the next read begins."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position, past the end too, and return it."""
        self._position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence])
        return self._position

    def readinto(self, buffer: Buffer, /) -> int:
        """Read up to the buffer's size; 0 at the end."""
        count = self._file.read_into(self._position, buffer)
        self._position += count
        return count

    def close(self) -> None:
        """Close the file. Idempotent."""
        if not self.closed:
            try:
                self._file.close()
            finally:
                super().close()


class OutputStream(io.RawIOBase):
    """A file of the contract as Python's raw binary file, written from front to back. It buffers nothing of its own.

    Args:
        file: Is closed with it.
    """

    def __init__(self, file: WritableFile) -> None:
        super().__init__()
        self._file = file

    @property
    def name(self) -> str:
        """The file's full path."""
        return self._file.name

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes the file has with everything written."""
        return self._file.tell()

    def write(self, data: Buffer, /) -> int:
        """Append all of ``data``, or raise and take nothing; return its size in bytes."""
        self._file.append(data)
        with memoryview(data) as view:
            return view.nbytes

    def flush(self) -> None:
        """Make everything written visible to readers; of an atomic file hand it on."""
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        """Publish the file. Idempotent; a failure is raised, and if it can be tried again the file stays open."""
        if not self.closed:
            self._file.close()
            super().close()


class WholeFileStream(OutputStream):
    """A file that is worth nothing unless it is whole: leaving a ``with`` block by an exception gives it up."""

    _is_given_up = False

    def flush(self) -> None:
        """As OutputStream; nothing, once it was given up."""
        if not self._is_given_up:
            super().flush()

    def close(self) -> None:
        """As OutputStream; publishes nothing, once it was given up."""
        if self._is_given_up:
            io.RawIOBase.close(self)
        else:
            super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        give_up(self._file, error)
        self._is_given_up = True  # from here on nothing publishes it, not the collector either
        self.close()


def open_input(path: Any) -> InputStream:
    """Open a file of any filesystem as a Python file for reading.

    Raises:
        NotFoundError and others: As ``new_random_access_file``.
    """
    file_system, name = resolve(path)
    file = file_system.new_random_access_file(name)
    try:
        return InputStream(file, file.size())
    except BaseException:
        file.close()
        raise


def open_output(path: Any) -> WholeFileStream:
    """Open a file of any filesystem as a Python file for writing.

    It appears whole or not at all where its filesystem has atomic writes.

    Raises:
        PermissionDeniedError and others: As ``new_writable_file``.
    """
    file_system, name = resolve(path)
    return WholeFileStream(file_system.new_writable_file(name, atomic=file_system.capabilities(name).atomic_write))
