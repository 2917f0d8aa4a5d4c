"""What a RecordWriter writes to: a path, a file object, or what a writer factory opens; and the index beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from recordfs.errors import (
    AbortedError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    UnimplementedError,
)
from recordfs.file_objects import BorrowedWriter, FactoryWriter, FileObjectWriter, SupportsAppendParts, is_file_object
from recordfs.open_files.letting_go import give_up
from recordfs.paths import dirname, path_to_str
from recordfs.records.index import (
    build_index,
    check_index_is_another_file,
    default_index_path,
    is_index_fresh,
    remove_stale_index,
)
from recordfs.records.repair import check_tail, repair_tail
from recordfs.records.writer_factory import writer_factory_for
from recordfs.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput

T = TypeVar("T")

__all__ = ["Target", "TargetOptions", "open_target"]


class TargetOptions(NamedTuple):
    """How a file of records is opened for writing: RecordWriter's arguments, which say what each means.

    ``index_path`` is its ``index``: True is the path beside the file, False none.
    """

    compression: str
    append: bool
    repair_tail: bool
    exclusive: bool
    atomic: bool
    index_path: bool | PathInput
    require_flush: bool
    file_system: FileSystem | None
    options: Mapping[str, Any] | None


class Target(NamedTuple):
    """An open file for records.

    Attributes:
        file: Takes the framed records.
        name: What messages call it.
        offset: Where the next record begins, in bytes of the uncompressed stream.
        index_file: Takes the lines of the index, or None.
        index_name: What messages call that.
        shows_on_flush: Whether others can read what was flushed before the file is closed.
        unindexed: The filesystem and path of a file that replaces another when it is closed, and that keeps no index:
            one that is there then is the old file's.
    """

    file: WritableFile
    name: str
    offset: int = 0
    index_file: WritableFile | None = None
    index_name: str = ""
    shows_on_flush: bool = True
    unindexed: tuple[FileSystem, str] | None = None

    def give_up(self, error: BaseException) -> None:
        """Let go of the files after an error, which keeps what else goes wrong as notes."""
        for file in (self.file, self.index_file):
            if file is not None:
                give_up(file, error)

    def published(self) -> None:
        """Remove what became stale when the file was published."""
        if self.unindexed is not None:
            remove_stale_index(*self.unindexed)


def open_target(path: Any, options: TargetOptions) -> Target:
    """Open what a writer was given.

    Nothing that is there is touched before all that can be checked has been.

    Raises:
        As RecordWriter.
    """
    _check_combination(options)
    borrowed = isinstance(path, SupportsAppendParts)
    if borrowed or is_file_object(path, "write"):
        _check_file_object(options)
        given: WritableFile = BorrowedWriter(path) if borrowed else FileObjectWriter(path)
        return _with_index(Target(given, given.name), options)
    if options.file_system is None and options.options is None:
        factory = writer_factory_for(path)
        if factory is not None:
            name = path_to_str(path)
            _check_factory(name, options)
            return _with_index(Target(FactoryWriter(factory.open(name), name), name), options)
    return _open_path(path, options)


def _open_path(path: PathInput, options: TargetOptions) -> Target:
    file_system, name = resolve(path, file_system=options.file_system, options=options.options)
    shows_on_flush = file_system.capabilities(name).flush_visibility == "flush"
    if options.require_flush and not shows_on_flush:
        raise UnimplementedError("this filesystem shows a file only when it is closed", path=name)
    if not isinstance(options.index_path, bool):
        index_file_system, index_name = _resolve_index(name, options)
        check_index_is_another_file(file_system, name, index_file_system, index_name)
    if options.append:
        file, offset = _open_for_append(file_system, name, options)
        target = _with_index(Target(file, name, offset, shows_on_flush=shows_on_flush), options)
        return _without_stale_index(target, file_system, options)

    def open_file() -> WritableFile:
        return _open_with_parents(
            file_system,
            name,
            lambda: file_system.new_writable_file(name, exclusive=options.exclusive, atomic=options.atomic),
        )

    if options.index_path is not False and not (options.exclusive or options.atomic):
        # Opening the file empties the old one; that an index cannot be opened must not cost its records.
        index_file, index_name = _open_index(name, 0, options)
        target = Target(_open_second(index_file, open_file), name, 0, index_file, index_name, shows_on_flush)
    else:
        target = _with_index(Target(open_file(), name, shows_on_flush=shows_on_flush), options)
    return _without_stale_index(target, file_system, options)


def _without_stale_index(target: Target, file_system: FileSystem, options: TargetOptions) -> Target:
    """Remove the index that the writer does not keep up, now or, where the file is published as a whole, then."""
    if _keeps_index_beside(file_system, target.name, options):
        return target
    if options.atomic:
        return target._replace(unindexed=(file_system, target.name))
    remove_stale_index(file_system, target.name)
    return target


def _with_index(target: Target, options: TargetOptions) -> Target:
    """Open the index of an open file too, if it is to have one."""
    if options.index_path is False:
        return target
    index_file, name = _open_second(target.file, lambda: _open_index(target.name, target.offset, options))
    return target._replace(index_file=index_file, index_name=name)


def _keeps_index_beside(file_system: FileSystem, name: str, options: TargetOptions) -> bool:
    """Tell whether the index goes where that of the file is looked for."""
    if isinstance(options.index_path, bool):
        return options.index_path
    index_file_system, index_name = _resolve_index(name, options)
    beside = default_index_path(name)
    return index_file_system is file_system and file_system.canonical_path(index_name) == file_system.canonical_path(
        beside
    )


def _open_second(first: WritableFile, open_second: Callable[[], T]) -> T:
    """Open another file, and give up the first one if that fails."""
    try:
        return open_second()
    except BaseException as error:
        give_up(first, error)
        raise


def _resolve_index(name: str, options: TargetOptions) -> tuple[FileSystem, str]:
    path = default_index_path(name) if options.index_path is True else path_to_str(options.index_path)  # type: ignore[arg-type]
    return resolve(path, file_system=options.file_system, options=options.options)


def _open_index(name: str, offset: int, options: TargetOptions) -> tuple[WritableFile, str]:
    """Open the index of a file that is being written, with the lines of the records that are there up to an offset."""
    file_system, index_name = _resolve_index(name, options)
    if not offset:
        return _open_with_parents(
            file_system, index_name, lambda: file_system.new_writable_file(index_name, atomic=options.atomic)
        ), index_name
    if not is_index_fresh(name, index_name, file_system=options.file_system, options=options.options):
        build_index(name, index_name, file_system=options.file_system, options=options.options)
    return file_system.new_appendable_file(index_name), index_name


def _check_combination(options: TargetOptions) -> None:
    if options.append and options.atomic:
        raise InvalidArgumentError("append and atomic exclude each other: what is there is public already")
    if options.append and options.exclusive:
        raise InvalidArgumentError("append and exclusive exclude each other: exclusive makes a new file")
    if options.repair_tail and not options.append:
        raise InvalidArgumentError("repair_tail goes with append=True; a new file has no tail")
    if options.index_path is not False and options.compression:
        raise InvalidArgumentError(f"a {options.compression} file cannot have an index; write it uncompressed")
    if options.append and options.compression == "ZLIB":
        raise UnimplementedError(
            "a ZLIB file cannot be appended to: TensorFlow reads only its first stream, silently. Use GZIP"
        )


def _check_file_object(options: TargetOptions) -> None:
    if options.append or options.atomic or options.exclusive:
        raise InvalidArgumentError(
            "append, atomic and exclusive need a path; a file object is written to from where it stands"
        )
    if options.index_path is True:
        raise InvalidArgumentError("index=True needs a path; for a file object, give the path of the index")


def _check_factory(path: str, options: TargetOptions) -> None:
    if options.append or options.atomic or options.exclusive:
        raise UnimplementedError(
            "append, atomic and exclusive need a filesystem; a writer factory opens this path", path=path
        )
    if options.index_path is True:
        raise InvalidArgumentError("a writer factory opens this path: give the path of the index", path=path)


def _open_with_parents(file_system: FileSystem, path: str, open_file: Callable[[], WritableFile]) -> WritableFile:
    """Open a file for writing; where its directory is missing, make that and try again."""
    try:
        return open_file()
    except NotFoundError:
        parent = dirname(path)
        if not parent:
            raise
        file_system.recursively_create_dir(parent)
        return open_file()


def _open_for_append(file_system: FileSystem, path: str, options: TargetOptions) -> tuple[WritableFile, int]:
    """Check a file's end and open it after that.

    Returns:
        The file, and where its next record begins in the uncompressed stream; 0 for a new or empty file.
    """
    check: Literal["auto", "full"] = "auto"
    try:
        file_system.close_abandoned_file(path)
        try:
            tail = check_tail(path, file_system=file_system)
        except FailedPreconditionError:
            if not options.repair_tail:
                raise
            # A remote file does not end with a sound record. Where its last one ends tell all before it.
            check = "full"
            tail = check_tail(path, check=check, file_system=file_system)
    except NotFoundError:
        return _open_with_parents(file_system, path, lambda: file_system.new_appendable_file(path)), 0
    if tail.file_size and tail.compression != options.compression:
        found = tail.compression or "not compressed"
        raise InvalidArgumentError(
            f"the file is {found}, and compression={options.compression!r} was asked for", path=path
        )
    size = tail.file_size
    if tail.error is not None:
        if not options.repair_tail:
            raise tail.error
        # Who writes records to it says that it is a record file.
        size -= repair_tail(path, check=check, force=True, file_system=file_system)
    file = file_system.new_appendable_file(path)
    if file.tell() != size:
        found_size = file.tell()
        file.close()
        raise AbortedError(
            f"the file had {size} bytes when its end was checked and has {found_size} now: somebody is writing to it",
            path=path,
        )
    return file, tail.sound_end
