"""Whole files, written and read through the filesystem contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem

__all__ = ["read", "write"]


def write(file_system: FileSystem, path: str, data: Buffer) -> None:
    """Make or replace a file."""
    with file_system.new_writable_file(path) as file:
        file.append(data)


def read(file_system: FileSystem, path: str) -> bytes:
    """Return what a file holds."""
    with file_system.new_random_access_file(path) as file:
        return file.read(0, file.size())
