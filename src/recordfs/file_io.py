"""``tensorflow.python.lib.io.file_io`` without TensorFlow, on every filesystem that recordfs knows.

Names, parameters and answers are TensorFlow's, the errors are ``recordfs.errors``; the differences, all on purpose,
are listed in ``docs/gfile.md``. Each function under its TensorFlow 1 name has a twin that ends in ``_v2``, with the
parameters of ``recordfs.gfile``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, RecordFSError
from recordfs.gfile import path_functions as _v2
from recordfs.gfile.file_object import FileObject
from recordfs.gfile.path_functions import join
from recordfs.gfile.tensorflow1 import (
    copy,
    create_dir,
    delete_file,
    delete_recursively,
    file_exists,
    get_matching_files,
    is_directory,
    list_directory,
    recursive_create_dir,
    rename,
    stat,
    walk,
)
from recordfs.open_files.letting_go import end_after, give_up
from recordfs.registry import get_registered_schemes, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.paths import PathInput
    from recordfs.registry import Where

__all__ = [
    "FileIO",
    "atomic_write_string_to_file",
    "copy",
    "copy_v2",
    "create_dir",
    "create_dir_v2",
    "delete_file",
    "delete_file_v2",
    "delete_recursively",
    "delete_recursively_v2",
    "file_crc32",
    "file_exists",
    "file_exists_v2",
    "filecmp",
    "get_matching_files",
    "get_matching_files_v2",
    "get_registered_schemes",
    "has_atomic_move",
    "is_directory",
    "is_directory_v2",
    "join",
    "list_directory",
    "list_directory_v2",
    "read_file_to_string",
    "recursive_create_dir",
    "recursive_create_dir_v2",
    "rename",
    "rename_v2",
    "stat",
    "stat_v2",
    "walk",
    "walk_v2",
    "write_string_to_file",
]

copy_v2 = _v2.copy
create_dir_v2 = _v2.mkdir
delete_file_v2 = _v2.remove
delete_recursively_v2 = _v2.rmtree
file_exists_v2 = _v2.exists
get_matching_files_v2 = _v2.glob
is_directory_v2 = _v2.isdir
list_directory_v2 = _v2.listdir
recursive_create_dir_v2 = _v2.makedirs
rename_v2 = _v2.rename
stat_v2 = _v2.stat
walk_v2 = _v2.walk

_BLOCK_SIZE = 16 << 20
_COMPARED_AT_A_TIME = 1 << 20


class FileIO(FileObject):
    """A file by name, on any filesystem, opened when it is first used.

    Without ``b`` in the mode reads give str, with it bytes; both take either when writing. Positions and the ``n`` of
    ``read`` count bytes, in text too. One thread at a time; any number of objects may use the same file. Can be pickled
    until it is first used.

    Args:
        name: The path: str, bytes or os.PathLike.
        mode: ``r``, ``w``, ``a``, ``r+``, ``w+`` or ``a+``, with or without ``b``. ``w`` and ``w+`` make or empty the
            file at the first write; ``r+`` changes a file in place; ``a`` and ``a+`` write at the end only.
        encoding: Of text.
        atomic: In mode ``w``: nobody sees anything before ``close``, and leaving a ``with`` block by an exception
            leaves the old file as it was.
        file_system: What serves the path; by default what is registered for its scheme.
        options: For the registered filesystem; see its class.

    Raises:
        InvalidArgumentError: The mode is none of these, or not ``w`` and ``atomic``, or the path holds a NUL character.
        TypeError: ``name`` is not a path.
    """

    def __init__(
        self,
        name: PathInput,
        mode: str,
        encoding: str = "utf-8",
        *,
        atomic: bool = False,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, mode, encoding=encoding, atomic=atomic, file_system=file_system, options=options)


def write_string_to_file(filename: PathInput, file_content: str | Buffer, **where: Unpack[Where]) -> None:
    """Make or replace a file with this content; str is written as UTF-8. Raises as ``FileIO.write``."""
    with FileIO(filename, "wb", **where) as file:
        file.write(file_content)


def read_file_to_string(filename: PathInput, binary_mode: bool = False, **where: Unpack[Where]) -> Any:
    """Return the whole content of a file, as bytes with ``binary_mode``, else as str. Raises as ``FileIO.read``."""
    with FileIO(filename, "rb" if binary_mode else "r", **where) as file:
        return file.read()


def atomic_write_string_to_file(
    filename: PathInput, contents: str | Buffer, overwrite: bool = True, **where: Unpack[Where]
) -> None:
    """Make or replace a file so that nobody ever sees a part of the content.

    Where the store has no atomic writes of its own, a file ``<name>.tmp<32 hex digits>`` is written and renamed.
    After a failure nothing is left of it.

    Raises:
        AlreadyExistsError: The file exists and ``overwrite`` is False.
        Otherwise as ``FileIO.write``.
    """
    data = contents.encode() if isinstance(contents, str) else contents
    file_system, path = resolve(filename, **where)
    capabilities = file_system.capabilities(path)
    if capabilities.atomic_write and (overwrite or capabilities.exclusive_create):
        _write_or_discard(file_system.new_writable_file(path, exclusive=not overwrite, atomic=True), data)
        return
    import os  # needed only here

    temporary = f"{path}.tmp{os.urandom(16).hex()}"
    try:
        _write_or_discard(file_system.new_writable_file(temporary), data)
        file_system.rename_file(temporary, path, overwrite=overwrite)
    except BaseException as error:
        end_after(lambda: _delete_if_there(file_system, temporary), error)
        raise


def _delete_if_there(file_system: FileSystem, path: str) -> None:
    if file_system.file_exists(path):
        file_system.delete_file(path)


def _write_or_discard(writer: WritableFile, data: Buffer) -> None:
    """Write a whole file; if that fails, let go of what has not been published."""
    try:
        writer.append(data)
        writer.close()
    except BaseException as error:
        give_up(writer, error)
        raise


def file_crc32(filename: PathInput, block_size: int = _BLOCK_SIZE, **where: Unpack[Where]) -> str:
    """Return the CRC-32 of a file's content (zlib's, not the CRC-32C of record files) as ``hex`` writes it.

    Args:
        filename: The file.
        block_size: How many bytes are read at a time; -1 for the default.
        where: ``file_system`` or ``options``.

    Raises:
        InvalidArgumentError: ``block_size`` is 0 or less than -1.
        Otherwise as ``FileIO.read``.
    """
    import zlib  # needed only here

    if block_size == 0 or block_size < -1:
        raise InvalidArgumentError(f"a block size has to be at least 1 byte, or -1 for the default, found {block_size}")
    crc = 0
    with FileIO(filename, "rb", **where) as file:
        while block := file.read(_BLOCK_SIZE if block_size == -1 else block_size):
            crc = zlib.crc32(block, crc)
    return hex(crc)


def filecmp(filename_a: PathInput, filename_b: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether two files hold the same bytes. Raises as ``FileIO.size`` and ``FileIO.read``."""
    with FileIO(filename_a, "rb", **where) as a, FileIO(filename_b, "rb", **where) as b:
        if a.size() != b.size():
            return False
        while True:
            block = a.read(_COMPARED_AT_A_TIME)
            if block != b.read(_COMPARED_AT_A_TIME):
                return False
            if not block:
                return True


def has_atomic_move(path: PathInput, **where: Unpack[Where]) -> bool:
    """Tell whether a rename of this file is one step for every observer; True too where that cannot be found out.

    TensorFlow says True of every store. Programs rename from a temporary name where it is True, and write in place
    where it is False.
    """
    try:
        file_system, name = resolve(path, **where)
        return file_system.has_atomic_move(name)
    except RecordFSError:
        return True
