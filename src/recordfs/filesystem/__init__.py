"""The filesystem contract: what every backend does, stated where it is declared.

``FileSystem`` is a store of files, ``RandomAccessFile`` and ``WritableFile`` what it opens; ``FileStatistics``,
``DirectoryEntry``, ``Capabilities`` and ``OperationStatistics`` are the plain values that they return.
"""

from typing import TYPE_CHECKING

from recordfs.filesystem.file_system import FileSystem
from recordfs.filesystem.files import AppendableFile, RandomAccessFile, WritableFile
from recordfs.filesystem.types import Capabilities, DirectoryEntry, FileStatistics, OperationStatistics
from recordfs.filesystem.update_file import UpdateFile

if TYPE_CHECKING:
    from recordfs._core import ReadOnlyMemoryRegion

__all__ = [
    "AppendableFile",
    "Capabilities",
    "DirectoryEntry",
    "FileStatistics",
    "FileSystem",
    "OperationStatistics",
    "RandomAccessFile",
    "ReadOnlyMemoryRegion",
    "UpdateFile",
    "WritableFile",
]

if not TYPE_CHECKING:  # a type checker that saw a __getattr__ would take every misspelt name for one of ours

    def __getattr__(name: str) -> object:
        """Load the native module when it is asked for."""
        if name == "ReadOnlyMemoryRegion":
            from recordfs._core import ReadOnlyMemoryRegion

            return ReadOnlyMemoryRegion
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
