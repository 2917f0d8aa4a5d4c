"""The contract of open files: random reads, and writing at the end.

A backend derives from RandomAccessFile and WritableFile. What is marked abstract it has to write; the rest is derived
from that, correct everywhere and replaced where the store can do better.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from recordfs.errors import InvalidArgumentError, UnimplementedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

__all__ = ["AppendableFile", "RandomAccessFile", "WritableFile", "byte_view", "writable_byte_view"]


def byte_view(data: Buffer) -> memoryview:
    """Return any contiguous buffer as a flat view of its bytes. Release it after use.

    Raises:
        TypeError: ``data`` is str, no buffer, or not contiguous.
    """
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"expected bytes or another buffer, found {type(data).__name__}") from None
    if view.ndim == 1 and view.format == "B" and view.c_contiguous:
        return view
    if not view.c_contiguous:
        raise TypeError("expected a contiguous buffer, found one with gaps; copy it with bytes() first")
    # Views with a zero in their shape cannot be cast.
    return view.cast("B") if view.nbytes else memoryview(b"")


def writable_byte_view(buffer: Buffer, path: str) -> memoryview:
    """Return a writable contiguous buffer as a flat view of its bytes. Release it after use.

    Raises:
        InvalidArgumentError: It is read-only or not contiguous.
        TypeError: It is no buffer.
    """
    with memoryview(buffer) as view:
        if view.readonly or not view.c_contiguous:
            trouble = "a read-only one" if view.readonly else "one with gaps"
            raise InvalidArgumentError(f"read_into needs a writable, contiguous buffer, found {trouble}", path=path)
        return view.cast("B") if view.nbytes else memoryview(bytearray())


class RandomAccessFile(abc.ABC):
    """A file open for reading at any offset.

    Every method may be called from several threads at once. No position is kept. After ``close`` every call but
    ``close`` and ``name`` raises ClosedFileError.
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The full path that the file was opened by."""

    @abc.abstractmethod
    def read(self, offset: int, n: int) -> bytes:
        """Return up to ``n`` bytes from ``offset``.

        Returns:
            Fewer than ``n`` bytes only where the file ends, ``b""`` at or past its end.

        Raises:
            InvalidArgumentError: ``offset`` or ``n`` is negative.
            AbortedError: The store noticed that the file was replaced by another since it was opened.
        """

    @abc.abstractmethod
    def size(self) -> int:
        """Return the size in bytes, asked anew at every call where the file can grow."""

    def read_into(self, offset: int, buffer: Buffer) -> int:
        """Read into a writable buffer and return how many bytes were read.

        A return of less than the buffer's size is not the end of the file; 0 for a buffer that is not empty is. The
        file keeps no reference to the buffer.

        Raises:
            InvalidArgumentError: ``offset`` is negative, or the buffer is read-only or not contiguous.
        """
        with writable_byte_view(buffer, self.name) as view:
            data = self.read(offset, len(view))
            view[: len(data)] = data
            return len(data)

    def read_ranges(self, ranges: Sequence[tuple[int, int]], *, max_gap: int = 65536) -> list[bytes]:
        """Read many ranges, merging neighbours.

        Args:
            ranges: ``(offset, length)`` pairs in any order; duplicates and overlaps are allowed.
            max_gap: Ranges with at most this many unwanted bytes between them are fetched by one read.

        Returns:
            One bytes object a range, in the order asked, each short or empty past the end as in ``read``.

        Raises:
            InvalidArgumentError: A number is negative. Nothing is read then.
        """
        results: list[bytes] = [b""] * len(ranges)
        for start, end, members in coalesce(ranges, max_gap, self.name):
            block = self.read(start, end - start)
            for index in members:
                offset, length = ranges[index]
                results[index] = block[offset - start : offset - start + length]
        return results

    def read_ahead(self, offset: int, n: int) -> int | None:
        """Begin to fetch bytes that will be read soon, if this store takes its time; return at once.

        It changes when bytes come, never which. A backend may fetch fewer, to bound its memory.

        Returns:
            The file's size as it is known without asking, or None from a store that gains nothing by this.

        Raises:
            InvalidArgumentError: A number is negative, and the store gains by this.
        """
        return None

    @abc.abstractmethod
    def close(self) -> None:
        """Release what the file holds. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def coalesce(ranges: Sequence[tuple[int, int]], max_gap: int, path: str) -> list[tuple[int, int, list[int]]]:
    """Merge ranges into blocks.

    Returns:
        ``(start, end, members)`` for each block in ascending order, where ``members`` are indexes into ``ranges``.
        Empty ranges are in no block.

    Raises:
        InvalidArgumentError: A number is negative.
    """
    for offset, length in ranges:
        if offset < 0 or length < 0:
            raise InvalidArgumentError(
                f"a range needs an offset and a length of at least 0, found ({offset}, {length})", path=path
            )
    if max_gap < 0:
        raise InvalidArgumentError(f"max_gap has to be at least 0, found {max_gap}", path=path)
    blocks: list[tuple[int, int, list[int]]] = []
    for index in sorted((i for i, (_, length) in enumerate(ranges) if length), key=lambda i: ranges[i][0]):
        offset, length = ranges[index]
        if blocks and offset - blocks[-1][1] <= max_gap:
            start, end, members = blocks[-1]
            members.append(index)
            blocks[-1] = (start, max(end, offset + length), members)
        else:
            blocks.append((offset, offset + length, [index]))
    return blocks


class WritableFile(abc.ABC):
    """A file open for writing at its end.

    One thread at a time. A file belongs to the process that opened it: in a forked child every call raises
    FailedPreconditionError, and letting go of it does nothing. After ``close`` or ``discard`` every call but these two
    and ``name`` raises ClosedFileError.

    Leaving a ``with`` block closes the file, by an exception too: what was appended is kept. A file opened with
    ``atomic=True`` is discarded then.
    """

    atomic: bool = False
    """Whether only ``close`` publishes, all or nothing."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The full path that the file was opened by."""

    @abc.abstractmethod
    def append(self, data: Buffer) -> None:
        """Take all of ``data``; it may be buffered, in at most 16 MiB a file.

        A call that raises has taken nothing of ``data``. Errors of work in the background come out of the next call.
        The file keeps no reference to the caller's buffer.

        Raises:
            ResourceExhaustedError: No space or quota is left.
            TypeError: ``data`` is str or no contiguous buffer.
        """

    def append_parts(self, parts: Sequence[Buffer]) -> None:
        """Take several buffers, one behind another, all of them or, if it raises, none.

        The default joins them, which copies. A backend that can write a list of buffers replaces it.
        """
        self.append(b"".join(byte_view(part) for part in parts))

    @abc.abstractmethod
    def flush(self) -> None:
        """Return when everything appended is visible to a new reader, for the price of the new bytes.

        On a filesystem whose capabilities say ``flush_visibility="close"`` it hands the bytes on, and no more. For an
        atomic file it hands the bytes on and publishes nothing.

        A flush that raises keeps its bytes; a later flush tries again. On a local disk a failed ``sync`` is final.
        """

    def sync(self) -> None:
        """Flush, and return when the bytes survive a power cut where the store can promise that."""
        self.flush()

    @abc.abstractmethod
    def tell(self) -> int:
        """Return the size of the file with everything taken so far, in bytes. Does no I/O."""

    @abc.abstractmethod
    def close(self) -> None:
        """Publish everything and release what the file holds. Idempotent; a failure is raised.

        A file that was never written to is published empty. If publishing fails and can be tried again, the file
        stays open and the bytes stay in it.
        """

    def discard(self) -> None:
        """Let go of the file without publishing what has not been flushed. Idempotent.

        Of an atomic file nothing becomes visible; of another what was flushed before stays.

        Raises:
            UnimplementedError: This kind of file has no way to do it.
        """
        raise UnimplementedError(f"{type(self).__name__} cannot be discarded", path=self.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self.atomic:
            self.discard()
        else:
            self.close()


AppendableFile = WritableFile
"""A file open for writing behind what it held already; ``tell`` counts that too. The contract is WritableFile's."""
