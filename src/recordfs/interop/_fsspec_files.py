"""Open files of recordfs as fsspec's users know them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fsspec.spec import AbstractBufferedFile

from recordfs.errors import ClosedFileError
from recordfs.file_objects import OutputStream

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs.filesystem import RandomAccessFile, WritableFile
    from recordfs.interop.fsspec import RecordFSFileSystem

__all__ = ["RecordFSReader", "RecordFSWriter"]


class RecordFSReader(AbstractBufferedFile):  # type: ignore[misc]  # fsspec has no types
    """A file open for reading, with fsspec's read-ahead and position."""

    def __init__(self, fs: RecordFSFileSystem, path: str, reader: RandomAccessFile, **keywords: Any) -> None:
        self._reader = reader
        # Caches pass on the size that they know. The file knows it better: it may have grown.
        keywords["size"] = reader.size()
        super().__init__(fs, path, "rb", **keywords)

    def _fetch_range(self, start: int, end: int) -> bytes:
        return self._reader.read(start, end - start)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if not self.closed:
            super().close()
            self._reader.close()


class RecordFSWriter(OutputStream):
    """A file open for writing.

    ``flush`` makes what was written visible where the store can do that before the end, and elsewhere does nothing, as
    fsspec's users expect. In a transaction (``autocommit=False``) ``close`` publishes nothing; ``commit`` or
    ``discard`` decides.
    """

    def __init__(self, writer: WritableFile, mode: str, *, autocommit: bool, shows_on_flush: bool) -> None:
        super().__init__(writer)
        self._shows_on_flush = shows_on_flush
        self._autocommit = autocommit
        self._waits_for_commit = False
        self.mode = mode
        self.path = writer.name

    def write(self, data: Buffer, /) -> int:
        """Write all of ``data`` and return its size in bytes."""
        self._check_open()
        return super().write(data)

    def tell(self) -> int:
        """Return how many bytes the file has with everything written."""
        self._check_open()
        return super().tell()

    def flush(self, force: bool = False) -> None:
        """Make what was written visible. ``force`` is fsspec's, and changes nothing here."""
        if self._shows_on_flush and not self._waits_for_commit:
            super().flush()

    def close(self) -> None:
        """Publish the file, if it is in no transaction. Idempotent; a failure is raised."""
        if self._autocommit:
            super().close()
        else:
            self._waits_for_commit = True

    @property
    def closed(self) -> bool:
        """Whether the file was closed, be it published or not yet."""
        return self._waits_for_commit or super().closed

    def commit(self) -> None:
        """Publish the file at the end of a transaction."""
        self._file.close()

    def discard(self) -> None:
        """Throw the file away at the end of a transaction."""
        self._file.discard()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedFileError("the file has been closed", path=self.path)
