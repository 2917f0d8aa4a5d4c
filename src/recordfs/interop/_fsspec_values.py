"""What fsspec's methods take and give, in terms of recordfs: rows of listings, ranges of many files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from recordfs.errors import InvalidArgumentError, NotADirectoryError, NotFoundError
from recordfs.paths import clean_path, join, parse_path, scheme_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from recordfs.filesystem import DirectoryEntry, FileStatistics, FileSystem, RandomAccessFile

__all__ = ["check_is_below", "children_of_key", "info_of", "infos_of_children", "offset_and_length", "spread"]


def children_of_key(list_directory: Callable[[str], Iterable[DirectoryEntry]], full: str) -> list[DirectoryEntry]:
    """Return what is below a file: in a store of keys a tree may have ``a`` and ``a/b``; else nothing is.

    Args:
        list_directory: What ``FileSystem.tree_lister`` returned.
        full: The file as recordfs takes it.
    """
    try:
        return list(list_directory(f"{full}/"))
    except (NotADirectoryError, NotFoundError):
        return []


def infos_of_children(
    file_system: FileSystem, full: str, directory: str, entries: Iterable[DirectoryEntry], *, detail: bool
) -> Iterator[dict[str, Any]]:
    """Yield the row that ``ls`` gives of each child of a directory.

    Args:
        file_system: What it is on.
        full: The directory as recordfs takes it.
        directory: The directory as fsspec takes it.
        entries: Its children.
        detail: Whether sizes are wanted that a listing does not tell.

    Raises:
        InvalidArgumentError: No path of fsspec can name one of them.
    """
    for entry in entries:
        if entry.only_in_trees and not entry.name:
            raise InvalidArgumentError(
                "a key here has nothing between two slashes or ends with one, and no path of fsspec can name it; "
                "use recordfs itself, or rename it",
                path=full,
            )
        bare_name = entry.name.removesuffix("/")
        name = join(directory, bare_name) if directory else bare_name
        info: dict[str, Any] = {"name": name, "size": entry.length, "type": "file"}
        if entry.is_directory:
            info.update(size=0, type="directory")
        elif detail and entry.length is None:
            info = info_of(name, file_system.stat(join(full, entry.name)))
        if entry.is_symbolic_link:
            info["islink"] = True
        yield info


def info_of(name: str, statistics: FileStatistics) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": name,
        "size": None if statistics.length < 0 else statistics.length,
        "type": "directory" if statistics.is_directory else "file",
    }
    if statistics.mtime_nsec:
        info["mtime"] = statistics.mtime_nsec / 1e9
    return info


def check_is_below(target: str, top: str, source: str) -> None:
    """Raise InvalidArgumentError if a path that was made of a name found in a store leads out of where it was to go.

    Args:
        target: The path.
        top: Where it was to go; the path itself, or what is below it.
        source: What was to be copied there, for the error.
    """
    inner, outer = (os.path.abspath(path) if not scheme_of(path) else _cleaned(path) for path in (target, top))
    if inner != outer and not inner.startswith(f"{outer.rstrip('/')}/"):
        raise InvalidArgumentError(
            f"its copy would be {target}, which is outside of {top}, and is refused", path=source
        )


def _cleaned(path: str) -> str:
    parsed = parse_path(path)
    return f"{parsed.authority}{clean_path(parsed.path)}"


def spread(value: Any, count: int) -> Sequence[Any]:
    """Return one value for each of many files."""
    return list(value) if hasattr(value, "__iter__") else [value] * count


def offset_and_length(start: int | None, end: int | None, file: RandomAccessFile) -> tuple[int, int]:
    size = file.size()
    first, last, _ = slice(start, end).indices(size)
    return first, max(0, last - first)
