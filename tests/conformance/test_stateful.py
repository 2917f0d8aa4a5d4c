"""Random sequences of calls on the filesystems of this machine."""

import itertools
import os
import shutil
import tempfile

from hypothesis import settings

from recordfs.filesystems.memory import MemoryFileSystem
from recordfs.filesystems.posix import PosixFileSystem
from recordfs.filesystems.wrapper import WrapperFileSystem, WrapperRandomAccessFile, WrapperWritableFile
from recordfs.testing.stateful import FileSystemMachine

_numbers = itertools.count()

# The same sequences at every run: a failure in CI is one that everybody sees.
FEW = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, database=None)


class PosixMachine(FileSystemMachine):
    def open_place(self):
        self.directory = tempfile.mkdtemp()
        return PosixFileSystem(), self.directory

    def close_place(self):
        shutil.rmtree(self.directory)


class MemoryMachine(FileSystemMachine):
    def open_place(self):
        file_system, root = MemoryFileSystem(), f"ram://stateful-{os.getpid()}-{next(_numbers)}"
        file_system.create_dir(root)
        return file_system, root

    def close_place(self):
        self.file_system.delete_recursively(self.root)


class FilesToo(WrapperFileSystem):
    def wrap_reader(self, file):
        return WrapperRandomAccessFile(file)

    def wrap_writer(self, file):
        return WrapperWritableFile(file)


class WrapperMachine(PosixMachine):
    def open_place(self):
        file_system, root = super().open_place()
        return FilesToo(file_system), root


TestPosix = PosixMachine.TestCase
TestMemory = MemoryMachine.TestCase
TestWrapper = WrapperMachine.TestCase
TestPosix.settings = TestMemory.settings = TestWrapper.settings = FEW
