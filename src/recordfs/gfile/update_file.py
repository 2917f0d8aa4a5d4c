"""What the modes with ``+`` open: files that are read and written by one object.

Where the filesystem can change bytes in place, this is its own file. Elsewhere it is a reader and a writer of the same
name: bytes can be added at the end and read back, and anything else is an UnimplementedError, never a silent rewrite.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import UnimplementedError
from recordfs.filesystem import UpdateFile

if TYPE_CHECKING:
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
        super().__init__(path)
        self._file_system = file_system
        self._emptied: UpdateFile | None = None

    def _read(self, offset: int, n: int) -> bytes:
        return b"" if self._emptied is None else self._emptied.read(offset, n)

    def _size(self) -> int:
        return 0 if self._emptied is None else self._emptied.size()

    def _write(self, offset: int, data: memoryview) -> None:
        self._empty().write(offset, data)

    def _truncate(self, length: int) -> None:
        self._empty().truncate(length)

    def _empty(self) -> UpdateFile:
        if self._emptied is None:
            writer = self._file_system.new_writable_file(self._name)
            if self._file_system.capabilities(self._name).update_in_place:
                writer.close()
                self._emptied = self._file_system.new_update_file(self._name)
            else:
                self._emptied = _EndUpdateFile(self._file_system, self._name, writer)
        return self._emptied

    def _flush(self) -> None:
        if self._emptied is not None:
            self._emptied.flush()

    def _sync(self) -> None:
        if self._emptied is not None:
            self._emptied.sync()

    def _close(self) -> None:
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
        super().__init__(path)
        self._file_system = file_system
        self._writer = writer
        # A store may show nothing of a new file before its first flush.
        self._unflushed = writer is not None
        self._reader: RandomAccessFile | None = None if writer else file_system.new_random_access_file(path)

    def _read(self, offset: int, n: int) -> bytes:
        if self._unflushed and self._file_system.capabilities(self._name).flush_visibility == "close":
            raise UnimplementedError("this store shows what was written only once it is closed", path=self._name)
        self._flush()
        if self._reader is None:
            self._reader = self._file_system.new_random_access_file(self._name)
        return self._reader.read(offset, n)

    def _size(self) -> int:
        if self._writer is not None:
            return self._writer.tell()
        return self._reader.size() if self._reader is not None else 0

    def _write(self, offset: int, data: memoryview) -> None:
        end = self._size()
        if offset != end:
            raise UnimplementedError(
                f"this store cannot change bytes in place: it writes only at the end ({end}), not at {offset}",
                path=self._name,
            )
        if self._writer is None:
            self._writer = self._file_system.new_appendable_file(self._name)
        self._writer.append(data)
        self._unflushed = True

    def _truncate(self, length: int) -> None:
        if length != self._size():
            raise UnimplementedError("this store cannot change the length of a file that is open", path=self._name)

    def _flush(self) -> None:
        if self._writer is None or not self._unflushed:
            return
        self._writer.flush()
        self._unflushed = False
        if self._reader is not None and not self._file_system.capabilities(self._name).growing_reads:
            self._reader.close()
            self._reader = None

    def _sync(self) -> None:
        if self._writer is not None:
            self._flush()
            self._writer.sync()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        if self._reader is not None:
            self._reader.close()
