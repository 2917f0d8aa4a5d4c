"""RecordReader: the records of one file after the other."""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs._core import NativeRecordReader
from recordfs.errors import InvalidArgumentError
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.per_process import OwningProcess
from recordfs.records.compression import compression_name
from recordfs.records.report import Loss, ReadReport
from recordfs.records.scan import checked_max_record_size
from recordfs.records.share import (
    WHOLE,
    ShardArgument,
    Share,
    check_shard,
    current_rank,
    current_worker,
    warn_of_others,
)
from recordfs.records.sources import Position, Sources, check_readable_again, expand_sources, sources_of_files
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from recordfs.filesystem import FileSystem
    from recordfs.records.sources import OpenableSource, Source

__all__ = ["RecordReader"]


class _Settings(NamedTuple):
    """How a reader was asked to read; what it is pickled as, with the names of its files."""

    compression: str
    verify_checksums: bool
    start: Position | int | None
    follow: bool
    follow_timeout: float | None
    on_replaced: Literal["raise", "restart"]
    on_error: Literal["raise", "skip", "stop"]
    shard: ShardArgument
    rank: Share | None
    max_record_size: int
    file_system: FileSystem | None
    options: Mapping[str, Any] | None


class RecordReader(ClosesOnExit):
    """Iterates over the records of files as bytes.

    Args:
        source: A path, a pattern (``"logs/*.tfrecord"``), a readable binary file object, a RandomAccessFile, or an
            iterable of these. A str that names something that exists is that file even if it looks like a pattern.
            Matches of a pattern come sorted; a list keeps its order. PathLike objects and bytes are never patterns.
            File objects are read from where they stand and are not closed.
        compression: ``"auto"`` tells each file's compression from its first bytes; None or ``""``, ``"GZIP"`` and
            ``"ZLIB"`` force one.
        verify_checksums: Whether to compare the checksums of payloads. Those of lengths always are.
        start: Where to start: a Position that ``tell`` gave (or a list of its two parts, as JSON keeps it), or an
            offset in the first file, in bytes of the uncompressed stream. What lies before it is not read (a compressed
            file has to be).
        follow: At the end of the last file wait for more, as TensorBoard does. A record that is there in part is waited
            for too. Files that come to match a pattern later are not seen.
        follow_timeout: End after so many seconds without a new byte; None waits until ``stop``. Ctrl-C works. A store
            that cannot be reached meanwhile is asked again; if it still cannot be reached when the time is over, that
            error is raised.
        on_replaced: What to do when the followed file was deleted, replaced by another, cut short or rewritten with
            other bytes: ``"raise"``, or ``"restart"``, which begins again at offset 0 of what stands at the path, and
            waits for it if nothing does. ``report.restarts`` counts. A file that was rewritten and begins with what
            was read (the last 64 KiB are compared) has grown. Of a file that was given open, only what its store
            notices is known.
        on_error: What to do about a broken record: ``"raise"``; ``"stop"``, which ends there; or ``"skip"``, which goes
            on after it: by its length where that is sound, else at the next sound header, however far. A record that a
            dying writer tore, and after which another wrote on, claims the bytes of those after it: where a chain of
            sound records leads out of it, they are kept. With ``follow`` one that claims more than there is is waited
            for, and before the reader ends, such a chain up to the end of the file is handed out. ``report`` tells
            what was lost.
        shard: Which share of the records to read, where several processes read the same sources: ``(index, count)``,
            as ``(0, 4)`` to ``(3, 4)``; or ``"auto"``, which takes it from PyTorch: the ranks of ``torch.distributed``
            (or ``RANK`` and ``WORLD_SIZE``, as ``torchrun`` sets them), each with the workers of its DataLoader. With
            ``count`` files or more a share is every ``count``-th file. With fewer it is every ``count``-th record, and
            each process reads what the others hand out too; these shares differ by one record at most. None reads
            everything, and warns where PyTorch says that there are other workers or ranks, which then read everything
            too; ``(0, 1)`` says that this is meant.
        max_record_size: A record that claims a longer payload, in bytes, is corrupt. Memory never grows beyond what
            a file holds.
        file_system: The filesystem of all paths, instead of the registered ones.
        options: For the registered filesystems.

    Every ``iter()``, ``batches()`` and ``views()`` begins at ``start`` again, independently of the others; ``tell`` and
    ``report`` speak of the one that began last. A file object that cannot seek is read only once: beginning again
    raises FailedPreconditionError. Several threads may share one iterator; each record goes to one of them.

    A reader of paths can be pickled and sent to other processes, where it begins at ``start`` with the same files. Its
    iterators cannot.

    Iterating raises:
        TruncatedRecordError: The file ends inside a record. The same iterator tries again when it is asked again, for
            instance when the file has grown; what was read is not lost.
        CorruptRecordError: A record's checksum or length is wrong, or the compressed stream is damaged. The iteration
            is over; ``RecordReader(..., start=..., on_error="skip")`` goes on after it.
        AbortedError: The followed file was replaced, and ``on_replaced`` is ``"raise"``; or a file was, while it was
            read, on a store that keeps no old versions.
        DataLossError: The trailer of a compressed stream is wrong or cut off.
        OutOfRangeError: ``start`` lies beyond the end of its file.
        InternalError: A file broke the contract.
        NotFoundError and others: As opening and reading a file. The same iterator tries again too.

    After a clean end the same iterator goes on if the last file has grown.

    Raises:
        NotFoundError: The first file is missing, or a pattern matches nothing.
        InvalidArgumentError: An argument is wrong; also an empty list, or ``follow`` with a share.
        TypeError: ``source`` is none of the above.
    """

    def __init__(
        self,
        source: Source,
        *,
        compression: str | int | None = "auto",
        verify_checksums: bool = True,
        start: Position | tuple[str, int] | list[Any] | int | None = None,
        follow: bool = False,
        follow_timeout: float | None = None,
        on_replaced: Literal["raise", "restart"] = "raise",
        on_error: Literal["raise", "skip", "stop"] = "raise",
        shard: ShardArgument = None,
        max_record_size: int = 2**31,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = _Settings(
            compression="auto" if compression == "auto" else compression_name(compression),
            verify_checksums=verify_checksums,
            start=Position(*start) if isinstance(start, (tuple, list)) else start,
            follow=follow,
            follow_timeout=follow_timeout,
            on_replaced=on_replaced,
            on_error=on_error,
            shard=check_shard(shard),
            rank=None,
            max_record_size=checked_max_record_size(max_record_size),
            file_system=file_system,
            options=options,
        )
        if follow and shard not in (None, (0, 1)):
            raise InvalidArgumentError("follow waits for all records of its last file; it cannot read a share of them")
        self._prepare(expand_sources(source, file_system=file_system, options=options))

    def _prepare(self, sources: list[OpenableSource]) -> None:
        self._all_sources = sources
        self._owner = OwningProcess()
        # A signal's handler may call stop() while this thread begins a reading.
        self._lock = threading.RLock()
        self._is_closed = False
        self._stopped = threading.Event()
        self._readings: weakref.WeakKeyDictionary[NativeRecordReader, Sources] = weakref.WeakKeyDictionary()
        self._inherited: list[NativeRecordReader] = []
        self._share = self._find_share(warn=False)
        self._native = self._new_reading(self._share)
        self._is_begun = False
        self._readings[self._native].open_first()

    def _find_share(self, *, warn: bool) -> Share:
        """Return what the process that is running reads, perhaps with a warning that others read the same."""
        shard, rank = self._settings.shard, self._settings.rank
        if isinstance(shard, tuple):
            return Share(*shard)
        worker = current_worker()
        rank = rank or current_rank(ask_environment=shard == "auto")
        own = Share(rank.number * worker.total + worker.number, rank.total * worker.total)
        if shard == "auto":
            return own
        if warn:
            warn_of_others(own, self._all_sources[0].path)
        return WHOLE

    def _begin(self) -> NativeRecordReader:
        """Return a native reader that nobody has read from, of the share of this process."""
        with self._lock:
            if self._is_closed or self._stopped.is_set():
                return self._native
            share = self._find_share(warn=True)
            if not self._owner.is_current:
                # What the parent has open stays as it is: nothing here may wait for threads that only the parent has.
                self._inherited.append(self._native)
                self._readings = weakref.WeakKeyDictionary()
                self._owner, self._is_begun = OwningProcess(), True
            if self._is_begun or share != self._share:
                check_readable_again(self._all_sources)
                if not self._is_begun:
                    self._readings[self._native].close()
                self._share, self._native = share, self._new_reading(share)
            self._is_begun = True
            if self._stopped.is_set():  # meanwhile, by a signal's handler
                self._native.stop()
            return self._native

    def _new_reading(self, share: Share) -> NativeRecordReader:
        """Return a native reader that begins at the start."""
        settings = self._settings
        # Where there are files enough, nobody reads what another hands out.
        by_file = len(self._all_sources) >= share.total
        sources = Sources(
            self._all_sources,
            settings.compression,
            settings.start,
            share=share if by_file else WHOLE,
            follow=settings.follow,
            on_replaced=settings.on_replaced,
        )
        native = NativeRecordReader(
            sources,
            verify_checksums=settings.verify_checksums,
            max_record_size=settings.max_record_size,
            on_error=settings.on_error,
            follow=settings.follow,
            follow_timeout=settings.follow_timeout,
            start=sources.start,
            share=None if by_file else share,
        )
        self._readings[native] = sources
        return native

    def __iter__(self) -> Iterator[bytes]:
        return self._begin()

    def batches(self, n: int, *, max_bytes: int | None = None) -> Iterator[list[bytes]]:
        """Iterate over the records in lists of ``n``, the last one shorter.

        With ``max_bytes``, a list also ends with the record that brings its data to so many bytes, so that large
        records need no more memory than small ones.

        A broken record comes out after a list of the sound ones before it. ``tell`` and ``report`` count a list when it
        leaves: what another error or Ctrl-C keeps back comes with the next list, and who resumes at ``tell`` loses
        nothing. With ``follow``, records that are there are handed out in a shorter list before it waits.

        Raises:
            InvalidArgumentError: ``n`` or ``max_bytes`` is less than 1.
        """
        size = whole_number(n, "the number of records in a batch", at_least=1)
        if max_bytes is not None:
            max_bytes = min(whole_number(max_bytes, "max_bytes", at_least=1), sys.maxsize)
        return self._begin().batches(min(size, sys.maxsize), max_bytes)

    def begin(self) -> NativeRecordReader:
        """Begin at ``start`` again, for native code that takes the records without Python in between."""
        return self._begin()

    def views(self) -> Iterator[memoryview]:
        """Iterate over the records as read-only memoryviews, without copying them.

        A view stays valid as long as it is kept, and keeps the 256 KiB alive that it is a part of: to keep a few small
        records for long, iterate over bytes.
        """
        return self._begin().views()

    def tell(self) -> Position:
        """Return where the next record begins. May be called from any thread.

        In front of a broken record it is that record's place; at the end of a file, that end.
        """
        index, offset = self._native.position()
        return Position(self.path_of(index), offset)

    def path_of(self, index: int) -> str:
        """Return the name of a source by the number that native code has for it; the last one's past the end."""
        return self._all_sources[min(index, len(self._all_sources) - 1)].path

    @property
    def report(self) -> ReadReport:
        """What was read and what was lost so far. May be asked for from any thread."""
        records, payload_bytes = self._native.counts()
        rows, count, lost_bytes, truncated_tail, unfinished_stream, restarts = self._native.losses()
        losses = tuple(Loss(self.path_of(index), offset, length, reason) for index, offset, length, reason in rows)
        return ReadReport(
            records, payload_bytes, losses, count, lost_bytes, truncated_tail, unfinished_stream, restarts
        )

    def stop(self) -> None:
        """Make every iteration end before its next record, also one that waits in another thread."""
        with self._lock:
            self._stopped.set()
            under_way = list(self._readings)
        for native in under_way:
            native.stop()

    def close(self) -> None:
        """Stop, and close the files that are open. Idempotent. Iterating afterwards raises ClosedFileError."""
        with self._lock:
            self._is_closed = True
            under_way = list(self._readings.items())
        for native, sources in under_way:
            native.close()
            sources.close()

    def __getstate__(self) -> tuple[_Settings, list[str]]:
        if any(source.file is not None for source in self._all_sources):
            raise TypeError("a RecordReader of open files cannot be pickled; give it their paths")
        settings = self._settings
        if settings.shard == "auto" and settings.rank is None:
            # A process that is started again knows its worker's number, but perhaps not its rank.
            settings = settings._replace(rank=current_rank(ask_environment=True))
        return settings, [source.path for source in self._all_sources]

    def __setstate__(self, state: tuple[_Settings, list[str]]) -> None:
        self._settings, names = state
        self._prepare(sources_of_files(names, file_system=self._settings.file_system, options=self._settings.options))
