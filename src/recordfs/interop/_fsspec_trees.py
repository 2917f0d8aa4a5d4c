"""Walks and listings as fsspec knows them, over what recordfs lists: nothing that is in a tree goes unseen.

fsspec walks by ``ls``, and hands on to it the words that it does not know. In a store of keys ``a`` and ``a/b`` may
both be there, which one path of fsspec names: it is the file then, and what is below it is in the tree all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from fsspec.spec import AbstractFileSystem

from recordfs.interop._fsspec_values import check_is_below, children_of_key, info_of, infos_of_children
from recordfs.paths import is_temporary_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recordfs.filesystem import DirectoryEntry, FileSystem

__all__ = ["WITHIN", "TreeFileSystem"]

_WALK = "_walk"
"""The word by which a walk hands a _Walk on to the walks below it, and to ``ls``."""


WITHIN = "_within"
"""The word by which a copy hands on to the copies of its files where they all have to go."""


class _Walk(NamedTuple):
    """What the parts of one walk share.

    Attributes:
        top: Where it began, as recordfs takes it.
        list_directory: Lists its directories, as ``FileSystem.tree_lister`` does.
        on_error: What the caller asked for.
    """

    top: str
    list_directory: Callable[[str], Iterable[DirectoryEntry]]
    on_error: Any


def _raise_unless_missing(error: Exception) -> None:
    """Pass over a directory that has gone since it was listed, and raise anything else."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


class TreeFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The part of a filesystem of fsspec that lists, and copies what it lists."""

    def _serving(self, path: str) -> tuple[FileSystem, str]:
        """Return the filesystem of recordfs for a path, and the path as it takes it."""
        raise NotImplementedError

    def walk(self, path: str, maxdepth: int | None = None, **keywords: Any) -> Iterator[Any]:
        """Walk a tree; see AbstractFileSystem.

        Unlike there, a directory that cannot be listed is an error unless ``on_error`` is a function that takes it:
        what was not seen would be missing from a copy, and be deleted by a move.
        """
        # fsspec walks a directory's directories by calling this again, but does not pass `on_error` on.
        if _WALK not in keywords:
            file_system, full = self._serving(path)
            if maxdepth is None:
                list_directory = file_system.tree_lister(full)
            else:  # the whole tree may be much larger than what is asked for

                def list_directory(directory: str) -> Iterable[DirectoryEntry]:
                    return file_system.series_lister([directory])(directory)

            keywords[_WALK] = _Walk(full, list_directory, keywords.pop("on_error", "omit"))
        asked = keywords[_WALK].on_error
        on_error = asked if callable(asked) or asked == "raise" else _raise_unless_missing
        for top, directories, files in super().walk(path, maxdepth, on_error=on_error, **keywords):
            # What is written but not published yet is not part of a tree, and so no match of a pattern.
            for name in list(filter(is_temporary_name, files)):
                files.pop(name) if isinstance(files, dict) else files.remove(name)
            yield top, directories, files

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **keywords: Any,
    ) -> Any:
        """List all files below a path, and the path itself if it is one; see AbstractFileSystem."""
        top = self._strip_protocol(path)
        found: dict[str, Any] = {}
        if withdirs and top != "" and self.isdir(top):
            found[top] = self.info(top)
        for _, directories, files in self.walk(top, maxdepth, detail=True, **keywords):
            found.update({info["name"]: info for info in files.values()})
            if withdirs:
                for info in directories.values():
                    found.setdefault(info["name"], info)  # what is a file as well is the file
        names = sorted(found)
        return {name: found[name] for name in names} if detail else names

    def ls(self, path: str, detail: bool = True, **keywords: Any) -> list[Any]:
        """List a directory, or a file itself."""
        file_system, full = self._serving(path)
        directory = self._strip_protocol(path)
        walk: _Walk | None = keywords.get(_WALK)
        try:
            entries = None if walk is None else list(walk.list_directory(full))
        except NotADirectoryError:
            entries = None
        infos = []
        is_top = walk is not None and walk.top == full
        if entries is None or (is_top and file_system.capabilities(full).verbatim_names):
            # In a store of keys the top of a tree can be a file as well, which its own listing does not show.
            statistics = file_system.stat(full)
            if not statistics.is_directory:
                infos.append(info_of(directory, statistics))
            if entries is None and statistics.is_directory:
                entries = list(file_system.list_directory(full))
            elif entries is None:
                entries = [] if walk is None else children_of_key(walk.list_directory, full)
        infos.extend(infos_of_children(file_system, full, directory, entries, detail=detail))
        return infos if detail else [info["name"] for info in infos]

    def copy(self, path1: Any, path2: Any, *arguments: Any, **keywords: Any) -> None:
        """Copy files or trees; see AbstractFileSystem. A key such as ``a/../b`` leads out of no target.

        Raises:
            InvalidArgumentError: The target of a name that was found lies outside of ``path2``.
        """
        if isinstance(path2, str):
            keywords[WITHIN] = path2
        super().copy(path1, path2, *arguments, **keywords)

    def get(self, rpath: Any, lpath: Any, *arguments: Any, **keywords: Any) -> None:
        """Copy files or trees to local ones; see AbstractFileSystem. Raises as ``copy``, also with older fsspec."""
        if isinstance(lpath, str):
            keywords[WITHIN] = lpath
        super().get(rpath, lpath, *arguments, **keywords)

    def get_file(self, rpath: str, lpath: Any, *arguments: Any, **keywords: Any) -> None:
        """Copy a file to a local one; see AbstractFileSystem."""
        within = keywords.pop(WITHIN, None)
        if within is not None:
            check_is_below(lpath, within, self._serving(rpath)[1])
        super().get_file(rpath, lpath, *arguments, **keywords)

    def expand_path(self, path: Any, *arguments: Any, **keywords: Any) -> list[str]:
        """Return the paths that a path, a pattern or a tree stands for; see AbstractFileSystem."""
        keywords.pop(WITHIN, None)
        found: list[str] = super().expand_path(path, *arguments, **keywords)
        return found
