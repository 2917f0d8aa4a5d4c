"""The filesystem contract: what every backend does, stated where it is declared.

``FileSystem`` is a store of files, ``RandomAccessFile`` and ``WritableFile`` what it opens; ``FileStatistics``,
``DirectoryEntry``, ``Capabilities`` and ``OperationStatistics`` are the plain values that they return.
``KeyValueFileSystem`` makes a filesystem of any store that keeps values under keys, and ``ReadOnlyFileSystem`` refuses
whatever writes.
"""

from typing import TYPE_CHECKING

from recordfs.filesystem.file_system import FileSystem
from recordfs.filesystem.files import AppendableFile, RandomAccessFile, WritableFile
from recordfs.filesystem.read_only import ReadOnlyFileSystem
from recordfs.filesystem.types import Capabilities, DirectoryEntry, FileStatistics, OperationStatistics
from recordfs.filesystem.update_file import UpdateFile

if TYPE_CHECKING:
    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem.key_value import KeyValueFileSystem

__all__ = [
    "AppendableFile",
    "Capabilities",
    "DirectoryEntry",
    "FileStatistics",
    "FileSystem",
    "KeyValueFileSystem",
    "OperationStatistics",
    "RandomAccessFile",
    "ReadOnlyFileSystem",
    "ReadOnlyMemoryRegion",
    "UpdateFile",
    "WritableFile",
]


def __getattr__(name: str) -> object:
    """Load what few programs need, the native module among it, when it is asked for."""
    if name == "KeyValueFileSystem":
        from recordfs.filesystem.key_value import KeyValueFileSystem

        return KeyValueFileSystem
    if name == "ReadOnlyMemoryRegion":
        from recordfs._core import ReadOnlyMemoryRegion

        return ReadOnlyMemoryRegion
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
