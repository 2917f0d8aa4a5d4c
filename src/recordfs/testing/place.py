"""Where a conformance scenario works: a filesystem, an empty directory of its own, and what scenarios often need."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from recordfs.errors import NotADirectoryError, NotFoundError
from recordfs.paths import join
from recordfs.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from recordfs.errors import RecordFSError
    from recordfs.filesystem import Capabilities, FileSystem

__all__ = ["Place"]


class Place:
    """A filesystem and a directory on it.

    Args:
        file_system: What is tested.
        root: The full path of an empty directory.
        put: How a file with given bytes comes to be; for stores that can only be read.
        put_empty_files: How many empty files come to be, in one directory; one after the other by ``put``, if None.
    """

    def __init__(
        self,
        file_system: FileSystem,
        root: str,
        put: Callable[[FileSystem, str, bytes], None] | None = None,
        put_empty_files: Callable[[FileSystem, list[str]], None] | None = None,
    ) -> None:
        self.file_system = file_system
        self.root = root
        self._put = put or _write_file
        self._put_empty_files = put_empty_files or self._put_one_by_one

    @property
    def capabilities(self) -> Capabilities:
        """What the filesystem declares for the directory."""
        return self.file_system.capabilities(self.root)

    @property
    def explicit(self) -> bool:
        """Whether directories have to be made before files go into them."""
        return self.capabilities.directories == "explicit"

    @property
    def error_below_a_file(self) -> type[RecordFSError] | tuple[type[RecordFSError], ...]:
        """What looking below a file raises; where directories are implicit, the path may simply be missing."""
        return NotADirectoryError if self.explicit else (NotADirectoryError, NotFoundError)

    def needs(self, *names: str) -> None:
        """Skip the scenario unless the filesystem declares all these capabilities."""
        missing = [name for name in names if not getattr(self.capabilities, name)]
        if missing:
            pytest.skip(f"{type(self.file_system).__name__} declares that it has no {', '.join(missing)}")

    def path(self, *names: str) -> str:
        """Return a full path below the directory."""
        return join(self.root, *names)

    def put(self, name: str, data: bytes = b"data") -> str:
        """Make a file, and its directory where that is needed, and return its full path."""
        path = self.path(name)
        if "/" in name:
            self._make_explicit_directory(path.rpartition("/")[0])
        self._put(self.file_system, path, data)
        return path

    def put_empty_files(self, directory: str, names: Iterable[str]) -> str:
        """Make empty files in one directory, which is made where that is needed, and return its full path."""
        path = self.path(directory)
        self._make_explicit_directory(path)
        self._put_empty_files(self.file_system, [join(path, name) for name in names])
        return path

    def directory(self, name: str) -> str:
        """Make a directory and return its full path."""
        path = self.path(name)
        self.file_system.create_dir(path)
        return path

    def get(self, path: str) -> bytes:
        """Return all bytes of a file."""
        with self.file_system.new_random_access_file(path) as file:
            return file.read(0, file.size())

    def names(self, path: str | None = None) -> list[str]:
        """Return the sorted names in a directory."""
        return sorted(self.file_system.get_children(self.root if path is None else path))

    @contextmanager
    def fails(self, kind: type[RecordFSError] | tuple[type[RecordFSError], ...], *paths: str) -> Iterator[None]:
        """Expect an error of a class, about one of these paths, that the built-in parents know too."""
        with pytest.raises(kind) as caught:
            yield
        assert caught.value.path in paths
        assert str(caught.value).startswith(redact(str(caught.value.path)))

    def _make_explicit_directory(self, path: str) -> None:
        if self.explicit and self.capabilities.write:
            self.file_system.recursively_create_dir(path)

    def _put_one_by_one(self, file_system: FileSystem, paths: list[str]) -> None:
        for path in paths:
            self._put(file_system, path, b"")


def _write_file(file_system: FileSystem, path: str, data: bytes) -> None:
    with file_system.new_writable_file(path) as file:
        file.append(data)
