"""Filesystems that are only read: what writes, deletes or renames raises UnimplementedError."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.filesystem.file_system import FileSystem
from recordfs.filesystem.types import LEAST_CAPABILITIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recordfs.filesystem.files import WritableFile
    from recordfs.filesystem.types import Capabilities, DirectoryEntry

__all__ = ["READ_ONLY", "ReadOnlyFileSystem"]

READ_ONLY = LEAST_CAPABILITIES._replace(
    write=False, directories="implicit", flush_visibility="flush", modification_time=True
)
"""What a store can do that nothing can be written to, and of which nothing else is known."""


class ReadOnlyFileSystem(FileSystem):
    """A filesystem of files that can be read and nothing else; a backend writes ``stat`` and opening for reading.

    Listing is refused too, until a backend whose store has listings writes ``list_directory``.
    """

    def capabilities(self, path: str) -> Capabilities:
        """Return that files can be read, and nothing else."""
        return READ_ONLY

    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Raise UnimplementedError."""
        raise self._unimplemented("write files", path)

    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Raise UnimplementedError."""
        raise self._unimplemented("list directories", path)

    def create_dir(self, path: str) -> None:
        """Raise UnimplementedError."""
        raise self._unimplemented("make directories", path)

    def delete_file(self, path: str) -> None:
        """Raise UnimplementedError."""
        raise self._unimplemented("delete files", path)

    def delete_dir(self, path: str) -> None:
        """Raise UnimplementedError."""
        raise self._unimplemented("delete directories", path)

    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Raise UnimplementedError."""
        raise self._unimplemented("rename files", source)
