"""Matching patterns against a filesystem by listing only the directories that can hold matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from recordfs.errors import NotADirectoryError, NotFoundError, PermissionDeniedError, UnimplementedError
from recordfs.paths import (
    TEMPORARY_NAME,
    has_wildcards,
    is_temporary_name,
    match_component,
    published_names,
    split_pattern,
    unescape_literal,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from recordfs.filesystem import DirectoryEntry, FileSystem

__all__ = ["find_matching_paths", "no_match_error"]


class _Component(NamedTuple):
    """One part of a pattern between slashes.

    Attributes:
        literal: The name it stands for if it has no wildcards, else None.
        matches: A test of names; None where every name matches.
        any_depth: It is ``**`` and crosses directories.
        temporary: It asks by name for what writers have not published, which no other pattern matches.
    """

    literal: str | None
    matches: Callable[[str], object] | None = None
    any_depth: bool = False
    temporary: bool = False


def find_matching_paths(file_system: FileSystem, pattern: str, *, recursive: bool = False) -> list[str]:
    """Return the full paths that match a pattern, sorted, each once.

    Args:
        file_system: Where to look.
        pattern: As in ``FileSystem.get_matching_paths``.
        recursive: Let a component ``**`` match any number of directories, none included, without following links; as
            the last one it matches everything below.
    """
    if not has_wildcards(pattern):
        literal = unescape_literal(pattern)
        return [literal] if file_system.file_exists(literal) else []
    fixed, parts = split_pattern(pattern)
    components = [_component(part, recursive=recursive) for part in parts]
    search = _Search(file_system, components)
    search.collect(fixed, 0)
    found = sorted(search.found)
    if any(component.any_depth for component in components):
        # Two of them can find one path in several ways; in a store of keys one path can name a directory and a key.
        return list(dict.fromkeys(found))
    return found


def no_match_error(file_system: FileSystem, pattern: str) -> NotFoundError:
    """Return the error for a pattern that matches nothing; it says if even its directory or bucket is missing."""
    fixed, _ = split_pattern(pattern)
    if fixed:
        try:
            file_system.stat(fixed)
        except (NotFoundError, NotADirectoryError) as error:
            return NotFoundError(f"nothing matches this pattern; {fixed}: {error.message}", path=pattern)
        except (PermissionDeniedError, UnimplementedError):
            pass  # Listing worked, and said that nothing matches.
    return NotFoundError("nothing matches this pattern", path=pattern)


def _component(part: str, *, recursive: bool) -> _Component:
    if not has_wildcards(part):
        return _Component(unescape_literal(part))
    if part == "**" and recursive:
        return _Component(None, any_depth=True)
    if part.startswith(TEMPORARY_NAME):
        return _Component(None, match_component(part), temporary=True)
    return _Component(None, None if part in ("*", "**") else match_component(part))


class _Search:
    """One search: what it goes through, and what it has found.

    Attributes:
        file_system: Where it looks.
        components: The parts of the pattern, after those that are fixed.
        found: The paths that match, so far.
    """

    def __init__(self, file_system: FileSystem, components: list[_Component]) -> None:
        self.file_system = file_system
        self.components = components
        self.found: list[str] = []

    def collect(self, directory: str, position: int, listed: list[DirectoryEntry] | None = None) -> None:
        """Add what matches the components from a position on, inside a directory ("" or with its trailing slash).

        ``listed`` holds the directory's children where they are known already.
        """
        component = self.components[position]
        last = position + 1 == len(self.components)
        if component.any_depth:
            self._collect_at_any_depth(directory, position)
        elif component.literal is not None:
            # Literal parts after a wildcard are looked up, not listed.
            path = directory + component.literal
            if listed is not None and not _may_be_among(component.literal, listed):
                return
            if not last:
                self.collect(path + "/", position + 1)
            elif self.file_system.file_exists(path):
                self.found.append(path)
        else:
            # By index, which is quicker than by name where there are very many.
            if last:
                entries = _entries(self.file_system.list_directory, directory) if listed is None else listed
                names = [entry[0] for entry in entries if entry[0] and entry[0][-1] != "/"]
            else:
                # A series shows a directory that has a file's name, too: what is below it must not go unseen.
                lister = self.file_system.series_lister([directory])
                entries = _entries(lister, directory) if listed is None else listed
                names = [entry[0].removesuffix("/") for entry in entries if entry[1] and entry[0]]
            if not component.temporary:
                names = published_names(names)
            matching = names if component.matches is None else filter(component.matches, names)
            if last:
                self.found.extend([directory + name for name in matching])
            else:
                self._collect_in_each([f"{directory}{name}/" for name in matching], position + 1)

    def _collect_in_each(self, directories: list[str], position: int) -> None:
        """Add what matches the components from a position on in any of several directories, asking for many at once."""
        component = self.components[position]
        if component.literal is not None and position + 1 == len(self.components):
            paths = [directory + component.literal for directory in directories]
            there = self.file_system.files_exist(paths)
            self.found.extend([path for path, exists in zip(paths, there, strict=True) if exists])
            return
        listed_here = component.literal is None and not component.any_depth
        list_directory = self.file_system.series_lister(directories) if listed_here else None
        for directory in directories:
            listed = None if list_directory is None else _entries(list_directory, directory)
            self.collect(directory, position, listed)

    def _collect_at_any_depth(self, top: str, position: int) -> None:
        """Add what matches the components after ``**`` in a directory and in all those below it."""
        last = position + 1 == len(self.components)
        list_directory = self.file_system.tree_lister(top or ".")
        stack = [top]
        while stack:
            directory = stack.pop()
            entries = _entries(list_directory, directory)
            stack.extend(
                f"{directory}{entry[0].removesuffix('/')}/"
                for entry in reversed(entries)
                if entry[1] and not entry.is_symbolic_link and not is_temporary_name(entry[0])
            )
            if last:
                # What has no name is a directory (or its own key): its path ends with the slash after the empty name.
                self.found.extend(
                    [directory + (entry[0] or "/" * entry[1]) for entry in entries if not is_temporary_name(entry[0])]
                )
            else:
                self.collect(directory, position + 1, entries)


def _may_be_among(literal: str, listed: list[DirectoryEntry]) -> bool:
    """Tell whether a name can lead anywhere from a directory with these children."""
    return literal in ("", ".", "..") or any(entry[0] == literal for entry in listed)


def _entries(list_directory: Callable[[str], Iterable[DirectoryEntry]], directory: str) -> list[DirectoryEntry]:
    """Return a directory's children; one that is missing or may not be read has none."""
    try:
        return list(list_directory(directory or "."))
    except (NotFoundError, NotADirectoryError, PermissionDeniedError):
        return []
