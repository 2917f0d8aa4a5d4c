"""RecordWriter: records into one file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from recordfs._core import NativeRecordWriter
from recordfs.errors import (
    AbortedError,
    ClosedFileError,
    InvalidArgumentError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.file_objects import BorrowedWriter, FactoryWriter, FileObjectWriter, SupportsAppendParts, is_file_object
from recordfs.filesystem.files import give_up
from recordfs.filesystem.unclosed_writers import forget, is_kept, keep_with
from recordfs.paths import dirname, path_to_str
from recordfs.records.compression import check_compression_level, compression_name
from recordfs.records.index import (
    build_index,
    check_index_is_another_file,
    default_index_path,
    is_index_fresh,
)
from recordfs.records.repair import check_tail
from recordfs.records.repair import repair_tail as cut_torn_tail
from recordfs.records.writer_factory import writer_factory_for
from recordfs.redaction import redact
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from recordfs.file_objects import SupportsWrite
    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

__all__ = ["RecordWriter"]


class RecordWriter(NativeRecordWriter):
    """Writes records to a file: ``write``, ``write_batch``, ``flush``, ``sync``, ``tell``, ``close`` and others.

    Args:
        path: Where to write: str, bytes or os.PathLike. Missing directories above it are made. A file that stands there
            is replaced, unless ``append``. Or a writable binary file object, or a WritableFile; these are written to
            from where they stand, and ``close`` flushes but does not close them. A path with a prefix that was given to
            ``register_writer_factory`` is opened by that factory, and closed by ``close``.
        compression: None or ``""``, ``"GZIP"`` or ``"ZLIB"``, as in TensorFlow's TFRecordOptions.
        compression_level: -1 (zlib's default) or 0 (none) to 9 (smallest).
        append: Write behind what is there. The end of the file is checked first: see ``check_tail``.
        repair_tail: With ``append``: cut off a torn record that a dead writer left at the end.
        atomic: Publish all or nothing: readers see the new file only once ``close`` has succeeded; leaving a ``with``
            block by an exception discards it.
        index: Write ``offset size`` lines alongside, for DALI and the ``tfrecord`` package: True puts them at
            ``<path>.idx``, a path puts them there.
        require_flush: Fail at once where ``flush`` cannot make records visible before ``close``.
        file_system: The filesystem of ``path``, instead of the registered one.
        options: For the registered filesystem.

    Memory is bounded: 256 KiB of records, and what the filesystem buffers. Records of 128 KiB and more are not copied
    if they are bytes objects.

    Records are written whole: whatever fails, also in the middle of a call, the file ends behind a record unless the
    file object breaks its contract, and then every further call says so. One writer may be used from several threads;
    each record is written in one piece. In a forked child every call raises FailedPreconditionError.

    A writer that is not closed is closed when it is collected, with a ResourceWarning (an atomic one is discarded); one
    of a remote file is kept, and closed when the interpreter ends.

    Raises:
        InvalidArgumentError: An argument is wrong, or two do not go together.
        TruncatedRecordError: ``append`` to a file with a torn tail, without ``repair_tail``.
        CorruptRecordError: ``append`` to a file that is broken otherwise.
        UnimplementedError: ``append`` with ZLIB: TensorFlow reads only the first stream of such a file, silently.
        NotFoundError and others: As opening the file.
    """

    def __init__(
        self,
        path: PathInput | WritableFile | SupportsWrite,
        *,
        compression: str | int | None = None,
        compression_level: int = -1,
        append: bool = False,
        repair_tail: bool = False,
        atomic: bool = False,
        index: bool | PathInput = False,
        require_flush: bool = False,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        name = compression_name(compression)
        level = check_compression_level(compression_level)
        self._atomic = atomic
        self._warn_of_flush: str | None = None
        _check_combination(name, append=append, repair_tail=repair_tail, atomic=atomic, index=index)
        file, target, offset = self._open(
            path, name, append, repair_tail, atomic, index, require_flush, file_system, options
        )
        self.name: str = target
        self._file = file
        opened: list[Any] = [file]
        index_file, index_path = None, ""
        try:
            if index is not False:
                index_path = default_index_path(target) if index is True else path_to_str(index)
                index_file = _open_index(
                    target, index_path, append=bool(offset), atomic=atomic, file_system=file_system, options=options
                )
                opened.append(index_file)
            self._attach(
                file,
                target,
                position=file.tell(),
                offset=offset,
                compression=name,
                compression_level=level,
                append=append and offset > 0,
                index_file=index_file,
                index_path=index_path,
                index_position=0 if index_file is None else index_file.tell(),
            )
        except BaseException as error:
            for one in opened:
                give_up(one, error)
            raise
        keep_with(file, self, atomic=atomic)

    def _open(
        self,
        path: Any,
        compression: str,
        append: bool,
        repair_tail: bool,
        atomic: bool,
        index: bool | PathInput,
        require_flush: bool,
        file_system: FileSystem | None,
        options: Mapping[str, Any] | None,
    ) -> tuple[Any, str, int]:
        """Return the file to write to, its name, and where its next record begins in the uncompressed stream."""
        borrowed = isinstance(path, SupportsAppendParts)
        if borrowed or is_file_object(path, "write"):
            _check_file_object(append=append, atomic=atomic, index=index)
            given = BorrowedWriter(path) if borrowed else FileObjectWriter(path)
            return given, given.name, 0
        factory = writer_factory_for(path) if file_system is None and options is None else None
        if factory is not None:
            target = path_to_str(path)
            _check_factory(target, append=append, atomic=atomic, index=index)
            return FactoryWriter(factory.open(target), target), target, 0
        store, target = resolve(path, file_system=file_system, options=options)
        self._check_flush(store, target, require_flush)
        if not isinstance(index, bool):
            index_store, index_name = resolve(index, file_system=file_system, options=options)
            check_index_is_another_file(store, target, index_store, index_name)
        if append:
            file, offset = _open_for_append(store, target, compression, repair=repair_tail)
            return file, target, offset
        return _open_with_parents(store, target, lambda: store.new_writable_file(target, atomic=atomic)), target, 0

    def _check_flush(self, store: FileSystem, target: str, require_flush: bool) -> None:
        if store.capabilities(target).flush_visibility == "flush":
            return
        if require_flush:
            raise UnimplementedError("this filesystem shows a file only when it is closed", path=target)
        self._warn_of_flush = target

    def flush(self) -> None:
        """Return when every record so far can be read by others, compressed or not.

        Where the filesystem shows a file only when it is closed, it hands the records on and warns once. Of an atomic
        writer nothing becomes visible.

        Raises:
            As ``write``.
        """
        if self._warn_of_flush is not None:
            target, self._warn_of_flush = self._warn_of_flush, None
            warnings.warn(
                f"{redact(target)}: this filesystem shows records only when the writer is closed; flush() does not",
                RuntimeWarning,
                stacklevel=2,
            )
        super().flush()

    def publish(self, *, overwrite: bool = False) -> None:
        """Flush, and with ``overwrite`` even over what another writer has put there meanwhile.

        This is how a writer on an object store that lost against another gets its records out: it holds all that it
        has not published. One whose ``close`` has failed is closed by it.

        Raises:
            UnimplementedError: The file is on no object store.
            As ``write``.
        """
        self._file.publish(overwrite=overwrite)
        try:
            self.flush()
        except ClosedFileError:
            self.close()

    def close(self) -> None:
        """Write everything out and close the file. Idempotent.

        If it raises because the file took nothing, the records are kept, and ``close`` can be called again.

        Raises:
            As ``write``.
        """
        super().close()
        self._let_go()

    def discard(self) -> None:
        """Let go of the file without publishing what was not flushed. Idempotent.

        Raises:
            UnimplementedError: A writer factory opened the path, or the filesystem's files cannot be discarded.
        """
        super().discard()
        self._let_go()

    def _let_go(self) -> None:
        if self.closed:
            forget(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self._atomic:
            self.discard()
        else:
            self.close()

    def __del__(self) -> None:
        # What is raised here goes to sys.unraisablehook. A forked child's copy is not the writer.
        # One that is kept could not be closed when the interpreter ended, and that has been said.
        if not self._belongs_to_this_process() or self.closed or is_kept(self):
            return
        try:
            warnings.warn(f"unclosed RecordWriter {redact(self.name)}", ResourceWarning, stacklevel=1, source=self)
        finally:
            if self._atomic:
                self.discard()
            else:
                self.close()


def _check_combination(
    compression: str, *, append: bool, repair_tail: bool, atomic: bool, index: bool | PathInput
) -> None:
    if append and atomic:
        raise InvalidArgumentError("append and atomic exclude each other: what is there is public already")
    if repair_tail and not append:
        raise InvalidArgumentError("repair_tail goes with append=True; a new file has no tail")
    if index is not False and compression:
        raise InvalidArgumentError(f"a {compression} file cannot have an index; write it uncompressed")
    if append and compression == "ZLIB":
        raise UnimplementedError(
            "a ZLIB file cannot be appended to: TensorFlow reads only its first stream, silently. Use GZIP"
        )


def _check_file_object(*, append: bool, atomic: bool, index: bool | PathInput) -> None:
    if append or atomic:
        raise InvalidArgumentError("append and atomic need a path; a file object is written to from where it stands")
    if index is True:
        raise InvalidArgumentError("index=True needs a path; with a file object say where the index goes")


def _check_factory(path: str, *, append: bool, atomic: bool, index: bool | PathInput) -> None:
    if append or atomic:
        raise UnimplementedError("append and atomic need a filesystem; a writer factory opens this path", path=path)
    if index is True:
        raise InvalidArgumentError("a writer factory opens this path: say where the index goes", path=path)


def _open_with_parents(store: FileSystem, path: str, open_file: Callable[[], WritableFile]) -> WritableFile:
    """Open a file for writing; where its directory is missing, make that and try again."""
    try:
        return open_file()
    except NotFoundError:
        parent = dirname(path)
        if not parent:
            raise
        store.recursively_create_dir(parent)
        return open_file()


def _open_for_append(store: FileSystem, path: str, compression: str, *, repair: bool) -> tuple[WritableFile, int]:
    """Check a file's end and open it behind that.

    Returns:
        The file, and where its next record begins in the uncompressed stream; 0 for a new or empty file.
    """
    try:
        tail = check_tail(path, file_system=store)
    except NotFoundError:
        return _open_with_parents(store, path, lambda: store.new_appendable_file(path)), 0
    if tail.file_size and tail.compression != compression:
        found = tail.compression or "not compressed"
        raise InvalidArgumentError(f"the file is {found}, and compression={compression!r} was asked for", path=path)
    size = tail.file_size
    if tail.error is not None:
        if not repair:
            raise tail.error
        # Who writes records to it says that it is a record file.
        size -= cut_torn_tail(path, force=True, file_system=store)
    file = store.new_appendable_file(path)
    if file.tell() != size:
        found_size = file.tell()
        file.close()
        raise AbortedError(
            f"the file had {size} bytes when its end was checked and has {found_size} now: somebody is writing to it",
            path=path,
        )
    return file, tail.sound_end


def _open_index(
    path: str,
    index_path: str,
    *,
    append: bool,
    atomic: bool,
    file_system: FileSystem | None,
    options: Mapping[str, Any] | None,
) -> WritableFile:
    """Open the index of a file that is being written, with the lines of the records that are there."""
    store, name = resolve(index_path, file_system=file_system, options=options)
    if not append:
        return _open_with_parents(store, name, lambda: store.new_writable_file(name, atomic=atomic))
    if not is_index_fresh(path, name, file_system=file_system, options=options):
        build_index(path, name, file_system=file_system, options=options)
    return store.new_appendable_file(name)
