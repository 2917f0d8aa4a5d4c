"""What a plugin is asked for: the operations of TensorFlow's C interface, wherever the plugin runs.

``recordfs._core.PluginFileSystem`` is the plugin in this process, ``helper_client.RemotePlugin`` one in a process of
its own. Both raise the error of ``recordfs.errors`` for the status that the plugin set, with the full path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from recordfs._core import ReadOnlyMemoryRegion

__all__ = ["PluginOperations", "PluginReader", "PluginWriter"]


class PluginReader(Protocol):
    """A file of a plugin's, open for reading, for many threads at once."""

    def read(self, offset: int, n: int, /) -> bytes:
        """Return up to ``n`` bytes, fewer only at the end."""

    def read_into(self, offset: int, buffer: Buffer, /) -> int:
        """Fill a buffer, less only at the end, and return how many bytes came."""

    def close(self) -> None:
        """Let go of the file."""


class PluginWriter(Protocol):
    """A file of a plugin's, open for writing at its end."""

    def append(self, data: Buffer, /) -> None:
        """Append all of a flat buffer; after an error it is unknown how much was taken."""

    def tell(self) -> int:
        """Return the position that the plugin tells."""

    def flush(self) -> None:
        """Flush, if the plugin can."""

    def sync(self) -> None:
        """Sync, or flush if the plugin has no sync."""

    def close(self) -> None:
        """Close and let go of the file, whether or not it raises."""


class PluginOperations(Protocol):
    """One scheme of a plugin. Every method takes full paths."""

    @property
    def scheme(self) -> str:
        """The scheme, without ``://``."""

    @property
    def operations(self) -> list[str]:
        """The names of the operations that the plugin has."""

    def translate_name(self, path: str, /) -> str:
        """Return the name that the plugin's operations get for a path."""

    def new_random_access_file(self, path: str, max_read_size: int, /) -> PluginReader:
        """Open a file for reading."""

    def new_writable_file(self, path: str, max_append_size: int, /) -> PluginWriter:
        """Make or replace a file."""

    def new_appendable_file(self, path: str, max_append_size: int, /) -> PluginWriter:
        """Open a file for writing at its end."""

    def new_read_only_memory_region_from_file(self, path: str, /) -> ReadOnlyMemoryRegion:
        """Open a file as a memory region."""

    def create_dir(self, path: str, /) -> None:
        """Make a directory."""

    def recursively_create_dir(self, path: str, /) -> None:
        """Make a directory and those above it."""

    def delete_file(self, path: str, /) -> None:
        """Delete a file."""

    def delete_dir(self, path: str, /) -> None:
        """Delete an empty directory."""

    def rename_file(self, source: str, target: str, /) -> None:
        """Move a file."""

    def copy_file(self, source: str, target: str, /) -> None:
        """Copy a file."""

    def path_exists(self, path: str, /) -> None:
        """Return, or raise NotFoundError."""

    def stat(self, path: str, /) -> tuple[int, int, bool]:
        """Return length, time of modification in nanoseconds, and whether it is a directory."""

    def is_directory(self, path: str, /) -> bool:
        """Tell whether a path is a directory."""

    def get_file_size(self, path: str, /) -> int:
        """Return the size of a file."""

    def get_children(self, path: str, /) -> list[str]:
        """Return the names in a directory as the plugin gives them."""

    def flush_caches(self) -> None:
        """Have the plugin forget what it remembers."""
