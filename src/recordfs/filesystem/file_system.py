"""The contract of a filesystem: eight methods that a backend writes, and everything that follows from them.

Every method takes *full* paths, as the caller gave them, scheme included, and every edge case has one answer, tested by
``recordfs.testing``. What all methods share stands at the class, the rest at the method that it belongs to. Defaults
that take more than a line are in ``recordfs.filesystem_defaults``.

The names and most meanings are those of TensorFlow's ``tsl::FileSystem``, in snake_case.
"""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING

from recordfs.errors import IsADirectoryError, NotADirectoryError, NotFoundError, UnimplementedError
from recordfs.filesystem.types import LEAST_CAPABILITIES
from recordfs.filesystem_defaults.copies import copy_file
from recordfs.filesystem_defaults.directories import create_with_parents, delete_recursively
from recordfs.filesystem_defaults.opening import open_pinned, read_memory_region
from recordfs.filesystem_defaults.options import MadeFromOptions
from recordfs.filesystem_defaults.patterns import find_matching_paths
from recordfs.open_files.letting_go import ClosesOnExit
from recordfs.paths import clean_path, parse_path, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from recordfs._core import ReadOnlyMemoryRegion
    from recordfs.filesystem.files import RandomAccessFile, WritableFile
    from recordfs.filesystem.types import Capabilities, DirectoryEntry, FileStatistics, OperationStatistics
    from recordfs.filesystem.update_file import UpdateFile

__all__ = ["FileSystem"]

# What can be told of a backend that declares nothing.
_UNDECLARED = LEAST_CAPABILITIES._replace(modification_time=True)


class FileSystem(ClosesOnExit, MadeFromOptions, abc.ABC):
    """A store of files, reached by paths.

    A backend writes the methods marked abstract. All methods may be called from several threads at once. An instance
    can be pickled if its options can, and works after ``fork``: connections are made per process, at first use.

    Unless it says otherwise, a method that takes a path raises NotFoundError where nothing stands at it (or a link that
    leads nowhere), NotADirectoryError where a part above it is a file, PermissionDeniedError where it may not be
    touched, UnimplementedError for what the store cannot do and ``capabilities`` do not declare, and UnavailableError
    where the store does not answer. The "Raises" of a method has what comes beside these.

    Args:
        options: A backend names its own options as keyword arguments and passes the rest up; what arrives here is
            unknown.

    Raises:
        InvalidArgumentError: An option is unknown.
    """

    # What a backend writes.

    @abc.abstractmethod
    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a file for reading.

        Raises:
            IsADirectoryError: It is a directory.
        """

    @abc.abstractmethod
    def new_writable_file(self, path: str, *, exclusive: bool = False, atomic: bool = False) -> WritableFile:
        """Make a file, or replace one.

        Until the first flush a new file may be absent and an old one unchanged; a local file is made, or emptied, at
        once.

        Args:
            path: The file. Its directory has to exist where ``capabilities`` say ``directories="explicit"``.
            exclusive: Fail if it exists, with one winner among all processes.
            atomic: Only ``close`` publishes, all or nothing; an old file stays readable until then.

        Raises:
            AlreadyExistsError: ``exclusive`` and it exists. Some stores find out at the first flush.
            NotFoundError: Its directory is missing.
            IsADirectoryError: It is a directory.
            UnimplementedError: The filesystem is read-only, or cannot do what ``exclusive`` or ``atomic`` ask.
        """

    @abc.abstractmethod
    def stat(self, path: str) -> FileStatistics:
        """Return what is known about a path, following symbolic links."""

    @abc.abstractmethod
    def list_directory(self, path: str) -> Iterator[DirectoryEntry]:
        """Iterate over the children of a directory, in no order, page by page, each once.

        Hidden names are included, ``.`` and ``..`` are not. Children that come or go meanwhile may or may not be seen.
        Errors come before the first entry, or when a later page cannot be fetched.

        Raises:
            NotADirectoryError: It is a file, or a part above it is.
        """

    @abc.abstractmethod
    def create_dir(self, path: str) -> None:
        """Make one directory.

        Raises:
            AlreadyExistsError: A file or directory stands there.
            NotFoundError: Its parent is missing, where directories are explicit.
        """

    @abc.abstractmethod
    def delete_file(self, path: str) -> None:
        """Delete one file, or one symbolic link (never what it points to).

        Raises:
            IsADirectoryError: It is a directory.
        """

    @abc.abstractmethod
    def delete_dir(self, path: str) -> None:
        """Delete one empty directory.

        Raises:
            NotADirectoryError: It is a file or a link, or a part above it is a file.
            DirectoryNotEmptyError: It has children.
        """

    @abc.abstractmethod
    def rename_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Move a file, or a directory with all in it, to another name on the same filesystem.

        Onto itself it does nothing. A directory may replace an empty directory.

        Raises:
            NotFoundError: The source is missing, or the target's directory is.
            AlreadyExistsError: ``overwrite`` is False and the target exists.
            IsADirectoryError: The source is a file and the target a directory.
            NotADirectoryError: The source is a directory and the target a file.
            DirectoryNotEmptyError: Both are directories and the target has children.
            InvalidArgumentError: The target lies inside the source.
            UnimplementedError: The source is a directory, and the filesystem cannot rename these.
        """

    # What a backend writes where its store can.

    def capabilities(self, path: str) -> Capabilities:
        """Return what can be done at a path. May ask the store once and remember.

        The default promises what follows from the methods that a class has written, and nothing that a caller could not
        see from them: files that appear when they are closed, with no winner among writers. A backend that can do more
        extends it with ``super().capabilities(path)._replace(...)``.
        """
        kind = type(self)
        return _UNDECLARED._replace(
            append=kind.new_appendable_file is not FileSystem.new_appendable_file,
            truncate=kind.truncate_file is not FileSystem.truncate_file,
            update_in_place=kind.new_update_file is not FileSystem.new_update_file,
        )

    def new_appendable_file(self, path: str) -> WritableFile:
        """Open a file for writing at its end; make it if it is missing. Raises as ``new_writable_file``."""
        raise self._unimplemented("append to files", path)

    def new_pinned_random_access_file(self, path: str, known: FileStatistics) -> RandomAccessFile:
        """Open a file for reading, if it is still the version that ``stat`` or a listing reported.

        It is for loaders, indexes and caches that have looked at a file once: they read that version or none, without
        a further request where the store can pin one. The default opens the file and looks at it.

        Args:
            path: The file.
            known: What was reported. Without a ``version``, size and time are compared.

        Raises:
            AbortedError: The file is another by now, or gone. It may come at opening, or with the first read or
                ``size``.
            IsADirectoryError: It is a directory.
        """
        return open_pinned(self, path, known)

    def new_update_file(self, path: str) -> UpdateFile:
        """Open an existing file for reading, and for writing at any offset. Raises as ``new_random_access_file``."""
        raise self._unimplemented("change files in place", path)

    def new_read_only_memory_region_from_file(self, path: str) -> ReadOnlyMemoryRegion:
        """Return the bytes of a file as a buffer: mapped where ``capabilities`` say so, else read as a whole.

        An empty file gives an empty region. A mapped local file that another process truncates kills this process
        with SIGBUS when the lost part is touched: map only files that nobody shortens. Raises as
        ``new_random_access_file``.
        """
        return read_memory_region(self, path)

    def truncate_file(self, path: str, length: int) -> None:
        """Truncate a file to its first ``length`` bytes.

        Raises:
            InvalidArgumentError: ``length`` is negative or more than the file has.
            TypeError: ``length`` is not a whole number.
            IsADirectoryError: It is a directory.
        """
        raise self._unimplemented("truncate files", path)

    def close_abandoned_file(self, path: str) -> None:
        """Close a file that a dead writer left open, where the store keeps such files open (HDFS).

        After that its length is final. Appending and truncating do this by themselves. A program that decides by the
        end of a file where to continue calls it first. The default does nothing.

        Raises:
            FailedPreconditionError: A writer that is not known to be dead has it open.
        """

    def copy_file(self, source: str, target: str, *, overwrite: bool = True) -> None:
        """Copy one file within this filesystem. A copy onto itself leaves the file as it is.

        The default streams the bytes through this process into an atomic file where the store has these.

        Raises:
            NotFoundError: The source is missing (nothing is made then), or the target's directory is.
            AlreadyExistsError: ``overwrite`` is False and the target exists.
            IsADirectoryError: One of the two is a directory.
        """
        copy_file(self, source, target, overwrite=overwrite)

    def tree_lister(self, top: str) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return a function that lists the directories of a tree during one walk, each before those below it.

        It takes a path, and returns and raises as ``list_directory``. Where each listing is a request, it may list
        ahead, or show the tree as it was at the beginning of the walk. For one thread.

        Args:
            top: Where the walk begins.

        A store of keys (capability ``verbatim_names``) shows here also what a single listing leaves out, so that
        nothing of a tree goes unseen: a directory that has a file's name, as ``name/``; a directory whose name is
        empty (of the key ``a//b``), as ``""``; and as a file named ``""`` what is stored under a directory's own key.
        ``paths.join_entry`` makes their paths.
        """
        return self.list_directory

    def series_lister(self, directories: Sequence[str]) -> Callable[[str], Iterable[DirectoryEntry]]:
        """Return a function that lists these directories, and no others, one after the other in their order.

        Otherwise as ``tree_lister``.
        """
        return self.list_directory

    def delete_recursively(self, path: str) -> None:
        """Delete a directory with all in it, or a file. Never follows a symbolic link.

        Goes on after a failure.

        Raises:
            FailedPreconditionError: Something could not be deleted. ``failures`` holds the first hundred as
                ``(path, error)``; ``undeleted_files`` and ``undeleted_directories`` count all of them.
        """
        delete_recursively(self, path)

    # What follows from the above.

    def get_children(self, path: str) -> list[str]:
        """Return the bare names of a directory's children, in no order. Raises as ``list_directory``."""
        return [entry.name for entry in self.list_directory(path)]

    def get_matching_paths(self, pattern: str) -> list[str]:
        r"""Return the full paths that match a pattern, sorted.

        ``* ? [..] [!..] [^..] \c`` match within one path component; names that begin with a dot match too, but for
        those of files that are not published (``.recordfs-tmp*``), which have to be asked for by that name. A pattern
        without wildcards gives itself, without its escapes, if that exists. Nothing found, or a directory that is
        missing or may not be read, gives nothing.
        """
        return find_matching_paths(self, pattern)

    def file_exists(self, path: str) -> bool:
        """Tell whether a file or directory is there. Below a file nothing is; other errors are raised."""
        try:
            self.stat(path)
        except (NotFoundError, NotADirectoryError):
            return False
        return True

    def files_exist(self, paths: Iterable[str]) -> list[bool]:
        """Tell for each of many paths whether it is there."""
        return [self.file_exists(path) for path in paths]

    def is_directory(self, path: str) -> bool:
        """Tell whether a path is a directory; False if it is missing or below a file."""
        try:
            return self.stat(path).is_directory
        except (NotFoundError, NotADirectoryError):
            return False

    def get_file_size(self, path: str) -> int:
        """Return the size of a file in bytes.

        Raises:
            IsADirectoryError: It is a directory.
        """
        statistics = self.stat(path)
        if statistics.is_directory:
            raise IsADirectoryError("a directory has no size", path=path)
        return statistics.length

    def recursively_create_dir(self, path: str) -> None:
        """Make a directory and those above it that are missing. Idempotent.

        Raises:
            NotADirectoryError: The path or a part above it is a file.
        """
        create_with_parents(self, path)

    def translate_name(self, path: str) -> str:
        """Return the name inside the store: without scheme and authority, cleaned.

        The empty path stays empty, and an empty name after a scheme is ``/``.
        """
        parsed = parse_path(path)
        if not parsed.scheme:
            return clean_path(path)
        return clean_path(parsed.path) or "/"

    def canonical_path(self, path: str) -> str:
        """Return one spelling for all paths that lead to the same file: for comparing, not for opening.

        The default takes what follows a scheme verbatim and cleans local paths. A filesystem with symbolic links
        resolves them; what does not exist is spelled as it would be.
        """
        scheme = scheme_of(path)
        return scheme + path[len(scheme) :] if scheme else clean_path(path)

    def has_atomic_move(self, path: str) -> bool:
        """Tell whether ``rename_file`` of a file is one step for every observer."""
        return self.capabilities(path).atomic_rename

    def describe(self) -> dict[str, str]:
        """Return what people want to know when something goes wrong: endpoint, source of credentials. No secrets."""
        return {"credentials": "not told by this filesystem"}

    def statistics(self) -> dict[str, OperationStatistics]:
        """Return what was asked of the store in this process, by the store's names for its operations.

        The default counts nothing.
        """
        return {}

    def flush_caches(self) -> None:
        """Forget what was remembered about the store."""

    def close(self) -> None:
        """Release connections. Idempotent. The default holds none."""

    def _unimplemented(self, what: str, path: str) -> UnimplementedError:
        """Return the error for something this filesystem cannot do."""
        return UnimplementedError(f"{type(self).__name__} cannot {what}", path=path)
