"""The plain values of the filesystem contract: what ``stat``, listings and ``capabilities`` return."""

from typing import Literal, NamedTuple

__all__ = ["Capabilities", "DirectoryEntry", "FileStatistics", "OperationStatistics"]


class FileStatistics(NamedTuple):
    """What ``stat`` returns for a path. The names are TensorFlow's.

    Attributes:
        length: Size in bytes; 0 for a directory; -1 where the store cannot tell.
        mtime_nsec: Last modification in nanoseconds since 1970-01-01 UTC; 0 where the store keeps none.
        is_directory: True for a directory.
        version: An opaque string that changes whenever the content does (an object's ETag or generation; of a local
            file its inode, size and time); None for a directory and where the store has none. Compare it only with
            versions of the same path.
    """

    length: int
    mtime_nsec: int
    is_directory: bool
    version: str | None = None


class DirectoryEntry(NamedTuple):
    """One child in a listing.

    Attributes:
        name: The bare name: no slash, no parent.
        is_directory: True for a directory; a symbolic link counts as what it points to.
        length: Size in bytes where the listing knows it without a further request, else None.
        mtime_nsec: As in FileStatistics where the listing knows it without a further request, else None.
        is_symbolic_link: True for a link, whatever it points to; deleting or walking a tree does not follow it.
        version: As in FileStatistics where the listing knows it without a further request, else None.
    """

    name: str
    is_directory: bool
    length: int | None = None
    mtime_nsec: int | None = None
    is_symbolic_link: bool = False
    version: str | None = None

    @property
    def statistics(self) -> FileStatistics | None:
        """What ``stat`` would return, if the listing has it; else None."""
        if self.is_directory or self.length is None or self.mtime_nsec is None:
            return None
        return FileStatistics(self.length, self.mtime_nsec, False, self.version)

    @property
    def only_in_trees(self) -> bool:
        """Whether no component of a path can name it, so that only ``tree_lister`` shows it."""
        return not self.name or self.name.endswith("/")


class Capabilities(NamedTuple):
    """What a filesystem can do at a path. What it cannot do raises UnimplementedError; it never pretends.

    The defaults describe a plain local filesystem, but for ``server_side_copy``, ``update_in_place`` and
    ``versions``, which few have. A filesystem that can do less says so.

    Attributes:
        write: Files can be made, changed and deleted at all.
        append: ``new_appendable_file`` works.
        truncate: ``truncate_file`` works.
        exclusive_create: ``new_writable_file(exclusive=True)`` has one winner among all processes; with
            ``atomic_rename`` so has ``rename_file(overwrite=False)``.
        atomic_write: ``new_writable_file(atomic=True)`` publishes all or nothing.
        atomic_rename: ``rename_file`` of a file is one step for every observer.
        rename_directory: ``rename_file`` takes directories.
        directories: "explicit" where a directory has to be made before files go into it, and stays when the last
            child goes; "implicit" where a prefix with children is a directory.
        flush_visibility: "flush" where a new reader sees everything flushed; "close" where only ``close`` publishes.
        growing_reads: A RandomAccessFile that is already open sees bytes that are flushed later.
        durable_sync: ``sync`` survives a power cut.
        memory_region: Memory regions map the stored bytes; without it they are read into memory as a whole.
        server_side_copy: ``copy_file`` moves no bytes through this process.
        modification_time: ``mtime_nsec`` means something.
        update_in_place: ``new_update_file`` works.
        versions: ``stat`` tells a file's version.
        detects_replacement: An open file whose path was deleted or came to name another raises AbortedError when it is
            asked for its size or for bytes that it has not fetched. Without this a file gives what was opened, or
            perhaps what is there now, and following it means to look at its path again.
        verbatim_names: Every text is a name: ``.``, ``..`` and nothing between two slashes are names like others, as
            in stores of keys. Elsewhere they lead somewhere else, and nobody makes a path of them unasked.
        refused_characters: Characters that no name can have: making a file or directory of such a name is an
            InvalidArgumentError.
        flush_resends: How many bytes at the end of a file a ``flush`` may send again, although an earlier one sent
            them. Where it is not 0, many small flushes cost less if they go to several files.
    """

    write: bool = True
    append: bool = True
    truncate: bool = True
    exclusive_create: bool = True
    atomic_write: bool = True
    atomic_rename: bool = True
    rename_directory: bool = True
    directories: Literal["explicit", "implicit"] = "explicit"
    flush_visibility: Literal["flush", "close"] = "flush"
    growing_reads: bool = True
    durable_sync: bool = True
    memory_region: bool = True
    server_side_copy: bool = False
    modification_time: bool = True
    update_in_place: bool = False
    versions: bool = False
    detects_replacement: bool = False
    verbatim_names: bool = False
    refused_characters: str = ""
    flush_resends: int = 0


LEAST_CAPABILITIES = Capabilities(
    append=False,
    truncate=False,
    exclusive_create=False,
    atomic_write=False,
    atomic_rename=False,
    rename_directory=False,
    flush_visibility="close",
    growing_reads=False,
    durable_sync=False,
    memory_region=False,
    modification_time=False,
)
"""What can be said of a store of which nothing is known but that it takes files and gives them back."""


class OperationStatistics(NamedTuple):
    """What one kind of request to a store has cost so far in this process.

    Attributes:
        requests: Requests that were sent, every retry counted.
        bytes_sent: Bytes of request bodies.
        bytes_received: Bytes of response bodies that carry data.
    """

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
