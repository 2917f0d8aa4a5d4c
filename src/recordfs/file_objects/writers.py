"""File objects as WritableFiles: Python's, those of writer factories, and files of the contract that others own."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from recordfs.errors import FailedPreconditionError, UnavailableError, UnimplementedError
from recordfs.file_objects.protocols import check_binary, name_of
from recordfs.filesystem.files import WritableFile
from recordfs.filesystems._foreign_writes import count_taken

if TYPE_CHECKING:
    from recordfs.file_objects.protocols import SupportsAppendParts

__all__ = ["BorrowedWriter", "FactoryWriter", "FileObjectWriter"]


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
        check_binary(file)
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
            InternalError: The object's ``write`` returned what is not a count of bytes.
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
            try:
                written = self._file.tell() - self._base
            except Exception:  # noqa: BLE001 (`_settle` says that nobody can know; the error of the write comes first)
                return
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
