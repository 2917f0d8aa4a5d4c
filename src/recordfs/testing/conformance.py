"""The conformance suite: every statement of the filesystem contract as a numbered scenario.

Use it in a test file of one's own::

    import pytest
    from recordfs.testing.conformance import FileSystemConformance

    class TestMyFileSystem(FileSystemConformance):
        @pytest.fixture
        def file_system_and_root(self, tmp_path):
            return MyFileSystem(), f"my://{tmp_path}/root"

``docs/filesystem-contract.md`` lists the scenarios by their numbers. A scenario skips only where the filesystem's
``capabilities`` declare that it cannot do what the scenario is about; never override one to leave it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from recordfs.testing.appending import AppendingScenarios, TruncatingScenarios
from recordfs.testing.moving import CopyingScenarios, PatternScenarios, RenamingScenarios
from recordfs.testing.names import DeletingScenarios, DirectoryScenarios, ListingScenarios, StatScenarios
from recordfs.testing.place import Place
from recordfs.testing.processes import CapabilityScenarios, ProcessScenarios
from recordfs.testing.reading import ReadingScenarios
from recordfs.testing.updating import UpdatingScenarios
from recordfs.testing.versions import VersionScenarios
from recordfs.testing.writing import WritingScenarios

if TYPE_CHECKING:
    from recordfs.filesystem import FileSystem

__all__ = ["FileSystemConformance"]


class FileSystemConformance(
    ReadingScenarios,
    WritingScenarios,
    AppendingScenarios,
    TruncatingScenarios,
    UpdatingScenarios,
    StatScenarios,
    VersionScenarios,
    ListingScenarios,
    DirectoryScenarios,
    DeletingScenarios,
    RenamingScenarios,
    CopyingScenarios,
    PatternScenarios,
    ProcessScenarios,
    CapabilityScenarios,
):
    """All scenarios. A subclass gives the fixture ``file_system_and_root``."""

    @pytest.fixture
    def file_system_and_root(self) -> tuple[FileSystem, str]:
        """Return the filesystem to test, and the full path of a directory that is not there yet or is empty."""
        raise NotImplementedError(f"{type(self).__name__} has to define the fixture file_system_and_root")

    def put_file(self, file_system: FileSystem, path: str, data: bytes) -> None:
        """Make a file with these bytes. Replace it for a store that can only be read."""
        with file_system.new_writable_file(path) as file:
            file.append(data)

    def put_empty_files(self, file_system: FileSystem, paths: list[str]) -> None:
        """Make a thousand empty files in one directory. Replace it for a store where one by one takes long."""
        for path in paths:
            self.put_file(file_system, path, b"")

    @pytest.fixture
    def refused_path(self) -> tuple[FileSystem, str] | None:
        """Return the filesystem, and the path of a new file that the store refuses to take; or None to skip that.

        With credentials that may only read, say, or a quota that is used up. A server that works refuses nothing, so
        that only this shows whether a filesystem looks at the answers.
        """
        return None

    @pytest.fixture
    def place(self, file_system_and_root: tuple[FileSystem, str]) -> Place:
        """Where a scenario works."""
        file_system, root = file_system_and_root
        if file_system.capabilities(root).write:
            file_system.recursively_create_dir(root)
        return Place(file_system, root, self.put_file, self.put_empty_files)
