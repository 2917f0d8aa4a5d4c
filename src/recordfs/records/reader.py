"""RecordReader: the records of one file after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from recordfs._core import NativeRecordReader
from recordfs.errors import InvalidArgumentError
from recordfs.records.compression import compression_name
from recordfs.records.report import Loss, ReadReport
from recordfs.records.sources import Position, Sources, expand_sources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType
    from typing import Self

    from recordfs.filesystem import FileSystem
    from recordfs.records.sources import Source

__all__ = ["RecordReader"]


class RecordReader:
    """Iterates over the records of files as bytes.

    Args:
        source: A path, a pattern (``"logs/*.tfrecord"``), a readable binary file object, a RandomAccessFile, or an
            iterable of these. A str that names something that exists is that file even if it looks like a pattern.
            Matches of a pattern come sorted; a list keeps its order. PathLike objects and bytes are never patterns.
            File objects are read from where they stand and are not closed.
        compression: ``"auto"`` tells each file's compression from its first bytes; None or ``""``, ``"GZIP"`` and
            ``"ZLIB"`` force one.
        verify_checksums: Whether to compare the checksums of payloads. Those of lengths always are.
        start: Where to start: a Position that ``tell`` gave, or an offset in the first file, in bytes of the
            uncompressed stream. What lies before it is not read (a compressed file has to be).
        follow: At the end of the last file wait for more, as TensorBoard does. A record that is there in part is waited
            for too. Files that come to match a pattern later are not seen.
        follow_timeout: End after so many seconds without a new byte; None waits until ``stop``. Ctrl-C works. A store
            that cannot be reached meanwhile is asked again; if it still cannot be reached when the time is over, that
            error is raised.
        on_replaced: What to do when the followed file was deleted, replaced by another, cut short or written anew with
            other bytes: ``"raise"``, or ``"restart"``, which begins again at offset 0 of what stands at the path, and
            waits for it if nothing does. ``report.restarts`` counts. A file that was written anew and begins with what
            was read (the last 64 KiB are compared) has grown. Of a file that was given open, only what its store
            notices is known.
        on_error: What to do about a broken record: ``"raise"``; ``"stop"``, which ends there; or ``"skip"``, which goes
            on after it: by its length where that is sound, else at the next sound header, however far. A record that a
            dying writer tore, and after which another wrote on, claims the bytes of those after it: where a chain of
            sound records leads out of it, they are kept. ``report`` tells what was lost.
        max_record_size: A record that claims a longer payload, in bytes, is corrupt. Memory never grows beyond what
            a file holds.
        file_system: The filesystem of all paths, instead of the registered ones.
        options: For the registered filesystems.

    It is read once, from front to back: every ``iter()`` continues where the last one stood. Several threads may share
    it; each record goes to one of them. Records never mix with those of another reader.

    Iterating raises:
        TruncatedRecordError: The file ends inside a record. Iterate on to try again, for instance when the file has
            grown; what was read is not lost.
        CorruptRecordError: A record's checksum or length is wrong, or the compressed stream is damaged. The iteration
            is over; ``RecordReader(..., start=..., on_error="skip")`` goes on behind it.
        AbortedError: The followed file was replaced, and ``on_replaced`` is ``"raise"``; or a file was, while it was
            read, on a store that keeps no old versions.
        DataLossError: The trailer of a compressed stream is wrong or cut off.
        OutOfRangeError: ``start`` lies beyond the end of its file.
        InternalError: A file broke the contract.
        NotFoundError and others: As opening and reading a file. They can be tried again too.

    After a clean end iterating again continues if the last file has grown.

    Raises:
        NotFoundError: The first file is missing, or a pattern matches nothing.
        InvalidArgumentError: An argument is wrong; also an empty list.
        TypeError: ``source`` is none of the above.
    """

    def __init__(
        self,
        source: Source,
        *,
        compression: str | int | None = "auto",
        verify_checksums: bool = True,
        start: Position | tuple[str, int] | int | None = None,
        follow: bool = False,
        follow_timeout: float | None = None,
        on_replaced: Literal["raise", "restart"] = "raise",
        on_error: Literal["raise", "skip", "stop"] = "raise",
        max_record_size: int = 2**31,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if max_record_size < 0:
            raise InvalidArgumentError(f"max_record_size has to be at least 0, found {max_record_size}")
        name = "auto" if compression == "auto" else compression_name(compression)
        if isinstance(start, tuple):
            start = Position(*start)
        files = expand_sources(source, file_system=file_system, options=options)
        self._sources = Sources(files, name, start, follow=follow, on_replaced=on_replaced)
        self._native = NativeRecordReader(
            self._sources,
            verify_checksums=verify_checksums,
            max_record_size=min(max_record_size, 2**63 - 1),
            on_error=on_error,
            follow=follow,
            follow_timeout=follow_timeout,
            start=self._sources.start,
        )
        self._sources.open_first()

    def __iter__(self) -> Iterator[bytes]:
        return self._native

    def batches(self, n: int) -> Iterator[list[bytes]]:
        """Iterate over the records in lists of ``n``, the last one shorter.

        A broken record comes out after a list of the sound ones before it. ``tell`` and ``report`` count a list when it
        leaves: what another error or Ctrl-C keeps back comes with the next list, and who resumes at ``tell`` loses
        nothing. With ``follow``, records that are there are handed out in a shorter list before it waits.

        Raises:
            InvalidArgumentError: ``n`` is less than 1.
        """
        if n < 1:
            raise InvalidArgumentError(f"a batch has at least 1 record, found {n}")
        return self._native.batches(n)

    def views(self) -> Iterator[memoryview]:
        """Iterate over the records as read-only memoryviews, without copying them.

        A view stays valid as long as it is kept, and keeps the 256 KiB alive that it is a part of: to keep a few small
        records for long, iterate over bytes.
        """
        return self._native.views()

    def tell(self) -> Position:
        """Return where the next record begins. May be called from any thread.

        In front of a broken record it is that record's place; at the end of a file, that end.
        """
        index, offset = self._native.position()
        return Position(self._sources.path_of(index), offset)

    @property
    def report(self) -> ReadReport:
        """What was read and what was lost so far. May be asked for from any thread."""
        records, payload_bytes = self._native.counts()
        rows, count, lost_bytes, truncated_tail, unfinished_stream, restarts = self._native.losses()
        losses = tuple(
            Loss(self._sources.path_of(index), offset, length, reason) for index, offset, length, reason in rows
        )
        return ReadReport(
            records, payload_bytes, losses, count, lost_bytes, truncated_tail, unfinished_stream, restarts
        )

    def stop(self) -> None:
        """Make every iteration end before its next record, also one that waits in another thread."""
        self._native.stop()

    def close(self) -> None:
        """Stop, and close the file that is open. Idempotent. Iterating afterwards raises ClosedFileError."""
        self._native.close()
        self._sources.close()

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError(
            "a RecordReader cannot be pickled: it has a file open. Make one in each process, of a path and with "
            "start=reader.tell()"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
