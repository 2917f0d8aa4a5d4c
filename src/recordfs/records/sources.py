"""What a RecordReader reads: paths, patterns and file objects, opened one after the other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from recordfs.errors import AbortedError, FailedPreconditionError, InvalidArgumentError
from recordfs.file_objects import BorrowedReader, FileObjectReader, SupportsReadInto, is_file_object, name_of
from recordfs.filesystem_defaults.patterns import no_match_error
from recordfs.paths import has_wildcards, path_to_str
from recordfs.records.files_ahead import FilesAhead
from recordfs.records.followed_file import FollowedFile
from recordfs.records.index import without_indexes
from recordfs.records.share import WHOLE, Share
from recordfs.redaction import redact
from recordfs.registry import resolve
from recordfs.whole_numbers import whole_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recordfs.file_objects import SupportsRead
    from recordfs.filesystem import FileSystem, RandomAccessFile
    from recordfs.paths import PathInput

    OneSource = PathInput | RandomAccessFile | SupportsRead
    Source = OneSource | Iterable[OneSource]

__all__ = ["OpenableSource", "Position", "Sources", "check_readable_again", "expand_sources", "sources_of_files"]

MAX_OFFSET = 2**63 - 1
"""No file reaches further: sizes and offsets are signed 64-bit numbers everywhere."""


class Position(NamedTuple):
    """A place between two records, to resume at: ``RecordReader(source, start=position)``.

    Attributes:
        path: The file, as the reader names it.
        offset: Where a record begins in it, in bytes of the uncompressed stream.
    """

    path: str
    offset: int

    def __repr__(self) -> str:
        return f"Position(path={redact(self.path)!r}, offset={self.offset})"


class OpenableSource(NamedTuple):
    """One file to read: on a filesystem, or one that is open already, which may be read several times."""

    path: str
    file_system: FileSystem | None
    file: SupportsReadInto | None


def expand_sources(
    source: Any, *, file_system: FileSystem | None = None, options: Mapping[str, Any] | None = None
) -> list[OpenableSource]:
    """Return the files that a source stands for, in the order in which they are read.

    Raises:
        NotFoundError: A pattern matches nothing.
        InvalidArgumentError: There is no source at all.
        TypeError: It is neither a path nor readable nor an iterable of such.
    """
    if isinstance(source, SupportsReadInto):
        return [OpenableSource(name_of(source), None, source)]
    if is_file_object(source, "readinto") or is_file_object(source, "read"):
        return [OpenableSource(name_of(source), None, FileObjectReader(source))]
    if isinstance(source, (str, bytes, os.PathLike)):
        return _expand_path(source, file_system, options)
    try:
        items: Iterable[Any] = iter(source)
    except TypeError:
        raise TypeError(
            f"a source has to be a path, a pattern, a readable file object or a list of these, "
            f"found {type(source).__name__}"
        ) from None
    found = [one for item in items for one in expand_sources(item, file_system=file_system, options=options)]
    if not found:
        raise InvalidArgumentError("the list of sources is empty, so that nothing would be read; give at least one")
    return found


def _expand_path(
    path: str | bytes | os.PathLike[Any], file_system: FileSystem | None, options: Mapping[str, Any] | None
) -> list[OpenableSource]:
    file_system, name = resolve(path, file_system=file_system, options=options)
    # PathLike and bytes name a file exactly; a str may be a pattern, unless something has that very name.
    if isinstance(path, str) and has_wildcards(name) and not file_system.file_exists(name):
        matches = file_system.get_matching_paths(name)
        if not matches:
            raise no_match_error(file_system, name)
        return [OpenableSource(match, file_system, None) for match in without_indexes(sorted(matches))]
    return [OpenableSource(name, file_system, None)]


def sources_of_files(
    names: Iterable[str], *, file_system: FileSystem | None, options: Mapping[str, Any] | None
) -> list[OpenableSource]:
    """Return the sources of files with exactly these names, which ``expand_sources`` found, perhaps elsewhere."""
    found = []
    for name in names:
        serving, path = resolve(name, file_system=file_system, options=options)
        found.append(OpenableSource(path, serving, None))
    return found


def check_readable_again(sources: Iterable[OpenableSource]) -> None:
    """Raise if one of the sources cannot be read from its beginning again.

    Raises:
        FailedPreconditionError: A file object was read, and cannot seek back to where it stood.
    """
    for source in sources:
        if isinstance(source.file, FileObjectReader) and not source.file.can_begin_again():
            raise FailedPreconditionError(
                "this file object was read from and cannot seek back, so its records cannot be iterated over again: "
                "keep one iterator and go on with that, or give a path",
                path=source.path,
            )


class Sources:
    """Opens sources one after the other for the native reader, which closes them.

    Args:
        sources: What ``expand_sources`` returned. Several of these objects may read the same sources.
        compression: A name that the native reader knows, or ``"auto"``.
        start: Where to start: in the first source, or in the one that a Position names.
        share: Which of the sources are read, where several processes share them by file.
        follow: Whether the last source is waited for when it ends, and watched for being replaced.
        on_replaced: ``"raise"`` that, or ``"restart"`` with what stands at its path then.

    Raises:
        InvalidArgumentError: ``start`` is negative, beyond what a file can have, or names a path that is not among the
            sources, or more than once; ``on_replaced`` is neither; or the last source is to be opened again and has no
            path.
    """

    def __init__(
        self,
        sources: list[OpenableSource],
        compression: str,
        start: Position | int | None,
        *,
        share: Share = WHOLE,
        follow: bool = False,
        on_replaced: str = "raise",
    ) -> None:
        if on_replaced not in ("raise", "restart"):
            raise InvalidArgumentError(f'on_replaced has to be "raise" or "restart", found {on_replaced!r}')
        if follow and on_replaced == "restart" and sources[-1].file_system is None:
            raise InvalidArgumentError(
                'on_replaced="restart" opens the last source again, so that has to be a path', path=sources[-1].path
            )
        self._sources = sources
        self._compression = compression
        first, offset = self._find_start(start)
        self._turns = [index for index in range(first, len(sources)) if index % share.total == share.number]
        self._start = offset if self._turns[:1] == [first] else 0
        self._next = 0
        self._opened: Any = None
        self._on_replaced = on_replaced
        # Neither of these leads back here: a cycle would keep files open until the next garbage collection.
        self._opener = _Opener(sources, self._turns, follow=follow)
        self._files = FilesAhead(self._opener.open, self._opener.may_open_ahead, len(self._turns))

    def _find_start(self, start: Position | int | None) -> tuple[int, int]:
        if start is None:
            return 0, 0
        if not isinstance(start, tuple):
            index, offset = 0, whole_number(start, "start")
        else:
            path, offset = path_to_str(start[0]), whole_number(start[1], "the offset to start at")
            matching = [index for index, source in enumerate(self._sources) if source.path == path]
            if not matching:
                raise InvalidArgumentError("the position to start at is in none of the sources", path=path)
            if len(matching) > 1:
                raise InvalidArgumentError(
                    f"the position to start at is in {len(matching)} of the sources, which are the same file: it does "
                    "not tell how many of them were read. Give the sources that are left, and the offset alone",
                    path=path,
                )
            index = matching[0]
        if offset > MAX_OFFSET:
            raise InvalidArgumentError(
                f"start has to be at most {MAX_OFFSET}, found {offset}", path=self.path_of(index)
            )
        return index, offset

    def path_of(self, index: int) -> str:
        """Return the name of a source."""
        return self._sources[min(index, len(self._sources) - 1)].path

    @property
    def start(self) -> tuple[int, int]:
        """The source that is opened next, and the offset to start at in it."""
        return self._turns[self._next] if self._next < len(self._turns) else len(self._sources), self._start

    def open_first(self) -> None:
        """Open the first source already, so that whoever makes the reader gets the error if it is missing."""
        self._opened = self._open()

    def is_last(self) -> bool:
        """Tell whether ``open_next`` would return None."""
        return self._opened is None and self._next >= len(self._turns)

    def open_next(self) -> tuple[Any, str, str, int, int] | None:
        """Open the next source.

        Returns:
            ``(file, path, compression, start, index)``, or None after the last one.

        Raises:
            As ``FileSystem.new_random_access_file``. The next call tries the same source again.
        """
        opened, self._opened = self._opened, None
        return opened if opened is not None else self._open()

    def open_again(self) -> tuple[Any, str, str, int, int] | None:
        """Begin again with the last source after it was replaced; wait for it where it was deleted.

        Returns:
            As ``open_next``, or None if that is not wanted or it was not replaced.
        """
        followed = self._opener.followed
        if self._on_replaced != "restart" or followed is None or not followed.replaced:
            return None
        index = len(self._sources) - 1
        path, file_system, _ = self._sources[index]
        assert file_system is not None
        self._opener.followed = FollowedFile(path, file_system, may_be_missing=True)
        return self._opener.followed, path, self._compression, 0, index

    def descriptor_of(self, file: Any) -> int | None:
        """Return the descriptor by which native code may read an open source from a thread of its own.

        Returns:
            None where only the file's own methods may read it. Those of a subclass, or of a wrapper that has the
            descriptor of its inner file, may do more than to read.
        """
        from recordfs.filesystems._posix_files import PosixRandomAccessFile  # loaded where there is such a file

        return file.fileno() if type(file) is PosixRandomAccessFile else None

    def check_ending(self) -> bool:
        """Tell, when the time to wait for a followed file is over, whether to begin again with what stands there now.

        Raises:
            What leaves open whether there is more.
        """
        followed = self._opener.followed
        if followed is None:
            return False
        try:
            followed.check_ending()
        except AbortedError:
            if self._on_replaced == "raise":
                raise
            # It was too short, or gone, not yet for long enough to count as replaced: nobody will look later.
            was_asked, followed.replaced = followed.replaced, True
            return not was_asked
        return False

    def close(self) -> None:
        """Close what is open and was never asked for."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()
        self._files.close()

    def _open(self) -> tuple[Any, str, str, int, int] | None:
        if self._next >= len(self._turns):
            return None
        opened = self._files.open(self._next, self._start)
        index = self._turns[self._next]
        start, self._start = self._start, 0
        self._next += 1
        return opened, self._sources[index].path, self._compression, start, index


class _Opener:
    """Opens the source whose turn it is."""

    def __init__(self, sources: list[OpenableSource], turns: list[int], *, follow: bool) -> None:
        self._sources = sources
        self._turns = turns
        self._follow = follow
        self.followed: FollowedFile | None = None

    def open(self, turn: int) -> Any:
        path, file_system, file = self._sources[self._turns[turn]]
        if file is not None:
            return BorrowedReader(file)
        assert file_system is not None
        if self._is_followed(turn):
            self.followed = FollowedFile(path, file_system)
            return self.followed
        return file_system.new_random_access_file(path)

    def may_open_ahead(self, turn: int) -> bool:
        """Tell whether a source may be opened before its turn; what is open already is the caller's."""
        return self._sources[self._turns[turn]].file_system is not None and not self._is_followed(turn)

    def _is_followed(self, turn: int) -> bool:
        return self._follow and self._turns[turn] == len(self._sources) - 1
