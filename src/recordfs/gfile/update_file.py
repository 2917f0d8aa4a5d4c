"""What stands behind the modes with ``+``: files that are read and written by one object.

Where the filesystem can change bytes in place, this is its own file. Elsewhere it is a reader and a writer of the same
name: bytes can be added at the end and read back, and anything else is an UnimplementedError, never a silent rewrite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import UnimplementedError
from recordfs.filesystem import UpdateFile

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem, RandomAccessFile, WritableFile

__all__ = ["open_update_file"]


def open_update_file(file_system: FileSystem, path: str, kind: str) -> UpdateFile:
    """Open a file for reading and writing.

    Args:
        file_system: Whose file it is.
        path: The file.
        kind: "r" for an existing file, left as it is; "w" for one that the first write makes or empties; "a" for
            writing at the end only, made if it is missing.

    Raises:
        NotFoundError: ``kind`` is "r" and the file is missing, or its directory is.
        Otherwise as ``new_random_access_file`` and ``new_writable_file``.
    """
    if kind == "a":
        return _EndUpdateFile(file_system, path, file_system.new_appendable_file(path))
    if kind == "w":
        return _EmptiedAtFirstWrite(file_system, path)
    if file_system.capabilities(path).update_in_place:
        return file_system.new_update_file(path)
    return _EndUpdateFile(file_system, path, None)


class _EmptiedAtFirstWrite(UpdateFile):
    """A file that is empty for who reads it here, while the one of that name is left alone until something is written.

    Args:
        file_system: Whose file it is.
        path: The file.
    """

    def __init__(self, file_system: FileSystem, path: str) -> None:
        self._file_system = file_system
        self._path = path
        self._emptied: UpdateFile | None = None

    @property
    def name(self) -> str:
        """The full path that the file was opened by."""
        return self._path

    def read(self, offset: int, n: int) -> bytes:
        """Return what was written here."""
        return b"" if self._emptied is None else self._emptied.read(offset, n)

    def size(self) -> int:
        """Return the size of what was written here."""
        return 0 if self._emptied is None else self._emptied.size()

    def write(self, offset: int, data: Buffer) -> None:
        """Put ``data`` at an offset."""
        self._empty().write(offset, data)

    def truncate(self, length: int) -> None:
        """Make the file ``length`` bytes long."""
        self._empty().truncate(length)

    def _empty(self) -> UpdateFile:
        if self._emptied is None:
            writer = self._file_system.new_writable_file(self._path)
            if self._file_system.capabilities(self._path).update_in_place:
                writer.close()
                self._emptied = self._file_system.new_update_file(self._path)
            else:
                self._emptied = _EndUpdateFile(self._file_system, self._path, writer)
        return self._emptied

    def flush(self) -> None:
        """Make what was written visible to new readers."""
        if self._emptied is not None:
            self._emptied.flush()

    def sync(self) -> None:
        """Make what was written durable where the store can."""
        if self._emptied is not None:
            self._emptied.sync()

    def close(self) -> None:
        """Publish what was written."""
        if self._emptied is not None:
            self._emptied.close()


class _EndUpdateFile(UpdateFile):
    """A reader and a writer of the same name. What was written is flushed before the next read.

    Args:
        file_system: Whose file it is.
        path: The file.
        writer: Opened already; None to open one for appending at the first write, and to read at once.
    """

    def __init__(self, file_system: FileSystem, path: str, writer: WritableFile | None) -> None:
        self._file_system = file_system
        self._path = path
        self._writer = writer
        # A store may show nothing of a new file before its first flush.
        self._unflushed = writer is not None
        self._reader: RandomAccessFile | None = None if writer else file_system.new_random_access_file(path)

    @property
    def name(self) -> str:
        """The full path that the file was opened by."""
        return self._path

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset``, what this object wrote included."""
        if self._unflushed and self._file_system.capabilities(self._path).flush_visibility == "close":
            raise UnimplementedError("this store shows what was written only once it is closed", path=self._path)
        self.flush()
        if self._reader is None:
            self._reader = self._file_system.new_random_access_file(self._path)
        return self._reader.read(offset, n)

    def size(self) -> int:
        """Return the size with everything written by this object."""
        if self._writer is not None:
            return self._writer.tell()
        return self._reader.size() if self._reader is not None else 0

    def write(self, offset: int, data: Buffer) -> None:
        """Add ``data`` at the end."""
        end = self.size()
        if offset != end:
            raise UnimplementedError(
                f"this store cannot change bytes in place: it writes only at the end ({end}), not at {offset}",
                path=self._path,
            )
        if self._writer is None:
            self._writer = self._file_system.new_appendable_file(self._path)
        self._writer.append(data)
        self._unflushed = True

    def truncate(self, length: int) -> None:
        """Raise, unless the file has this length already."""
        if length != self.size():
            raise UnimplementedError("this store cannot change the length of a file that is open", path=self._path)

    def flush(self) -> None:
        """Make what was written visible to new readers."""
        if self._writer is None or not self._unflushed:
            return
        self._writer.flush()
        self._unflushed = False
        if self._reader is not None and not self._file_system.capabilities(self._path).growing_reads:
            self._reader.close()
            self._reader = None

    def sync(self) -> None:
        """Make what was written durable where the store can."""
        if self._writer is not None:
            self.flush()
            self._writer.sync()

    def close(self) -> None:
        """Publish what was written; if that fails, the bytes are kept and it can be tried again."""
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
