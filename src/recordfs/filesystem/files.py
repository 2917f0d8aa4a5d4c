"""The contract of open files: random reads, and writing at the end.

A backend derives from RandomAccessFile and WritableFile and writes the methods that begin with an underscore. The
public ones check first, once for all backends, that the file is open, that it is this process's, and that the arguments
make sense; so in ``_read``, ``_append`` and the like they do. What is marked abstract has to be written; the rest
follows from that, correct everywhere and replaced where the store can do better. Where the price of a check shows (a
local file and short lines), a backend overrides the public method, and says so there.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from recordfs.errors import UnimplementedError
from recordfs.open_files.buffers import byte_view, bytes_of_answer, writable_byte_view
from recordfs.open_files.open_file import OpenFile
from recordfs.open_files.open_writer import OpenWriter
from recordfs.open_files.ranges import coalesce, cut_out, fill, whole_ranges
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["AppendableFile", "RandomAccessFile", "WritableFile"]


class RandomAccessFile(OpenFile):
    """A file open for reading at any offset.

    Every method may be called from several threads at once, and in a forked child. No position is kept. After ``close``
    every call but ``close``, ``closed`` and ``name`` raises ClosedFileError.

    A backend writes ``_read`` and ``_size``, and may write ``_read_into``, ``_read_range_into``, ``_read_blocks``,
    ``_read_ahead`` and ``_close``.
    """

    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset``.

        Returns:
            Fewer than ``n`` bytes only where the file ends, ``b""`` at or past its end.

        Raises:
            InvalidArgumentError: ``offset`` or ``n`` is negative.
            TypeError: One of them is not a whole number.
            AbortedError: The store noticed that the file was replaced by another since it was opened.
        """
        offset, n = self._checked_range(offset, n)
        data = self._read(offset, n)
        return data if type(data) is bytes and len(data) <= n else bytes_of_answer(data, n, type(self), self._name)

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Read into a writable buffer and return how many bytes were read.

        A return of less than the buffer's size is not the end of the file; 0 for a buffer that is not empty is. The
        file keeps no reference to the buffer.

        Raises:
            InvalidArgumentError: ``offset`` is negative, or the buffer is read-only or not contiguous.
            AbortedError: As ``read``.
        """
        offset, _ = self._checked_range(offset)
        with writable_byte_view(buffer, self._name) as view:
            return self._read_into(offset, view)

    def read_ranges(self, ranges: Sequence[tuple[int, int]], *, max_gap: int = 65536) -> list[bytes]:
        """Read many ranges, merging neighbours.

        They are not part of a sequence: they begin no read-ahead, and end none that is under way.

        Args:
            ranges: ``(offset, length)`` pairs in any order; duplicates and overlaps are allowed.
            max_gap: Ranges with at most this many unwanted bytes between them are fetched by one read.

        Returns:
            One bytes object a range, in the order asked, each short or empty past the end as in ``read``.

        Raises:
            InvalidArgumentError: A number is negative. Nothing is read then.
            TypeError: A number is not a whole one. Nothing is read then.
            AbortedError: As ``read``.
        """
        self._check_open()
        ranges = whole_ranges(ranges, self._name)
        blocks = coalesce(ranges, whole_number(max_gap, "max_gap", path=self._name), self._name)
        return cut_out(ranges, blocks, self._read_blocks([(start, end) for start, end, _ in blocks]))

    def read_range_into(self, offset: int, buffer: Buffer) -> int:
        """Fill a writable buffer and return how many bytes came: fewer than its size only where the file ends.

        As ``read_ranges`` it is not part of a sequence. It takes no memory for a copy of what is read, so it is the way
        to read large parts of a file from several threads. After an error the buffer may hold anything. The file keeps
        no reference to the buffer. Raises as ``read_into``.
        """
        offset, _ = self._checked_range(offset)
        with writable_byte_view(buffer, self._name) as view:
            return self._read_range_into(offset, view)

    def read_ahead(self, offset: int, n: int) -> int | None:
        """Begin to fetch bytes that will be read soon, if this store takes its time; return at once.

        It changes when bytes come, never which. A backend may fetch fewer, to bound its memory. Raises as ``read``.

        Returns:
            The file's size as it is known without asking, or None from a store that gains nothing by this.
        """
        return self._read_ahead(*self._checked_range(offset, n))

    def size(self) -> int:
        """Return the size in bytes, asked for again at every call where the file can grow."""
        self._check_open()
        return self._size()

    def fileno(self) -> int:
        """Return the operating system's descriptor, which stays this object's.

        Raises:
            UnimplementedError: The operating system has no such open file. (It is an io.UnsupportedOperation too, as
                Python's own files raise.)
        """
        self._check_open()
        return self._fileno()

    def close(self) -> None:
        """Release what the file holds. Idempotent."""
        self._check_made()
        if not self._closed:
            self._end()
            self._close()

    # What a backend writes.

    @abc.abstractmethod
    def _read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes, fewer only at the end."""

    @abc.abstractmethod
    def _size(self) -> int:
        """Return the size in bytes."""

    def _read_into(self, offset: int, view: memoryview) -> int:
        """Fill a flat view of bytes from its start and return how many came."""
        data = bytes_of_answer(self._read(offset, len(view)), len(view), type(self), self._name)
        view[: len(data)] = data
        return len(data)

    def _read_range_into(self, offset: int, view: memoryview) -> int:
        """Fill a flat view of bytes, as far as the file goes."""
        return fill(self._read_into, offset, view)

    def _read_blocks(self, blocks: list[tuple[int, int]]) -> Sequence[Buffer]:
        """Return the bytes of each ``(start, end)``, short or empty past the end; a store may fetch in parallel."""
        return [self._read(start, end - start) for start, end in blocks]

    def _read_ahead(self, offset: int, n: int) -> int | None:
        """Begin to fetch."""
        return None

    def _fileno(self) -> int:
        raise UnimplementedError(f"{type(self).__name__} has no descriptor of the operating system", path=self._name)

    def _close(self) -> None:
        """Release what the file holds; called once. Reads may be under way in other threads."""


class WritableFile(OpenWriter):
    """A file open for writing at its end.

    One thread at a time. A file belongs to the process that opened it: in a forked child every call raises
    FailedPreconditionError, and letting go of it does nothing. After ``close`` or ``discard`` every call but these two,
    ``closed`` and ``name`` raises ClosedFileError.

    Leaving a ``with`` block closes the file, by an exception too: what was appended is kept. A file opened with
    ``atomic=True`` is discarded then. One that nobody closed is closed when it is collected (an atomic one is
    discarded), with a ResourceWarning. All of that is OpenWriter's.

    A backend writes ``_append``, ``_flush``, ``_tell`` and ``_close``, and may write ``_append_parts``, ``_sync``,
    ``_discard`` and ``publish``; it extends ``_check_usable`` where a failure is final, and ``_end``.

    Args:
        name: The full path as the caller gave it.
        atomic: Whether only ``close`` publishes, all or nothing.
    """

    def append(self, data: Buffer) -> None:
        """Take all of ``data``; it may be buffered, in at most 16 MiB a file.

        A call that raises has taken nothing of ``data``. Errors of work in the background come out of the next call.
        The file keeps no reference to the caller's buffer.

        Raises:
            ResourceExhaustedError: No space or quota is left.
            TypeError: ``data`` is str, or not a contiguous buffer.
        """
        self._check_usable()
        with byte_view(data) as view:
            self._append(view)

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """Take several buffers, one after another, all of them or, if it raises, none. Raises as ``append``."""
        self._check_usable()
        views: list[memoryview] = []
        try:
            for part in parts:
                views.append(byte_view(part))  # noqa: PERF401 (those that were made are released if a later one fails)
            self._append_parts(views)
        finally:
            for view in views:
                view.release()

    def flush(self) -> None:
        """Return when everything appended is visible to a new reader, for the price of the new bytes.

        On a filesystem whose capabilities say ``flush_visibility="close"`` it hands the bytes on, and no more. For an
        atomic file it hands the bytes on and publishes nothing.

        A flush that raises keeps its bytes; a later flush tries again. On a local disk a failed ``sync`` is final.
        """
        self._check_usable()
        self._flush()

    def sync(self) -> None:
        """Flush, and return when the bytes survive a power cut where the store can promise that."""
        self._check_usable()
        self._sync()

    def tell(self) -> int:
        """Return the size of the file with everything taken so far, in bytes. Does no I/O."""
        self._check_open()
        return self._tell()

    def publish(self, *, overwrite: bool = False) -> None:
        """Publish everything, of an atomic file too, and with ``overwrite`` over what another writer put there.

        A writer that lost against another on an object store gets its bytes out by this.

        Raises:
            UnimplementedError: This filesystem has no writers that lose.
        """
        self._check_open()
        raise UnimplementedError(
            f"{type(self).__name__} publishes by flush and close alone: no writer of this filesystem loses against "
            "another",
            path=self._name,
        )

    # What a backend writes.

    @abc.abstractmethod
    def _append(self, data: memoryview) -> None:
        """Take all of a flat view of bytes, or raise and take nothing. The view is released after the call."""

    @abc.abstractmethod
    def _flush(self) -> None:
        """Make everything visible to new readers; of an atomic file only hand it on."""

    @abc.abstractmethod
    def _tell(self) -> int:
        """Return the size with everything taken so far."""

    def _append_parts(self, parts: list[memoryview]) -> None:
        """Take all parts or none. The default joins them, which copies."""
        with memoryview(b"".join(parts)) as joined:
            self._append(joined)

    def _sync(self) -> None:
        """Make everything durable where the store can."""
        self._flush()


AppendableFile = WritableFile
"""A file open for writing after what it held already; ``tell`` counts that too. The contract is WritableFile's."""
