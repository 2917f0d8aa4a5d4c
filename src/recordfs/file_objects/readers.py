"""File objects as RandomAccessFiles: Python's, read in order, and those of the contract that their owner keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import FailedPreconditionError, UnavailableError
from recordfs.file_objects.protocols import check_binary, name_of
from recordfs.filesystem.files import RandomAccessFile

if TYPE_CHECKING:
    from recordfs.file_objects.protocols import SupportsReadInto

__all__ = ["BorrowedReader", "FileObjectReader"]

_SKIP_SIZE = 64 * 1024


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


class FileObjectReader(RandomAccessFile):
    """A readable binary file object, read in order from where it stands. The caller opened it and closes it.

    Offsets count from where the object stood. One thread at a time.

    Args:
        file: Has ``readinto`` or ``read``; short counts are fine. If it can ``seek``, an interrupted read is repeated.

    Raises:
        TypeError: It is a text file.
    """

    def __init__(self, file: Any) -> None:
        check_binary(file)
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
