"""A stateful test: random sequences of calls on a filesystem, each compared with a plain dict.

Use it in a test file of one's own (needs hypothesis)::

    from recordfs.testing.stateful import FileSystemMachine

    class MyMachine(FileSystemMachine):
        def open_place(self):
            return MyFileSystem(), "my://scratch/fresh-directory"

    TestMyFileSystem = MyMachine.TestCase

``TestMyFileSystem.settings`` takes hypothesis's settings, for fewer examples on a slow store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from recordfs.errors import InvalidArgumentError
from recordfs.paths import join
from recordfs.testing.model import Model

if TYPE_CHECKING:
    from collections.abc import Callable

    from recordfs.filesystem import FileSystem, WritableFile
    from recordfs.testing.model import Errors

__all__ = ["FileSystemMachine"]

# Few names, so that calls meet: "a" and "ab" because a name is not a prefix.
_NAMES = ("a", "ab")
_PATHS = [*_NAMES, *(f"{x}/{y}" for x in _NAMES for y in _NAMES), "a/a/a", "a/a/ab"]

paths = st.sampled_from(_PATHS)
contents = st.builds(
    lambda byte, size: bytes([byte]) * size, st.integers(0, 255), st.sampled_from([0, 1, 5, 1000, 66_000, 140_000])
)


class FileSystemMachine(RuleBasedStateMachine):
    """Random calls on a filesystem and on its model. A subclass gives ``open_place``."""

    _has_begun = False

    def open_place(self) -> tuple[FileSystem, str]:
        """Return the filesystem to test, and the full path of a fresh directory, made if that is needed."""
        raise NotImplementedError(f"{type(self).__name__} has to define open_place")

    def close_place(self) -> None:
        """Clean up; called at the end of every sequence."""

    @initialize()
    def begin(self) -> None:
        self.file_system, self.root = self.open_place()
        self.capabilities = self.file_system.capabilities(self.root)
        self.model = Model(explicit=self.capabilities.directories == "explicit")
        self.writers: dict[str, WritableFile] = {}
        self._has_begun = True

    def teardown(self) -> None:
        if self._has_begun:
            for writer in self.writers.values():
                writer.close()
            self.close_place()

    # Whole files.

    @rule(path=paths, data=contents, exclusive=st.booleans(), atomic=st.booleans())
    def write(self, path: str, data: bytes, exclusive: bool, atomic: bool) -> None:
        atomic = atomic and self.capabilities.atomic_write
        exclusive = exclusive and self.capabilities.exclusive_create
        if self.is_busy(path):
            return

        def call() -> None:
            with self.file_system.new_writable_file(self.full(path), exclusive=exclusive, atomic=atomic) as file:
                file.append(data)

        if self.agree(self.model.wrong_to_write(path, exclusive=exclusive), call):
            self.model.write(path, data)

    @rule(path=paths, data=contents)
    def append(self, path: str, data: bytes) -> None:
        if not self.capabilities.append or self.is_busy(path):
            return

        def call() -> None:
            with self.file_system.new_appendable_file(self.full(path)) as file:
                file.append(data)

        if self.agree(self.model.wrong_to_write(path), call):
            old = self.model.content(path) if self.model.is_file(path) else b""
            self.model.write(path, old + data)

    @rule(path=paths, length=st.sampled_from([0, 1, 5, 1000, 70_000]))
    def truncate(self, path: str, length: int) -> None:
        if not self.capabilities.truncate or self.is_busy(path):
            return
        wrong = self.model.wrong_as_file(path)
        if not wrong and length > len(self.model.content(path)):
            wrong = {InvalidArgumentError}
        if self.agree(wrong, lambda: self.file_system.truncate_file(self.full(path), length)):
            self.model.write(path, self.model.content(path)[:length])

    # Files that stay open; meanwhile nothing else touches their path.

    @precondition(lambda self: self.capabilities.flush_visibility == "flush" and len(self.writers) < 3)
    @rule(path=paths, data=contents)
    def open_writer(self, path: str, data: bytes) -> None:
        if self.is_busy(path) or self.model.wrong_to_write(path):
            return
        writer = self.file_system.new_writable_file(self.full(path))
        self.writers[path] = writer
        writer.append(data)
        writer.flush()
        self.model.write(path, data)

    @precondition(lambda self: self.writers)
    @rule(choice=st.randoms(use_true_random=False), pieces=st.lists(contents, max_size=4))
    def go_on_writing(self, choice: Any, pieces: list[bytes]) -> None:
        path = choice.choice(sorted(self.writers))
        writer = self.writers[path]
        writer.append_parts(pieces)
        self.model.write(path, self.model.content(path) + b"".join(pieces))
        assert writer.tell() == len(self.model.content(path))
        writer.flush()

    @precondition(lambda self: self.writers)
    @rule(choice=st.randoms(use_true_random=False), data=contents)
    def close_writer(self, choice: Any, data: bytes) -> None:
        path = choice.choice(sorted(self.writers))
        writer = self.writers.pop(path)
        writer.append(data)
        writer.close()
        self.model.write(path, self.model.content(path) + data)

    # Names.

    @rule(path=paths)
    def create_dir(self, path: str) -> None:
        wrong = self.model.wrong_to_create_dir(path)
        if self.agree(wrong, lambda: self.file_system.create_dir(self.full(path))):
            self.model.create_dir(path)

    @rule(path=paths)
    def recursively_create_dir(self, path: str) -> None:
        wrong = self.model.wrong_to_create_dirs(path)
        if self.agree(wrong, lambda: self.file_system.recursively_create_dir(self.full(path))):
            self.model.create_dirs(path)

    @rule(path=paths)
    def delete_file(self, path: str) -> None:
        if self.is_busy(path):
            return
        if self.agree(self.model.wrong_as_file(path), lambda: self.file_system.delete_file(self.full(path))):
            self.model.delete(path)

    @rule(path=paths)
    def delete_dir(self, path: str) -> None:
        wrong = self.model.wrong_to_delete_dir(path)
        if self.agree(wrong, lambda: self.file_system.delete_dir(self.full(path))):
            self.model.delete(path)

    @rule(path=paths)
    def delete_recursively(self, path: str) -> None:
        if self.is_busy(path):
            return
        wrong = self.model.wrong_missing(path)
        if self.agree(wrong, lambda: self.file_system.delete_recursively(self.full(path))):
            self.model.delete(path)

    @rule(old=paths, new=paths, overwrite=st.booleans())
    def rename(self, old: str, new: str, overwrite: bool) -> None:
        if self.is_busy(old) or self.is_busy(new):
            return
        if self.model.is_directory(old) and not self.capabilities.rename_directory:
            return
        wrong = self.model.wrong_to_rename(old, new, overwrite=overwrite)
        names = self.full(old), self.full(new)
        if self.agree(wrong, lambda: self.file_system.rename_file(*names, overwrite=overwrite)):
            self.model.rename(old, new)

    @rule(old=paths, new=paths, overwrite=st.booleans())
    def copy(self, old: str, new: str, overwrite: bool) -> None:
        if self.is_busy(old) or self.is_busy(new):
            return
        wrong = self.model.wrong_to_copy(old, new, overwrite=overwrite)
        names = self.full(old), self.full(new)
        if self.agree(wrong, lambda: self.file_system.copy_file(*names, overwrite=overwrite)):
            self.model.write(new, self.model.content(old))

    # Looking.

    @rule(path=paths, offset=st.integers(0, 150_000), length=st.integers(0, 150_000))
    def read(self, path: str, offset: int, length: int) -> None:
        def call() -> None:
            with self.file_system.new_random_access_file(self.full(path)) as file:
                data = self.model.content(path)
                assert file.read(offset, length) == data[offset : offset + length]
                assert file.read_ranges([(0, 3), (offset, length)]) == [data[:3], data[offset : offset + length]]
                assert file.size() == len(data)

        self.agree(self.model.wrong_as_file(path), call)

    @rule(path=paths)
    def stat(self, path: str) -> None:
        def call() -> None:
            statistics = self.file_system.stat(self.full(path))
            assert statistics.is_directory == self.model.is_directory(path)
            assert statistics.length == (0 if statistics.is_directory else len(self.model.content(path)))

        self.agree(self.model.wrong_missing(path), call)
        assert self.file_system.file_exists(self.full(path)) == self.model.exists(path)

    @rule(path=paths)
    def list_directory(self, path: str) -> None:
        def call() -> None:
            entries = self.file_system.list_directory(self.full(path))
            assert {entry.name: entry.is_directory for entry in entries} == self.model.children(path)

        self.agree(self.model.wrong_as_directory(path), call)

    @invariant()
    def the_top_is_the_same(self) -> None:
        if self._has_begun:
            entries = list(self.file_system.list_directory(self.root))
            assert len(entries) == len({entry.name for entry in entries})
            assert {entry.name: entry.is_directory for entry in entries} == self.model.children("")

    # Helpers.

    def full(self, path: str) -> str:
        """Return the full path for one of the model."""
        return join(self.root, path)

    def is_busy(self, path: str) -> bool:
        """Tell whether a call on a path would touch a file that is open for writing."""
        return any(open_path == path or open_path.startswith(f"{path}/") for open_path in self.writers)

    def agree(self, wrong: Errors, call: Callable[[], object]) -> bool:
        """Make a call, which has to raise one of the errors, or none if there are none; tell whether it went well."""
        if not wrong:
            call()
            return True
        with pytest.raises(tuple(wrong)):
            call()
        return False
