"""Files of any filesystem as Python file objects, for the libraries that read and write Parquet and npz."""

import io
from typing import TYPE_CHECKING, Any

from recordfs.registry import resolve

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from recordfs.filesystem import RandomAccessFile, WritableFile

__all__ = ["InputStream", "OutputStream", "open_input", "open_output"]

# What is read or appended at once.
_BLOCK = 1 << 20


def open_input(path: Any) -> "InputStream":
    """Open a file of any filesystem for reading.

    Raises:
        NotFoundError and others: As ``new_random_access_file``.
    """
    system, text = resolve(path)
    file = system.new_random_access_file(text)
    try:
        return InputStream(file, file.size())
    except BaseException:
        file.close()
        raise


def open_output(path: Any) -> "OutputStream":
    """Open a file of any filesystem for writing; it appears whole or not at all where its filesystem can do that.

    Raises:
        PermissionDeniedError and others: As ``new_writable_file``.
    """
    system, text = resolve(path)
    return OutputStream(system.new_writable_file(text, atomic=system.capabilities(text).atomic_write))


class InputStream(io.RawIOBase):
    """A file that can be read from any place; wrap it in ``io.BufferedReader`` for small reads.

    Args:
        file: Is closed with it.
        size: Its size in bytes.
    """

    def __init__(self, file: "RandomAccessFile", size: int) -> None:
        self._file = file
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The next byte's place."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, beyond the end too."""
        self._position = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence])
        return self._position

    def readinto(self, buffer: "Buffer") -> int:
        """Read up to the buffer's size; 0 at the end."""
        count = self._file.read_into(self._position, buffer)
        self._position += count
        return count

    def close(self) -> None:
        """Close the file; idempotent."""
        if not self.closed:
            try:
                self._file.close()
            finally:
                super().close()


class OutputStream(io.RawIOBase):
    """A file written from front to back: ``close`` publishes it, leaving a ``with`` block by an exception discards it.

    Args:
        file: Is closed or discarded with it.
    """

    def __init__(self, file: "WritableFile") -> None:
        self._file = file
        self._pending = bytearray()
        self._written = 0

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """How many bytes have been written."""
        return self._written

    def write(self, data: "Buffer") -> int:
        """Append all of the data."""
        view = memoryview(data).cast("B")
        self._pending += view
        self._written += len(view)
        if len(self._pending) >= _BLOCK:
            self._append_pending()
        return len(view)

    def flush(self) -> None:
        """Hand the bytes on; nothing is published before ``close``."""
        if not self.closed:
            self._append_pending()

    def _append_pending(self) -> None:
        pending, self._pending = self._pending, bytearray()
        if pending:
            self._file.append(pending)

    def close(self) -> None:
        """Publish the file; idempotent."""
        if not self.closed:
            try:
                self._append_pending()
                self._file.close()
            finally:
                self._pending = bytearray()
                super().close()

    def discard(self) -> None:
        """Give up what has not been published; idempotent."""
        if not self.closed:
            self._pending = bytearray()
            try:
                self._file.discard()
            finally:
                super().close()

    def __enter__(self) -> "Self":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()
