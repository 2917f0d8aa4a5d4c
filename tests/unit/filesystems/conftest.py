"""What the tests of filesystems share."""

import pytest

import recordfs


@pytest.fixture
def memory():
    """`memory://`, empty, as the registry finds it."""
    fsspec_memory = pytest.importorskip("fsspec.implementations.memory")
    fsspec_memory.MemoryFileSystem.store.clear()
    fsspec_memory.MemoryFileSystem.pseudo_dirs[:] = [""]
    yield recordfs.get_file_system("memory://")
    fsspec_memory.MemoryFileSystem.store.clear()
    fsspec_memory.MemoryFileSystem.pseudo_dirs[:] = [""]
