"""``memmapped_package://``: the regions of one of TensorFlow's memory-mapped packages as read-only files.

A package holds a frozen graph and its tensors, laid out so that mapping the file is all the loading there is. Its
names say nothing about where it lies, so the package is an option of the filesystem, as TensorFlow's ``MemmappedEnv``
is initialized from a file:

    recordfs.configure_file_system("memmapped_package", package="model.pkg")
    recordfs.get_file_system("memmapped_package://", options={"package": "other.pkg"})
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from recordfs._core import ReadOnlyMemoryRegion
from recordfs.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    error_from_os_error,
)
from recordfs.filesystem import Capabilities, FileStatistics, RandomAccessFile
from recordfs.filesystems._memmapped_package import (
    DEFAULT_GRAPH,
    PREFIX,
    TENSOR_ALIGNMENT,
    MemmappedPackageWriter,
    Region,
    read_directory,
)
from recordfs.filesystems.read_only import READ_ONLY, ReadOnlyFileSystem
from recordfs.paths import parse_path, path_to_str

if TYPE_CHECKING:
    from recordfs.paths import PathInput

__all__ = ["DEFAULT_GRAPH", "PREFIX", "TENSOR_ALIGNMENT", "MemmappedFileSystem", "MemmappedPackageWriter"]

_CAPABILITIES = READ_ONLY._replace(memory_region=True, modification_time=False)


class MemmappedFileSystem(ReadOnlyFileSystem):
    """The regions of one package. Files are views of one mapping, made at first use and kept.

    A package that was replaced is mapped again when the next file is opened; those that are open keep the old one.

    There are no directories, and a package cannot be changed: listing and everything that writes raises
    UnimplementedError. ``region_names`` has all names, and ``MemmappedPackageWriter`` writes whole packages. Without a
    package every reading call raises FailedPreconditionError.

    Args:
        package: A local path, or a ReadOnlyMemoryRegion that holds the package (that is how one comes from any other
            filesystem: ``get_file_system(path).new_read_only_memory_region_from_file(path)``). The file must not be
            shortened while it is in use; see ``FileSystem.new_read_only_memory_region_from_file``.
        options: None else.

    Raises:
        InvalidArgumentError: An option is unknown, or ``package`` is a path with a scheme.
    """

    def __init__(self, *, package: PathInput | ReadOnlyMemoryRegion | None = None, **options: object) -> None:
        super().__init__(**options)
        self._source: str | ReadOnlyMemoryRegion | None = None
        if isinstance(package, ReadOnlyMemoryRegion):
            self._source = package
        elif package is not None:
            parsed = parse_path(path_to_str(package))
            if parsed.scheme not in ("", "file"):
                raise InvalidArgumentError(
                    "a package is mapped from a local file; for this one give package= the region that "
                    "new_read_only_memory_region_from_file of its filesystem returns",
                    path=path_to_str(package),
                )
            self._source = parsed.path
        self._loaded: tuple[ReadOnlyMemoryRegion, dict[str, Region]] | None = None
        self._loaded_version: object = None

    @property
    def region_names(self) -> list[str]:
        """The names of all regions, in the order of the package.

        Raises:
            FailedPreconditionError: No package was given.
            DataLossError: The package is damaged.
            NotFoundError: The package is missing.
        """
        return list(self._load(PREFIX)[1])

    def capabilities(self, path: str) -> Capabilities:
        """Return that files can be read and mapped, and nothing else."""
        return _CAPABILITIES

    def describe(self) -> dict[str, str]:
        """Return which package it is."""
        return {"package": "none is given" if self._source is None else self._source_name()}

    def stat(self, path: str) -> FileStatistics:
        """Return the size of a region; a package keeps no times."""
        return FileStatistics(self._find(path).length, 0, False)

    def new_random_access_file(self, path: str) -> RandomAccessFile:
        """Open a region for reading."""
        return _RegionFile(path, self.new_read_only_memory_region_from_file(path))

    def new_read_only_memory_region_from_file(self, path: str) -> ReadOnlyMemoryRegion:
        """Return a part of the package's mapping, without a copy."""
        region = self._find(path)
        return self._load(path)[0].subregion(region.offset, region.length)

    def _find(self, path: str) -> Region:
        _, regions = self._load(path)
        parsed = parse_path(path)
        region = regions.get(PREFIX + parsed.authority + parsed.path)
        if region is None:
            raise NotFoundError(f"the package {self._source_name()} has no such region", path=path)
        return region

    def _load(self, path: str) -> tuple[ReadOnlyMemoryRegion, dict[str, Region]]:
        """Map the package and read its directory, again if another file stands there now.

        Threads that meet here first do the same work twice.
        """
        if self._source is None:
            raise FailedPreconditionError(
                'no package is open; give one with recordfs.configure_file_system("memmapped_package", '
                "package=...) or options={'package': ...}",
                path=path,
            )
        version = _version_of(self._source)
        loaded = self._loaded
        if loaded is None or version not in (None, self._loaded_version):
            whole = _map_local(self._source) if isinstance(self._source, str) else self._source
            with whole.data as view:
                loaded = (whole, read_directory(view, self._source_name()))
            self._loaded, self._loaded_version = loaded, version
        return loaded

    def _source_name(self) -> str:
        return self._source if isinstance(self._source, str) else repr(self._source)


def _version_of(source: str | ReadOnlyMemoryRegion) -> object:
    """Return what tells a file from another of its name; None of a region, and of a file that is gone."""
    if not isinstance(source, str):
        return None
    try:
        status = os.stat(source)
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _map_local(path: str) -> ReadOnlyMemoryRegion:
    """Map a local file."""
    try:
        with open(path, "rb") as file:
            return ReadOnlyMemoryRegion.map_file(file.fileno())
    except OSError as error:
        raise error_from_os_error(error, path) from error


class _RegionFile(RandomAccessFile):
    """A region open for reading."""

    def __init__(self, name: str, region: ReadOnlyMemoryRegion) -> None:
        super().__init__(name)
        self._region = region

    def _read(self, offset: int, n: int) -> bytes:
        with self._view() as view:
            return bytes(view[offset : offset + n])

    def _size(self) -> int:
        with self._view() as view:
            return len(view)

    def _close(self) -> None:
        self._region.close()

    def _view(self) -> memoryview:
        """Return the region's bytes; another thread may close the file at any moment."""
        if self._region.closed:
            self._check_open()
        return self._region.data
