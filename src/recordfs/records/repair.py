"""Finding the end of what is sound in a record file, and cutting off what a dead writer left after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from recordfs._core import RecordScanner
from recordfs.errors import (
    AbortedError,
    CorruptRecordError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    TruncatedRecordError,
    UnimplementedError,
)
from recordfs.records.compression import detect_compression
from recordfs.records.index import default_index_path, last_entry
from recordfs.records.scan import DEFAULT_MAX_RECORD_SIZE, fault_error, scan_file, size_to_scan
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

__all__ = ["HEADER_SIZE", "TAIL_SIZE", "TailCheck", "check_tail", "refuse_uncuttable", "repair_tail", "torn_bytes"]

HEADER_SIZE = 12
"""A record's length and its checksum: with fewer bytes nothing can be checked."""

TAIL_SIZE = 16 << 20
"""As many of the last bytes of a remote file are looked at, unless ``check="full"``."""


class TailCheck(NamedTuple):
    """How a record file ends.

    Attributes:
        path: The file.
        compression: ``""``, ``"GZIP"`` or ``"ZLIB"``.
        file_size: Its size in bytes.
        sound_end: Where the last sound record ends, in bytes of the uncompressed stream; ``file_size`` for a sound
            plain file.
        error: What is wrong after that, or None.
        torn: Whether what is wrong is a torn tail: no sound record that ``verify_file`` finds ends after the break, so
            that cutting the file at ``sound_end`` loses nothing that could be read. Always False for a compressed file.
    """

    path: str
    compression: str
    file_size: int
    sound_end: int
    error: DataLossError | None
    torn: bool


def check_tail(
    path: PathInput,
    *,
    check: Literal["auto", "full"] = "auto",
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> TailCheck:
    """Find out whether a record file ends after a whole record.

    ``"auto"`` goes from header to header: from the last record of the index beside the file (``<path>.idx``) if that
    record is there, else from the file's beginning. A remote file of more than 16 MiB without such an index is not read
    as a whole: its last 16 MiB have to end with sound records, found by searching. ``"full"`` always begins at the
    beginning. Of all payloads only the last one is checked. A compressed file is always read as a whole.

    Raises:
        FailedPreconditionError: The last 16 MiB of a remote file do not end with a sound record; ``check="full"`` tells
            more.
        NotFoundError and others: As ``FileSystem.new_random_access_file``.
    """
    if check not in ("auto", "full"):
        raise InvalidArgumentError(f'check has to be "auto" or "full", found {check!r}')
    file_system, name = resolve(path, file_system=file_system, options=options)
    with file_system.new_random_access_file(name) as file:
        size = size_to_scan(file)
        compression = detect_compression(file)
        if compression:
            return _check_compressed(file, size, compression)
        start = 0
        if check == "auto":
            indexed = _last_indexed_record(file_system, file, size)
            if indexed is not None:
                start = indexed
            elif size > TAIL_SIZE and not file_system.capabilities(name).memory_region:
                # Where stored bytes cannot be mapped, they are far away.
                return _check_last_bytes(file, size)
        return _check_from(file, size, start)


def repair_tail(
    path: PathInput,
    *,
    check: Literal["auto", "full"] = "auto",
    force: bool = False,
    file_system: FileSystem | None = None,
    options: Mapping[str, Any] | None = None,
) -> int:
    """Cut a torn tail off a plain record file and return how many bytes that took; 0 if the file is sound.

    Nobody may be writing to the file. One that is shorter than a record's header is cut only with ``force``: nothing
    tells whether it is a record file.

    Raises:
        CorruptRecordError: The break is not a torn tail: sound records follow it, or there is no sound record at
            all. Nothing is cut. ``RecordReader(on_error="skip")`` reads what can be read.
        TruncatedRecordError: The whole file is shorter than a header, and ``force`` is not set. Nothing is cut.
        AbortedError: The file changed its size meanwhile, so somebody is writing to it.
        UnimplementedError: The filesystem cannot truncate files, or the file is compressed and broken.
        FailedPreconditionError, NotFoundError and others: As ``check_tail``.
    """
    file_system, name = resolve(path, file_system=file_system, options=options)
    file_system.close_abandoned_file(name)
    tail = check_tail(name, check=check, file_system=file_system)
    cut = torn_bytes(tail, force=force)
    if not cut:
        return 0
    refuse_uncuttable(file_system, name)
    if file_system.get_file_size(name) != tail.file_size:
        raise AbortedError("the file changed its size while its tail was checked: somebody is writing to it", path=name)
    file_system.truncate_file(name, tail.sound_end)
    return cut


def refuse_uncuttable(file_system: FileSystem, name: str) -> None:
    """Raise if a file cannot be cut where it is.

    Raises:
        UnimplementedError: The filesystem cannot truncate files.
    """
    if not file_system.capabilities(name).truncate:
        raise UnimplementedError(
            "the file ends inside a record, and this filesystem cannot truncate files; salvage_file (recordfs salvage) "
            "copies its sound records to a new file",
            path=name,
        )


def torn_bytes(tail: TailCheck, *, force: bool = False) -> int:
    """Return how many bytes ``repair_tail`` cuts off a file that ends like this; 0 if it is sound.

    Raises:
        As ``repair_tail``, where it cuts nothing.
    """
    if tail.error is None:
        return 0
    if tail.compression:
        raise UnimplementedError(
            f"a {tail.compression} file cannot be cut at a record; salvage_file (recordfs salvage) copies its sound "
            f"records to a new file. What is wrong: {tail.error.message}",
            path=tail.path,
        ) from tail.error
    if not tail.torn and not (force and tail.file_size < HEADER_SIZE):
        raise tail.error
    return tail.file_size - tail.sound_end


def _scan(file: RandomAccessFile, start: int, end: int, *, verify: bool = False, resync: bool = False) -> RecordScanner:
    """Scan a part of a plain file that begins with a record, or anywhere with ``resync``."""
    scanner = RecordScanner(
        offset=start, end=end, verify_checksums=verify, max_record_size=DEFAULT_MAX_RECORD_SIZE, resync=resync
    )
    scan_file(file, scanner, offset=start, end=end)
    return scanner


def _check_from(file: RandomAccessFile, size: int, start: int) -> TailCheck:
    """Go from header to header and check the last payload."""
    scanner = _scan(file, start, size)
    fault = scanner.fault
    last = scanner.last_offset
    if fault is None and last is not None:
        fault = _scan(file, last, size, verify=True).fault
    if fault is None:
        return TailCheck(file.name, "", size, size, None, torn=False)
    return _judge_break(file, size, fault_error(fault, file.name), last)


def _judge_break(file: RandomAccessFile, size: int, error: DataLossError, last: int | None) -> TailCheck:
    """Tell a torn tail from damage in the middle: cutting a torn tail takes no byte of a sound record.

    ``last`` is where the last record before the break begins. It is looked into as well: a writer that died inside it
    leaves a length that may end in the middle of what others appended, and that is then where the headers break.
    """
    break_offset = error.offset or 0
    rest = _scan(file, break_offset if last is None else last, size, verify=True, resync=True)
    torn = rest.sound_end <= break_offset
    if not torn:
        for offset, _, class_name, message in rest.lost[:1]:
            error = fault_error((offset, class_name, message), file.name)
        error = CorruptRecordError(
            f"{error.message}; sound records follow it, so it is not a torn tail and is not cut off",
            path=file.name,
            offset=error.offset,
        )
    elif size < HEADER_SIZE:
        torn = False
        error = TruncatedRecordError(
            f"{error.message}; so few bytes do not show whether this is a record file. If it is one, delete it, or "
            "empty it by `recordfs repair --force` (force=True)",
            path=file.name,
            offset=0,
        )
    elif break_offset == 0 and not isinstance(error, TruncatedRecordError):
        torn = False
        error = CorruptRecordError(
            f"{error.message}; there is no sound record in it: is this a record file?", path=file.name, offset=0
        )
    return TailCheck(file.name, "", size, break_offset, error, torn)


def _last_indexed_record(file_system: FileSystem, file: RandomAccessFile, size: int) -> int | None:
    """Return where the last record of the index beside a file begins, if a sound record is there."""
    try:
        entry = last_entry(file_system, default_index_path(file.name))
    except NotFoundError:
        return None
    if entry is None or sum(entry) > size:
        return None
    offset, record_size = entry
    scanner = _scan(file, offset, offset + record_size, verify=True)
    return offset if scanner.fault is None and scanner.records == 1 else None


def _check_last_bytes(file: RandomAccessFile, size: int) -> TailCheck:
    """Search the last bytes for sound records, which have to reach the end."""
    scanner = _scan(file, size - TAIL_SIZE, size, verify=True, resync=True)
    if scanner.records == 0 or scanner.sound_end != size:
        raise FailedPreconditionError(
            f"the last {TAIL_SIZE >> 20} MiB of this remote file do not end with a sound record; "
            f'repair_tail(path, check="full") reads all of it, and build_index(path) saves looking for the last record',
            path=file.name,
        )
    return TailCheck(file.name, "", size, size, None, torn=False)


def _check_compressed(file: RandomAccessFile, size: int, compression: str) -> TailCheck:
    """Read a compressed file as a whole: only so can its end be known."""
    scanner = RecordScanner(verify_checksums=False, compression=compression)
    scan_file(file, scanner, end=size)
    fault = scanner.fault
    error: DataLossError | None = None
    if fault is not None:
        error = fault_error(fault, file.name)
    elif scanner.unfinished_stream:
        error = DataLossError(
            "the compressed stream has no trailer: its writer is still at work, or died",
            path=file.name,
            offset=scanner.sound_end,
        )
    return TailCheck(file.name, compression, size, scanner.sound_end, error, torn=False)
