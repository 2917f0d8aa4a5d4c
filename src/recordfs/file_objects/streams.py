"""Files of the contract as Python's raw binary file objects, and opening such by a path."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from recordfs.errors import RecordFSError
from recordfs.open_files.letting_go import give_up
from recordfs.registry import resolve

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Buffer

    from recordfs.filesystem.files import RandomAccessFile, WritableFile

__all__ = ["InputStream", "OutputStream", "WholeFileStream", "open_input", "open_output"]


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
    """A file that is worth nothing unless it is whole: leaving a ``with`` block by an exception gives it up.

    Archives and tables write their end even after a write has failed. So a write that failed is the last that the file
    sees, and everything after it raises the same error: the first is the one that says what is wrong.
    """

    _is_given_up = False
    _failure: RecordFSError | None = None

    def tell(self) -> int:
        """As OutputStream, up to the first write that fails."""
        self._check_sound()
        return super().tell()

    def write(self, data: Buffer, /) -> int:
        """As OutputStream, up to the first write that fails."""
        self._check_sound()
        try:
            return super().write(data)
        except RecordFSError as error:
            self._failure = error
            raise

    def flush(self) -> None:
        """As OutputStream, up to the first write that fails; nothing, once it was given up."""
        if not self._is_given_up:
            self._check_sound()
            super().flush()

    def close(self) -> None:
        """As OutputStream; publishes nothing, once it was given up or a write has failed."""
        if self._failure is not None and not self._is_given_up:
            self._give_up(self._failure)
            raise self._failure
        if self._is_given_up:
            io.RawIOBase.close(self)
        else:
            super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            self._give_up(error)
        self.close()

    def _check_sound(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _give_up(self, error: BaseException) -> None:
        give_up(self._file, error)
        self._is_given_up = True  # from here on nothing publishes it, not the collector either
        io.RawIOBase.close(self)


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
