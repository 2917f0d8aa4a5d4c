"""Files that are there as a whole or not at all, and stay after a power cut where the filesystem can promise that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Buffer

    from recordfs.filesystem import FileSystem, WritableFile

__all__ = ["open_for_publishing", "publish"]


def open_for_publishing(file_system: FileSystem, path: str, *, exclusive: bool = False) -> WritableFile:
    """Open a file that only ``close`` publishes, as far as the filesystem can.

    Where it cannot (most stores behind fsspec), a file appears when it is closed, or grows in its place; a checkpoint
    is sound all the same, because nothing leads to its data before its index is there.

    Args:
        file_system: Serves the path.
        path: The file.
        exclusive: Fail if it exists.
    """
    capabilities = file_system.capabilities(path)
    return file_system.new_writable_file(
        path, exclusive=exclusive and capabilities.exclusive_create, atomic=capabilities.atomic_write
    )


def publish(
    file_system: FileSystem, path: str, parts: Iterable[Buffer], *, exclusive: bool = False, durable: bool = True
) -> None:
    """Write a small file as a whole.

    Args:
        file_system: Serves the path.
        path: The file.
        parts: Its bytes.
        exclusive: Fail if it exists.
        durable: Return only when it would survive a power cut, where the filesystem can promise that.

    Raises:
        AlreadyExistsError: ``exclusive`` and it exists.
    """
    with open_for_publishing(file_system, path, exclusive=exclusive) as file:
        for part in parts:
            file.append(part)
        if durable:
            make_durable(file_system, file)


def make_durable(file_system: FileSystem, file: WritableFile) -> None:
    """Have what was appended survive a power cut, where ``sync`` means that."""
    if file_system.capabilities(file.name).durable_sync:
        file.sync()
