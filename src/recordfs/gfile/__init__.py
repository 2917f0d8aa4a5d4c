"""``tf.io.gfile`` and ``tf.compat.v1.gfile`` without TensorFlow, on every filesystem that recordfs knows.

    from recordfs import gfile

    with gfile.GFile("s3://bucket/log.txt") as file:
        for line in file: ...

Names, parameters and answers are TensorFlow's, the errors are ``recordfs.errors``. The differences, all on purpose,
are listed in ``docs/gfile.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recordfs.gfile import tensorflow1 as v1
from recordfs.gfile.file_object import FileObject
from recordfs.gfile.path_functions import (
    copy,
    exists,
    glob,
    isdir,
    join,
    listdir,
    makedirs,
    mkdir,
    remove,
    rename,
    rmtree,
    stat,
    walk,
)
from recordfs.registry import get_registered_schemes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    from recordfs.filesystem import FileSystem
    from recordfs.paths import PathInput
    from recordfs.registry import Where

__all__ = [
    "Copy",
    "DeleteRecursively",
    "Exists",
    "FastGFile",
    "GFile",
    "Glob",
    "IsDirectory",
    "ListDirectory",
    "MakeDirs",
    "MkDir",
    "Open",
    "Remove",
    "Rename",
    "Stat",
    "Walk",
    "copy",
    "exists",
    "get_registered_schemes",
    "glob",
    "isdir",
    "join",
    "listdir",
    "makedirs",
    "mkdir",
    "remove",
    "rename",
    "rmtree",
    "stat",
    "walk",
]


class GFile(FileObject):
    """A file by name, on any filesystem, opened when it is first used.

    Without ``b`` in the mode reads give str, with it bytes; both take either when writing. Positions and the ``n`` of
    ``read`` count bytes, in text too. One thread at a time; any number of objects may use the same file. Can be pickled
    until it is first used.

    Args:
        name: The path: str, bytes or os.PathLike.
        mode: ``r``, ``w``, ``a``, ``r+``, ``w+`` or ``a+``, with or without ``b``. ``w`` and ``w+`` make or empty the
            file at the first write; ``r+`` changes a file in place; ``a`` and ``a+`` write at the end only.
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
        mode: str = "r",
        *,
        atomic: bool = False,
        file_system: FileSystem | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(name, mode, atomic=atomic, file_system=file_system, options=options)


class FastGFile(GFile):
    """GFile under a name that TensorFlow 1 deprecated, and that is deprecated here, too."""

    def __init__(
        self,
        name: PathInput,
        mode: str = "r",
        **where: Unpack[Where],
    ) -> None:
        import warnings  # needed only here

        warnings.warn("FastGFile is deprecated; use GFile", DeprecationWarning, stacklevel=2)
        super().__init__(name, mode, **where)


# The names of TensorFlow 1.
Open = GFile
Copy = v1.copy
MkDir = v1.create_dir
Remove = v1.delete_file
DeleteRecursively = v1.delete_recursively
Exists = v1.file_exists
Glob = v1.get_matching_files
IsDirectory = v1.is_directory
ListDirectory = v1.list_directory
MakeDirs = v1.recursive_create_dir
Rename = v1.rename
Stat = v1.stat
Walk = v1.walk
