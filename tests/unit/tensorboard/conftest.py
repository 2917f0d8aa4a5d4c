"""What the tests of TensorBoard's data share."""

import pytest

import recordfs
from recordfs.filesystems.memory import MemoryFileSystem
from support.counting_store import CountingStore


@pytest.fixture
def cache_directory(tmp_path, monkeypatch):
    """What the background pass found goes here, and not to the user's directory."""
    monkeypatch.setenv("RECORDFS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def store(cache_directory):
    store = CountingStore()
    recordfs.register_file_system("tbstore", store)
    store.delete = MemoryFileSystem().delete_recursively
    yield store
    for event in store.waiting.values():
        event.set()
    recordfs.unregister_file_system("tbstore")
    if MemoryFileSystem().file_exists("ram://tb"):
        MemoryFileSystem().delete_recursively("ram://tb")
