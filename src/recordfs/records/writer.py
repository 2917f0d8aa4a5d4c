"""RecordWriter: records into one file."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from recordfs._core import NativeRecordWriter
from recordfs.errors import ClosedFileError
from recordfs.open_files.letting_go import ClosesOnExit, give_up
from recordfs.open_files.unclosed_writers import forget, is_left_to_exit, keep_with
from recordfs.records.compression import check_compression_level, compression_name
from recordfs.records.targets import TargetOptions, open_target
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.file_objects import SupportsWrite
    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

__all__ = ["RecordWriter"]


class RecordWriter(NativeRecordWriter, ClosesOnExit):
    """Writes records to a file: ``write``, ``write_batch``, ``flush``, ``sync``, ``tell``, ``close`` and others.

    Args:
        path: Where to write: str, bytes or os.PathLike. Missing directories above it are made. A file that stands there
            is replaced, unless ``append``. Or a writable binary file object, or a WritableFile; these are written to
            from where they stand, and ``close`` flushes but does not close them. A path with a prefix that was given to
            ``register_writer_factory`` is opened by that factory, and closed by ``close``.
        compression: None or ``""``, ``"GZIP"`` or ``"ZLIB"``, as in TensorFlow's TFRecordOptions.
        compression_level: -1 (zlib's default) or 0 (none) to 9 (smallest).
        append: Write after what is there. The end of the file is checked first: see ``check_tail``.
        repair_tail: With ``append``: cut off a torn record that a dead writer left at the end.
        exclusive: Make a new file, and fail where one stands: two writers cannot wipe each other's records.
        atomic: Publish all or nothing: readers see the new file only once ``close`` has succeeded; leaving a ``with``
            block by an exception discards it.
        index: Write ``offset size`` lines alongside, for DALI and the ``tfrecord`` package: True puts them at
            ``<path>.idx``, a path puts them there. An index at ``<path>.idx`` that is not kept up goes when the file
            that it tells of is replaced or appended to.
        require_flush: Fail at once where ``flush`` cannot make records visible before ``close``.
        file_system: The filesystem of ``path``, instead of the registered one.
        options: For the registered filesystem.

    Memory is bounded: 512 KiB of records, and what the filesystem buffers. Records of 128 KiB and more are not copied
    if they are bytes objects.

    Records are written whole: whatever fails, also in the middle of a call, the file ends after a record unless the
    file object breaks its contract, and then every further call says so. One writer may be used from several threads;
    each record is written in one piece. In a forked child every call raises FailedPreconditionError.

    A writer that is not closed is closed when it is collected, with a ResourceWarning (an atomic one is discarded); one
    of a remote file is kept, and closed when the interpreter ends.

    Raises:
        InvalidArgumentError: An argument is wrong, or two do not go together. Nothing was touched.
        AlreadyExistsError: ``exclusive``, and a file stands there.
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
        exclusive: bool = False,
        atomic: bool = False,
        index: bool | PathInput = False,
        require_flush: bool = False,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        name = compression_name(compression)
        level = check_compression_level(compression_level)
        self._atomic = atomic
        target = open_target(
            path,
            TargetOptions(
                compression=name,
                append=append,
                repair_tail=repair_tail,
                exclusive=exclusive,
                atomic=atomic,
                index_path=index,
                require_flush=require_flush,
                file_system=file_system,
                options=options,
            ),
        )
        self._target = target
        self._shows_on_flush = target.shows_on_flush
        self.name: str = target.name
        try:
            self._attach(
                target.file,
                target.name,
                position=target.file.tell(),
                offset=target.offset,
                compression=name,
                compression_level=level,
                append=append and target.offset > 0,
                index_file=target.index_file,
                index_path=target.index_name,
                index_position=0 if target.index_file is None else target.index_file.tell(),
            )
        except BaseException as error:
            target.give_up(error)
            raise
        keep_with(target.file, self, atomic=atomic)

    def flush(self) -> None:
        """Return when every record so far can be read by others, compressed or not.

        Where the filesystem shows a file only when it is closed, it hands the records on and warns once. Of an atomic
        writer nothing becomes visible.

        Raises:
            As ``write``.
        """
        if not self._shows_on_flush:
            self._shows_on_flush = True  # said once
            warnings.warn(
                f"{redact(self.name)}: this filesystem shows records only when the writer is closed; flush() does not",
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
        self._target.file.publish(overwrite=overwrite)
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
        was_open = not self.closed
        super().close()
        if was_open:
            self._target.published()
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

    def _end_after(self, error: BaseException) -> None:
        if self._atomic:
            give_up(self, error)
        else:
            super()._end_after(error)

    @property
    def atomic(self) -> bool:
        """Whether readers see the file only when it is closed."""
        return self._atomic

    def __del__(self, is_left_to_exit: Callable[[object], bool] = is_left_to_exit) -> None:
        # What is raised here goes to sys.unraisablehook. A forked child's copy is not the writer.
        # One that the exit could not close is collected after it, when this module's names may be gone.
        if not self._belongs_to_this_process() or self.closed or is_left_to_exit(self):
            return
        try:
            warnings.warn(f"unclosed RecordWriter {redact(self.name)}", ResourceWarning, stacklevel=1, source=self)
        finally:
            if self._atomic:
                self.discard()
            else:
                self.close()
