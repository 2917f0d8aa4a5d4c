"""A filesystem as small as it can be: one dict. What a real one does is compared with it.

The model decides which errors a call may raise (all that apply, where several things are wrong) and what the tree holds
afterwards; nothing here does I/O. Paths are relative, like ``a/b``; the root is the empty path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.errors import (
    AlreadyExistsError,
    DirectoryNotEmptyError,
    InvalidArgumentError,
    IsADirectoryError,
    NotADirectoryError,
    NotFoundError,
)

if TYPE_CHECKING:
    from recordfs.errors import RecordFSError

    Errors = set[type[RecordFSError]]

__all__ = ["Model"]


class Model:
    """What should be stored.

    Args:
        explicit: Whether directories have to be made before files go into them, and stay.

    Attributes:
        nodes: Bytes for a file, None for a directory that was made.
    """

    def __init__(self, *, explicit: bool) -> None:
        self.explicit = explicit
        self.nodes: dict[str, bytes | None] = {"": None}

    # Questions.

    def is_file(self, path: str) -> bool:
        """Tell whether a file is there."""
        return self.nodes.get(path) is not None

    def is_directory(self, path: str) -> bool:
        """Tell whether a directory was made, or is there through what is in it."""
        return (path in self.nodes and not self.is_file(path)) or bool(self.inside(path))

    def exists(self, path: str) -> bool:
        """Tell whether anything is there."""
        return self.is_file(path) or self.is_directory(path)

    def inside(self, path: str) -> list[str]:
        """Return every stored path below a directory."""
        prefix = f"{path}/" if path else ""
        return [other for other in self.nodes if other.startswith(prefix) and other not in ("", path)]

    def children(self, path: str) -> dict[str, bool]:
        """Return the names in a directory, and whether each is a directory."""
        skip = len(path) + 1 if path else 0
        names = {other[skip:].split("/", 1)[0] for other in self.inside(path)}
        return {name: self.is_directory(f"{path}/{name}" if path else name) for name in names}

    def content(self, path: str) -> bytes:
        """Return the bytes of a file that is there."""
        data = self.nodes[path]
        assert data is not None
        return data

    # What is wrong with a call: empty if nothing is.

    def wrong_above(self, path: str) -> Errors:
        """Return what forbids that anything comes to stand at a path."""
        parts = path.split("/")[:-1]
        above = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
        if any(self.is_file(parent) for parent in above):
            return {NotADirectoryError}
        if self.explicit and not all(self.is_directory(parent) for parent in above):
            return {NotFoundError}
        return set()

    def wrong_missing(self, path: str) -> Errors:
        """Return what is wrong where something has to be there."""
        if self.exists(path):
            return set()
        return {NotADirectoryError} if NotADirectoryError in self.wrong_above(path) else {NotFoundError}

    def wrong_as_file(self, path: str) -> Errors:
        """Return what is wrong where a file has to be there."""
        return {IsADirectoryError} if self.is_directory(path) else self.wrong_missing(path)

    def wrong_as_directory(self, path: str) -> Errors:
        """Return what is wrong where a directory has to be there."""
        return {NotADirectoryError} if self.is_file(path) else self.wrong_missing(path)

    def wrong_to_write(self, path: str, *, exclusive: bool = False) -> Errors:
        """Return what forbids writing a file."""
        if self.exists(path) and exclusive:
            return {AlreadyExistsError}
        return {IsADirectoryError} if self.is_directory(path) else self.wrong_above(path)

    def wrong_to_create_dir(self, path: str) -> Errors:
        """Return what forbids making a directory."""
        return {AlreadyExistsError} if self.exists(path) else self.wrong_above(path)

    def wrong_to_create_dirs(self, path: str) -> Errors:
        """Return what forbids making a directory with those above it."""
        if self.is_file(path) or NotADirectoryError in self.wrong_above(path):
            return {NotADirectoryError}
        return set()

    def wrong_to_delete_dir(self, path: str) -> Errors:
        """Return what forbids deleting one directory."""
        if self.is_directory(path) and self.inside(path):
            return {DirectoryNotEmptyError}
        return self.wrong_as_directory(path)

    def wrong_to_copy(self, source: str, target: str, *, overwrite: bool) -> Errors:
        """Return what forbids a copy."""
        wrong = self.wrong_as_file(source) | self.wrong_above(target)
        if self.exists(target) and not overwrite:
            wrong.add(AlreadyExistsError)
        if self.is_directory(target):
            wrong.add(IsADirectoryError)
        return wrong

    def wrong_to_rename(self, source: str, target: str, *, overwrite: bool) -> Errors:
        """Return what forbids a rename."""
        wrong = self.wrong_missing(source) | self.wrong_above(target)
        if self.exists(target) and not overwrite:
            wrong.add(AlreadyExistsError)
        if target == source:
            return wrong
        if target.startswith(f"{source}/"):
            wrong.add(InvalidArgumentError)
        if self.is_directory(target):
            if self.is_file(source):
                wrong.add(IsADirectoryError)
            elif self.inside(target):
                wrong.add(DirectoryNotEmptyError)
        elif self.is_file(target) and self.is_directory(source):
            wrong.add(NotADirectoryError)
        return wrong

    # Changes, of which nothing is wrong.

    def write(self, path: str, data: bytes) -> None:
        """Make or replace a file."""
        self.nodes[path] = data

    def create_dir(self, path: str) -> None:
        """Make one directory."""
        self.nodes[path] = None

    def create_dirs(self, path: str) -> None:
        """Make a directory and those above it that are missing."""
        parts = path.split("/")
        missing = [above for count in range(1, len(parts) + 1) if not self.exists(above := "/".join(parts[:count]))]
        self.nodes.update(dict.fromkeys(missing))

    def delete(self, path: str) -> None:
        """Delete a path with all below it."""
        for gone in [*self.inside(path), path]:
            self.nodes.pop(gone, None)

    def rename(self, source: str, target: str) -> None:
        """Move a path with all below it."""
        if source == target:
            return
        self.nodes.pop(target, None)
        moved = {name: self.nodes.pop(name) for name in [*self.inside(source), source] if name in self.nodes}
        self.nodes.update({target + name[len(source) :]: data for name, data in moved.items()})
